"""Every field of a dimension with a past comes, changes and goes, and what it records goes on being recorded.

The oracle is a fresh deployment, as for other dimensions; and the past is what it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.model import Plan
from playground.postgres import ScratchDatabase
from tests.corpus.world import API, compiled, deploy, dimension, open_session, sql, warehouse
from tests.postgres.history_world import PAST
from tests.postgres.test_evolution import CHANGES, CODE, NOTE, SIZE, Change, reverted, shape, waits

HISTORY_API = {**API, "history": True}
FILL = """
    INSERT INTO geo.things (code, note, size) VALUES ('a', 'x', 1), ('b', 'y', 2), ('c', 'z', 3), ('d', 'u', 9);
    UPDATE geo.things SET size = 4 WHERE code = 'a';
    DELETE FROM geo.things WHERE code = 'd'
"""


def _renamed(change: Change) -> Change:
    """Return the change with another name for its column `extra`, which EAV dimensions have of their own."""
    before, after = (json.loads(json.dumps(spec).replace("extra", "more")) for spec in (change.before, change.after))
    return replace(
        change, before=before, after=after, keeps=frozenset(name.replace("extra", "more") for name in change.keeps)
    )


def _at_home(value: Any) -> Any:
    """Return what is in the schemas of a fresh deployment as if it were in the usual ones."""
    return re.sub(r"\bfresh(?=\.|$)", "geo", value.replace("fresh_", "")) if isinstance(value, str) else value


@dataclass
class World:
    """A database in which `things` change."""

    type: str
    session: Session
    eye: psycopg.Connection[Any]
    owner: str

    def things(self, spec: Mapping[str, Any], name: str = "things") -> Any:
        given: dict[str, Any] = {"columns": [CODE, NOTE, SIZE], "api": HISTORY_API, "type": self.type} | dict(spec)
        if given["api"] is not None and given["api"].get("expose", True):
            given["api"] = {"history": True, **given["api"]}
        listed = given.pop("columns")
        return dimension(name, *listed, **{key: value for key, value in given.items() if value is not None})

    def deploy(self, *specs: Mapping[str, Any]) -> None:
        """Apply one after the other; each leaves nothing to be done."""
        for spec in specs:
            deploy(self.session, self.things(spec), database=warehouse(owner=self.owner))

    def plan(self, spec: Mapping[str, Any]) -> Plan:
        units = compiled(
            self.things(spec), database=warehouse(owner=self.owner), server_version=self.session.server_version
        )
        return self.session.plan(units)

    def fresh(self, spec: Mapping[str, Any]) -> dict[str, set[Any]]:
        """Return the shape of a deployment that begins with this specification, elsewhere in the same database."""
        wanted: dict[str, Any] = {"columns": [CODE, NOTE, SIZE], "api": HISTORY_API} | dict(spec)
        listed = [dict(column) for column in wanted["columns"]]
        for column in listed:
            column.pop("renamedFrom", None)
            if "references" in column:
                column["references"] = {**column["references"], "dimension": "fresh"}
        if wanted["api"] is not None:
            wanted["api"] = {"name": "things", **wanted["api"], "schema": f"fresh_{wanted['api']['schema']}"}
        twin = self.things({**wanted, "columns": listed, "schema": "fresh", "table": "things"}, "fresh")
        deploy(self.session, self.things(spec), twin, database=warehouse(owner=self.owner))
        return self.shape("fresh")

    def shape(self, schema: str = "geo") -> dict[str, set[Any]]:
        """Return all that matters of the schema, its triggers and functions included."""
        found = shape(self.eye, schema)
        del found["view"]  # those over tables; here they are over views as well
        schemas = "^(geo|api|other)$" if schema == "geo" else "^fresh"
        found["views"] = self.rows(
            """
            SELECT c.relnamespace::regnamespace::text, c.relname, attname, attnum, format_type(atttypid, atttypmod),
                   pg_get_expr(adbin, adrelid), col_description(attrelid, attnum), obj_description(c.oid),
                   c.reloptions::text, pg_get_viewdef(c.oid),
                   array(SELECT a.grantee::regrole || ' ' || a.privilege_type FROM aclexplode(relacl) a
                         WHERE a.grantee <> c.relowner ORDER BY 1)::text
            FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE relkind = 'v' AND c.relnamespace::regnamespace::text ~ %s
            """,
            schemas,
        )
        found["triggers"] = self.rows(
            """
            SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN
              (SELECT oid FROM pg_class WHERE relnamespace = %s::regnamespace)
            """,
            schema,
        )
        found["functions"] = self.rows(
            """
            SELECT pg_get_functiondef(p.oid), obj_description(p.oid),
                   array(SELECT coalesce(g.rolname, 'public') FROM aclexplode(proacl) a
                         LEFT JOIN pg_roles g ON g.oid = a.grantee WHERE a.grantee <> proowner ORDER BY 1)::text
            FROM pg_proc p WHERE pronamespace::regnamespace::text ~ %s
            """,
            schemas,
        )
        return {what: {tuple(map(_at_home, row)) for row in rows} for what, rows in found.items()}

    def rows(self, query: str, *given: Any) -> set[Any]:
        return set(self.eye.execute(sql(query), given or None).fetchall())

    def past(self) -> list[tuple[Any, ...]]:
        """Return what was recorded of size, oldest first."""
        return self.eye.execute(
            sql(
                "SELECT code, size::integer, operation FROM geo.things_history ORDER BY valid_to"
                if self.type == "AppendOnly"
                else "SELECT attribute, value::numeric::integer, operation FROM geo.things_attribute_log"
                " WHERE attribute = 'size' ORDER BY valid_to"
            )
        ).fetchall()


@contextmanager
def open_world(database: ScratchDatabase, type_: str) -> Generator[World]:
    with (
        open_session(database, approval="Never") as session,
        psycopg.connect(database.url, autocommit=True) as eye,
    ):
        yield World(type_, session, eye, f"{database.name}_owner")


@pytest.fixture(params=PAST)
def world(database: ScratchDatabase, request: pytest.FixtureRequest) -> Iterator[World]:
    with open_world(database, request.param) as world:
        yield world


# A column may not be called extra here; and constraints and indexes are no other than those of any dimension.
_ALIKE = (
    "composite unique changes",
    "composite unique is",
    "check gets",
    "check changes",
    "index ",
    "comment of a column",
)
CASES = [_renamed(change) for change in CHANGES if not change.name.startswith(_ALIKE)]


@pytest.mark.parametrize("change", CASES, ids=lambda change: change.name)
def test_change_and_revert(world: World, change: Change) -> None:
    world.deploy(change.before)
    if change.loses == "where filled":
        see_change_of_an_empty_table(world, change)
        return
    world.eye.execute(FILL)
    past = world.past()
    assert len(past) == 2
    if change.loses == "always":
        assert not world.plan(change.after).migrations
        assert world.plan(change.after).waiting
        see_recording(world)
        return
    world.deploy(change.after)
    assert world.past() == past, "no migration writes or changes the past"
    assert world.shape() == world.fresh(change.after)
    see_recording(world)
    past = world.past()
    if not waits(change.loses_back, filled=True):
        world.deploy(reverted(change))
        assert world.past() == past
        see_recording(world)


def see_change_of_an_empty_table(world: World, change: Change) -> None:
    world.deploy(change.after)
    assert world.shape() == world.fresh(change.after)
    world.eye.execute(FILL)
    see_recording(world)


def see_recording(world: World) -> None:
    """See that an update, a delete and an insert leave what they should, and that views and queries show it."""
    before = len(world.past())
    renamed = "SELECT FROM pg_attribute WHERE attrelid = 'geo.things'::regclass AND attname = 'remark'"
    note = "remark" if world.rows(renamed) else "note"
    world.eye.execute("UPDATE geo.things SET size = size + 10 WHERE code = 'b'")
    world.eye.execute(sql(f"INSERT INTO geo.things (code, {note}, size) VALUES ('e', 'w', 33)"))
    world.eye.execute("DELETE FROM geo.things WHERE code = 'e'")
    past = world.past()
    assert len(past) == before + 2
    assert [row[-1] for row in past[-2:]] == ["UPDATE", "DELETE"]
    stands, ever = ("things_as_of", "things_versions")
    where = ""
    if world.type == "EAV":
        stands, ever, where = "things_attributes_as_of", "things_attribute_history", "WHERE attribute = 'size'"
    assert world.rows(f"SELECT count(*) FROM geo.{stands}(clock_timestamp()) {where}") == {(3,)}
    assert world.rows(f"SELECT count(*) FROM geo.{ever} {where}") == {(len(past) + 3,)}
    if world.rows("SELECT to_regclass(%s)", f"api.{ever}") != {(None,)}:
        assert world.rows(f"SELECT count(*) FROM api.{ever} {where}") == {(len(past) + 3,)}
        assert world.rows(f"SELECT count(*) FROM api.{stands}(clock_timestamp())") == world.rows(
            f"SELECT count(*) FROM geo.{stands}(clock_timestamp())"
        )
