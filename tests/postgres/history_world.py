"""A dimension that keeps its past, sessions that write to it, and an eye that sees who waits for whom."""

from __future__ import annotations

import itertools
import json
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

import psycopg

from pgcraft_core.spec.dimension import Dimension
from playground.postgres import PostgresServer, ScratchDatabase
from tests.corpus.world import API, READER, WRITER, deploy, dimension, open_session, sql, warehouse
from tests.postgres.history_model import Row
from tests.postgres.history_statements import VIEW, Block, Relation, Remove, Simple, Statement

Past = Literal["AppendOnly", "EAV"]
PAST: tuple[Past, ...] = ("AppendOnly", "EAV")
TYPES = ("Simple", *PAST)

COLUMNS: tuple[Mapping[str, Any], ...] = (
    {"name": "world", "type": "integer"},
    {"name": "k", "type": "integer"},
    {"name": "a", "type": "text"},
    {"name": "n", "type": "integer"},
    {"name": "doc", "type": "json"},
    {"name": "label", "type": "text", "generated": "upper(a)"},
)
KEY = {"strategy": "Natural", "columns": ["world", "k"]}
Left = list[tuple[int, Row | None]]
_PATIENCE = 0.005  # seconds for a statement to end before anybody looks whether it waits for another


def things(type_: str, *columns: Mapping[str, Any], **spec: Any) -> Dimension:
    """Return the dimension `things` of schema `geo`, exposed with its past where it has one."""
    given: dict[str, Any] = {"api": dict(API) if type_ == "Simple" else {**API, "history": True}}
    if not columns:
        given["primary_key"] = KEY
    return dimension("things", *(columns or COLUMNS), type=type_, **given | spec)


class Writer:
    """A session with a thread of its own, so that its statements may wait for others."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET deadlock_timeout = '10ms'")
        self.running: Future[Left] | None = None
        self._thread = ThreadPoolExecutor(1)

    @property
    def pid(self) -> int:
        """The backend that serves it."""
        return self.connection.info.backend_pid

    def control(self, statement: str) -> None:
        """Run a statement that waits for nobody."""
        self.connection.execute(sql(statement))

    def act(self, statement: Statement, world: int, relation: Relation, actor: str | None) -> Left:
        """Run a statement as an API role (through the view) or as the superuser, and return what it says it left.

        The actor is told by JWT claims, as PostgREST tells it; None is nobody but the session's user.
        """
        claims = "" if actor is None else json.dumps({"sub": actor, "role": WRITER})
        self.connection.execute(
            "SELECT set_config('role', %s, false), set_config('request.jwt.claims', %s, false)",
            [WRITER if relation == VIEW else "none", claims],
        )
        if isinstance(statement, Block):
            self.connection.execute(sql(f"DO $block$ BEGIN {self._commands(statement, world, relation)}; END $block$"))
            return []
        text, given = statement.sql(world)
        if isinstance(statement, Simple):
            text += " RETURNING k, a, n, doc::text"
        cursor = self.connection.execute(sql(text.replace("{relation}", relation)), given)
        if not isinstance(statement, Simple):
            return []
        return [(key, None if isinstance(statement, Remove) else Row(*row)) for key, *row in cursor]

    def start(self, statement: Simple, world: int, relation: Relation, actor: str | None) -> None:
        """Begin a statement, which may have to wait; `Stage.settle` tells how far it came."""
        assert self.running is None
        self.running = self._thread.submit(self.act, statement, world, relation, actor)

    def start_sql(self, statement: str, *given: Any) -> Future[Left]:
        """Begin any statement, which may have to wait."""
        assert self.running is None

        def run() -> Left:
            self.connection.execute(sql(statement), given)
            return []

        self.running = self._thread.submit(run)
        return self.running

    def close(self) -> None:
        """End the session."""
        self._thread.shutdown()
        self.connection.close()

    def _commands(self, block: Block, world: int, relation: Relation) -> str:
        cursor = psycopg.ClientCursor(self.connection)
        commands = []
        for part in block.parts:
            text, given = part.sql(world)
            commands.append(cursor.mogrify(sql(text.replace("{relation}", relation)), given))
        return "; ".join(commands)


class Span(NamedTuple):
    """A value and how long it stood; `valid_to` and who closed it are None while it stands."""

    value: str | None
    valid_from: datetime
    valid_to: datetime | None
    changed_by: str
    changed_via: str
    closed_by: str | None
    closed_via: str | None


@dataclass
class Stage:
    """A deployed dimension of a type; every run uses a world (the first part of the key) of its own."""

    type: str
    database: ScratchDatabase
    eye: psycopg.Connection[Any]
    writers: tuple[Writer, ...]
    worlds: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def owner(self) -> str:
        """The role that owns what was made."""
        return f"{self.database.name}_owner"

    @property
    def past(self) -> str:
        """The table that keeps the past of `things`."""
        return {"AppendOnly": "geo.things_history", "EAV": "geo.things_attribute_log"}[self.type]

    def spans(self, world: int, key: int, column: str = "a") -> list[Span]:
        """Return the values a column of one of the `things` had, oldest first; its versions where it keeps those."""
        who = "valid_from, valid_to, changed_by, changed_via, closed_by, closed_via"
        if self.type == "EAV":
            query = f"SELECT value, {who} FROM geo.things_attribute_history WHERE attribute = '{column}' AND"
        else:
            query = f"SELECT {column}, {who} FROM geo.things_versions WHERE"
        return [Span(*row) for row in self.rows(f"{query} world = %s AND k = %s ORDER BY valid_from", world, key)]

    def run(self, statement: str, *given: Any) -> None:
        """Run a statement as the superuser."""
        self.eye.execute(sql(statement), given or None)

    def now(self) -> datetime:
        """Return the server's clock."""
        ((now,),) = self.eye.execute("SELECT clock_timestamp()").fetchall()
        return now

    def rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        """Return what a query of the superuser finds."""
        return self.eye.execute(sql(query), given).fetchall()

    def clear(self) -> None:
        """Let every session be idle and outside any transaction, whatever it was in the middle of."""
        while any(writer.running for writer in self.writers):
            for writer in self.writers:
                if writer.running is None:
                    writer.control("ROLLBACK")
            for writer in self.settle():
                writer.running = None
        for writer in self.writers:
            writer.control("ROLLBACK")

    def settle(self) -> list[Writer]:
        """Return once every running statement has ended or waits for a transaction nobody is busy with.

        Returned are the writers whose statement has ended; circles of waiting are left to Postgres, which breaks them.
        """
        busy = {writer.pid: writer for writer in self.writers if writer.running is not None}
        while busy:
            futures = [writer.running for writer in busy.values() if writer.running is not None]
            if wait(futures, timeout=_PATIENCE, return_when=FIRST_COMPLETED).done:
                break
            blocked = dict(self.rows("SELECT pid, pg_blocking_pids(pid) FROM unnest(%s::integer[]) pid", list(busy)))
            if _all_wait(blocked):
                break
        return [writer for writer in busy.values() if writer.running is not None and writer.running.done()]

    def await_waiting(self, writer: Writer) -> None:
        """Return once the writer's statement waits for another; fail where it ends instead."""
        assert writer not in self.settle(), "the statement did not wait"


def _all_wait(blocked: Mapping[int, list[int]]) -> bool:
    """Say whether all of these wait in the end for somebody who is not among them."""
    waiting: set[int] = set()
    while True:
        more = {pid for pid, by in blocked.items() if by and all(one in waiting or one not in blocked for one in by)}
        if more == waiting:
            return len(waiting) == len(blocked)
        waiting = more


@contextmanager
def staged(server: PostgresServer, type_: str, *resources: Dimension, writers: int = 3) -> Generator[Stage]:
    """Give `things` (or these resources) deployed in a database of its own, with sessions of its superuser."""
    with ExitStack() as stack:
        database = stack.enter_context(server.scratch_database())
        session = stack.enter_context(open_session(database))
        deploy(session, *(resources or [things(type_)]), database=warehouse(owner=f"{database.name}_owner"))
        eye = stack.enter_context(psycopg.connect(database.url, autocommit=True))
        eye.execute(sql(f"CREATE SCHEMA IF NOT EXISTS api; GRANT USAGE ON SCHEMA api TO {READER}, {WRITER}"))
        made = tuple(Writer(database.url, f"writer {number}") for number in range(writers))
        for writer in made:
            stack.callback(writer.close)
        yield Stage(type_, database, eye, made)
