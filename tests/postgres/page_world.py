"""The world a page of the documentation is run in: its dimensions deployed, a person at psql, and PostgREST.

`python -m tests.postgres.page_world PAGE …` writes the answers anew; read the difference before committing it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import yaml
from psycopg import sql

from docs._page import WAREHOUSE, Block, align, read_blocks, split_statements
from pgcraft_core.migrate.session import Session
from playground.ports import free_port
from playground.postgres import EmbeddedPostgres, PostgresServer, ScratchDatabase
from playground.postgrest import ensure_postgrest
from playground.scratch import ScratchFolder
from tests.corpus.world import compiled, load, said, settings

KEY = "k" * 32
NUMERIC_TYPES = {20, 21, 23, 26, 700, 701, 1700}
PERSON, OWNER = "ada", "warehouse_owner"
CALLER = "grace"


@dataclass
class PageWorld:
    """Runs blocks one after the other; `applied` is the SQL of the last manifests, `variables` what `\\gset` kept."""

    server: PostgresServer
    database: ScratchDatabase
    session: Session
    person: psycopg.Connection
    postgrest: Path
    folder: Path
    manifests: dict[str, str] = field(default_factory=dict)
    applied: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    api: subprocess.Popen[bytes] | None = None
    api_url: str = ""

    def answer(self, block: Block) -> str | None:
        """Run a block and return what is to be shown below it; None where nothing is, as below a manifest."""
        match block:
            case Block("yaml", text) if "kind: Dimension" in text:
                documents = [f"{document.strip()}\n" for document in text.split("---\n")]
                self.deploy({yaml.safe_load(document)["metadata"]["name"]: document for document in documents})
                return None
            case Block("diff", text):
                self.deploy(self.change(text))
                return None
            case Block("sql", text, str()):
                answers = filter(None, map(self.execute, split_statements(text)))
                return "\n".join(answers).rstrip("\n")
            case Block("sql", text):
                self.find_in_plan(text)
                return None
            case Block("sh", text, expected) if text.startswith("curl "):
                answer = self.request(text)
                return None if expected is None else answer
            case _:
                return None

    def change(self, hunk: str) -> dict[str, str]:
        """Return the manifest that a hunk changes, changed."""
        lines = [line or " " for line in hunk.splitlines()]
        old, new = ("".join(f"{line[1:]}\n" for line in lines if line[0] in marks) for marks in (" -", " +"))
        changed = {name: text.replace(old, new) for name, text in self.manifests.items() if old in text}
        assert len(changed) == 1, f"{len(changed)} manifests have\n{old}"
        return changed

    def deploy(self, manifests: dict[str, str]) -> None:
        """Apply the dimensions, beside those that are there; nothing is left to do then."""
        self.manifests |= manifests
        dimensions = [load(yaml.safe_load(text)) for text in self.manifests.values()]
        given = {"database": load(WAREHOUSE), "server_version": self.session.server_version}
        units = compiled(*dimensions, **given)
        plan = self.session.plan(units)
        assert not plan.diagnostics, said(plan)
        for migration in plan.migrations:
            self.session.apply(migration)
        self.applied = "\n".join(migration.sql for migration in plan.migrations)
        with psycopg.connect(self.database.url) as superuser:
            names = map(sql.Identifier, (OWNER, PERSON))
            superuser.execute(sql.SQL("GRANT {} TO {}").format(*names))
        again = self.session.plan(units)
        assert not again.migrations, again.migrations[0].sql
        assert not again.drift
        self.stop_api()

    def find_in_plan(self, excerpt: str) -> None:
        """See that the plan says this, `…` standing for what is left out."""
        position = 0
        for part in re.split(r"^ *(?:-- )?…\n", excerpt + "\n", flags=re.MULTILINE):
            wanted = part.strip("\n")
            position = self.applied.find(wanted, position)
            assert position >= 0, f"the plan does not say\n{wanted}\nbut\n{self.applied}"
            position += len(wanted)

    def execute(self, statement: str) -> str:
        """Run a statement as psql does and return what it prints."""
        keeps = statement.endswith("\\gset")
        text = re.sub(
            r":'(\w+)'",
            lambda found: sql.Literal(self.variables[found[1]]).as_string(None),
            statement.removesuffix("\\gset").strip(),
        )
        cursor = self.person.cursor()
        try:
            cursor.execute(text)  # ty: ignore[no-matching-overload] - SQL of a page, whole
        except psycopg.Error as error:
            return _complaint(error)
        result = cursor.pgresult
        assert result is not None
        if cursor.description is None:
            return cursor.statusmessage or ""
        names = [column.name for column in cursor.description]
        rows = [
            [(result.get_value(row, column) or b"").decode() for column in range(result.nfields)]
            for row in range(result.ntuples)
        ]
        if keeps:
            self.variables |= dict(zip(names, rows[0], strict=True))
            return ""
        table = align(names, rows, [column.type_code in NUMERIC_TYPES for column in cursor.description]) + "\n"
        tag = cursor.statusmessage or ""
        return table if tag.startswith("SELECT") else f"{table}\n{tag}"

    def request(self, command: str) -> str:
        """Send what the curl command would, and return the body."""
        if self.api is None:
            self.start_api()
        token = jwt.encode({"role": "editor", "sub": CALLER, "exp": int(time.time()) + 600}, KEY, algorithm="HS256")
        known = {"API": self.api_url, "TOKEN": token, **self.variables}
        words = shlex.split(
            re.sub(r"\$(\w+)", lambda found: known[found[1]], command.replace("\\\n", " ")),
        )
        request = _read_curl(words[1:])
        answer = httpx.request(**request, trust_env=False, timeout=10)
        assert answer.is_success or answer.headers["content-type"].startswith("application/json"), answer.text
        return _lay_out(answer.json()) if answer.content else ""

    def start_api(self) -> None:
        """Start PostgREST over the dimensions as they are."""
        port, admin = free_port(), free_port()
        with psycopg.connect(self.database.url, autocommit=True) as superuser:
            if superuser.execute("SELECT FROM pg_roles WHERE rolname = 'authenticator'").rowcount == 0:
                superuser.execute("CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD 'secret'")
                superuser.execute("GRANT web_anon, editor TO authenticator")
            superuser.execute("GRANT USAGE ON SCHEMA api TO web_anon, editor")
        given = {
            "DB_URI": self.server.url_for("authenticator", "secret", self.database.name),
            "JWT_SECRET": KEY,
            "DB_SCHEMAS": "api",
            "DB_ANON_ROLE": "web_anon",
            "SERVER_HOST": "127.0.0.1",
            "SERVER_PORT": str(port),
            "ADMIN_SERVER_PORT": str(admin),
        }
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        environment |= {f"PGRST_{name}": value for name, value in given.items()}
        with (self.folder / "postgrest.log").open("wb") as log:
            self.api = subprocess.Popen([self.postgrest], env=environment, stdout=log, stderr=log)
        self.api_url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 20
        while not _is_ready(f"http://127.0.0.1:{admin}/ready"):
            assert time.monotonic() < deadline, (self.folder / "postgrest.log").read_text()
            time.sleep(0.05)  # a program that starts announces nothing to wait for

    def stop_api(self) -> None:
        """Stop PostgREST, which has read the shape that was."""
        if self.api is not None:
            self.api.kill()
            self.api.wait()
            self.api = None


@contextmanager
def open_page_world(server: PostgresServer, postgrest: Path) -> Generator[PageWorld]:
    """Give an empty database, where `ada` is a member of the role that owns what will be made."""
    with ExitStack() as stack:
        database = stack.enter_context(server.scratch_database())
        folder = stack.enter_context(ScratchFolder("page"))
        person = stack.enter_context(psycopg.connect(database.url, autocommit=True))
        for role in (PERSON, "web_anon", "editor"):
            if person.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount == 0:
                person.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        person.execute(sql.SQL("SET timezone = 'UTC'"))
        person.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(PERSON)))
        session = stack.enter_context(Session(settings(database, owner_role=OWNER)))
        world = PageWorld(server, database, session, person, postgrest, folder)
        stack.callback(world.stop_api)
        yield world


def run_page(world: PageWorld, page: str) -> Iterator[tuple[Block, str | None]]:
    """Yield each block with its answer."""
    for block in read_blocks(page):
        yield block, world.answer(block)


def _complaint(error: psycopg.Error) -> str:
    lines = [f"ERROR:  {error.diag.message_primary}"]
    lines += [f"DETAIL:  {error.diag.message_detail}"] if error.diag.message_detail else []
    lines += [f"HINT:  {error.diag.message_hint}"] if error.diag.message_hint else []
    return "\n".join(lines)


def _read_curl(words: list[str]) -> dict[str, Any]:
    """Return the request that curl's options describe: only those that pages use."""
    request: dict[str, Any] = {"method": "GET", "headers": {}, "params": []}
    iterator = iter(words)
    for word in iterator:
        match word:
            case "-G":
                request["method"] = "GET"
            case "-X":
                request["method"] = next(iterator)
            case "-H":
                name, _, value = next(iterator).partition(": ")
                request["headers"][name] = value
            case "-d":
                request["content"] = next(iterator)
            case "--data-urlencode":
                request["params"].append(tuple(next(iterator).split("=", 1)))
            case _:
                url = httpx.URL(word)
                request["params"][:0] = url.params.multi_items()
                request["url"] = url.copy_with(query=None)
    return request


def _lay_out(body: Any) -> str:
    if not isinstance(body, list):
        return json.dumps(body, ensure_ascii=False)
    return "[" + ",\n ".join(json.dumps(row, ensure_ascii=False) for row in body) + "]"


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=2).is_success
    except httpx.TransportError:
        return False


def rewrite(page: Path) -> None:
    """Write the page with the answers of today."""
    text = page.read_text()
    with EmbeddedPostgres() as server, open_page_world(server, ensure_postgrest()) as world:
        position = 0
        for block, answer in run_page(world, text):
            position = text.index(block.text, position) + len(block.text)
            if block.answer is not None and answer is not None:
                begin = text.index("\n", text.index("```", position + 4)) + 1
                end = text.index("\n```", begin) if block.answer else begin - 1
                text = text[:begin] + answer + text[end:]
                position = begin + len(answer)
    page.write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        rewrite(Path(name))
