"""Every field of a dimension comes, changes and goes: on an empty and on a filled table, under its API view.

The oracle is a fresh deployment: whatever way led there, the database holds the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
import pytest

from pgcraft_core.migrate.errors import StatementFailedError
from pgcraft_core.migrate.session import Session
from playground.postgres import ScratchDatabase
from tests.corpus.world import API, compiled, deploy, dimension, open_session, sql

CODE = {"name": "code", "type": "varchar(8)", "nullable": False}
NOTE = {"name": "note", "type": "text"}
SIZE = {"name": "size", "type": "integer"}
Loss = Literal["never", "where filled", "always"]
ROWS = "INSERT INTO geo.things (code, note, size) VALUES ('a', 'x', 1), ('b', 'y', 2), ('c', 'z', 3)"
DATA = "SELECT code, note, size FROM geo.things ORDER BY code"


@dataclass(frozen=True)
class Change:
    """From one specification to another, and back.

    `loses` and `loses_back` say when it would lose data, so that it waits; `keeps` names columns that stay after the
    way back, until their removal is approved.
    """

    name: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    loses: Loss = "never"
    loses_back: Loss = "never"
    keeps: frozenset[str] = frozenset()
    data: str = DATA


def columns(*columns: Mapping[str, Any]) -> dict[str, Any]:
    return {"columns": list(columns)}


def altered(column: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return columns(*({**one, **changes} if one is column else one for one in (CODE, NOTE, SIZE)))


GENERATED = {"name": "label", "type": "text", "generated": "upper(code)"}
UNIQUE = {"name": "pair", "columns": ["code", "size"]}
INDEX = {"name": "by_size", "columns": ["size"]}
CHECK = {"name": "sane", "expression": "size > 0"}

CHANGES = [
    Change(
        "column at the end",
        {},
        columns(CODE, NOTE, SIZE, {"name": "extra", "type": "date"}),
        keeps=frozenset({"extra"}),
    ),
    Change(
        "column in the middle",
        {},
        columns(CODE, {"name": "extra", "type": "uuid", "default": "gen_random_uuid()", "nullable": False}, NOTE, SIZE),
        keeps=frozenset({"extra"}),
    ),
    Change(
        "generated column before its base",
        {},
        columns(
            GENERATED | {"generated": "upper(extra)"},
            CODE,
            NOTE,
            SIZE,
            {"name": "extra", "type": "text", "default": "'e'"},
        ),
        keeps=frozenset({"extra", "label"}),
    ),
    Change("columns in another order", {}, columns(SIZE, CODE, NOTE)),
    Change("type, widened", {}, altered(CODE, type="varchar(20)"), loses_back="where filled"),
    Change("type, to text", {}, altered(CODE, type="text"), loses_back="where filled"),
    Change("type, rewritten", {}, altered(SIZE, type="bigint"), loses_back="where filled"),
    Change("type, narrowed", {}, altered(CODE, type="varchar(2)"), loses="where filled"),
    Change(
        "type, with default",
        altered(SIZE, default="1"),
        altered(SIZE, type="numeric(9,2)", default="1.5"),
        loses="where filled",
    ),
    Change(
        "type of what a generated column reads",
        columns(CODE, NOTE, SIZE, GENERATED),
        columns({**CODE, "type": "varchar(30)"}, NOTE, SIZE, GENERATED),
        loses_back="where filled",
    ),
    Change(
        "generated column's expression and base type at once, with an index on it",
        columns(CODE, NOTE, SIZE, GENERATED) | {"indexes": [{"name": "by_label", "columns": ["label"]}]},
        columns({**CODE, "type": "text"}, NOTE, SIZE, GENERATED | {"generated": "lower(code)"})
        | {"indexes": [{"name": "by_label", "columns": ["label"]}]},
        loses_back="where filled",
    ),
    Change(
        "generated to ordinary",
        columns(CODE, NOTE, SIZE, GENERATED),
        columns(CODE, NOTE, SIZE, {"name": "label", "type": "text"}),
        loses_back="always",
    ),
    Change(
        "ordinary to generated",
        columns(CODE, NOTE, SIZE, {"name": "label", "type": "text"}),
        columns(CODE, NOTE, SIZE, GENERATED),
        loses="always",
    ),
    Change("default comes", {}, altered(NOTE, default="'none'")),
    Change("default changes", altered(NOTE, default="'none'"), altered(NOTE, default="'50% of a:b \\ \"c\"'")),
    Change("not null comes", {}, altered(NOTE, nullable=False)),
    Change("unique comes", {}, altered(NOTE, unique=True)),
    Change("check of a column comes", {}, altered(SIZE, check="size > 0")),
    Change(
        "check of a column changes",
        altered(SIZE, check="size > 0"),
        altered(SIZE, check="size >= 0 and size % 100 < 50"),
    ),
    Change("comment of a column comes", {}, altered(NOTE, comment="It's 100% \\ a:b\nsecond line")),
    Change("comment of a column changes", altered(NOTE, comment="one"), altered(NOTE, comment="two")),
    Change("comment of the table comes", {}, {"comment": "Things, \"quoted\" and 'so'"}),
    Change("comment of the table changes", {"comment": "one"}, {"comment": "two"}),
    Change(
        "rename",
        {},
        columns(CODE, {"name": "remark", "type": "text", "renamedFrom": "note"}, SIZE),
        data="SELECT code, {note}, size FROM geo.things ORDER BY code",
    ),
    Change(
        "self reference comes",
        altered(CODE, unique=True),
        columns(
            {**CODE, "unique": True},
            {**NOTE, "type": "text"},
            SIZE,
            {
                "name": "parent",
                "type": "varchar(8)",
                "references": {"dimension": "things", "column": "code", "onDelete": "SetNull"},
            },
        ),
        keeps=frozenset({"parent"}),
    ),
    Change("composite unique comes", {}, {"uniques": [UNIQUE]}),
    Change(
        "composite unique changes",
        {"uniques": [UNIQUE]},
        {"uniques": [UNIQUE | {"nullsNotDistinct": True, "comment": "one"}]},
    ),
    Change("composite unique is renamed", {"uniques": [UNIQUE]}, {"uniques": [UNIQUE | {"name": "couple"}]}),
    Change("check comes", {}, {"checks": [CHECK]}),
    Change("check gets a comment", {"checks": [CHECK]}, {"checks": [CHECK | {"comment": "sound"}]}),
    Change("check changes", {"checks": [CHECK]}, {"checks": [CHECK | {"expression": "size > 0 and note <> '%s :x'"}]}),
    Change("index comes", {}, {"indexes": [INDEX]}),
    Change(
        "index changes in everything",
        {"indexes": [INDEX]},
        {
            "indexes": [
                {
                    "name": "by_size",
                    "columns": ["size"],
                    "expressions": ["lower(note)"],
                    "include": ["code"],
                    "operatorClasses": {"1": "text_pattern_ops"},
                    "unique": True,
                    "nullsNotDistinct": True,
                    "where": "note is not null",
                    "comment": "everything",
                }
            ]
        },
    ),
    Change("index method changes", {"indexes": [INDEX]}, {"indexes": [INDEX | {"method": "hash"}]}),
    Change("index gets a comment", {"indexes": [INDEX]}, {"indexes": [INDEX | {"comment": "quick"}]}),
    Change("API goes", {}, {"api": None}),
    Change("API view is renamed", {}, {"api": {**API, "name": "items"}}),
    Change("API moves", {}, {"api": {**API, "schema": "other"}}),
    Change("grants narrow", {}, {"api": {**API, "grants": [{"role": "reader", "privileges": ["select"]}]}}),
    Change(
        "grants change",
        {"api": {**API, "grants": []}},
        {"api": {**API, "grants": [{"role": "writer", "privileges": ["update"]}]}},
    ),
]


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_change_and_revert(any_database: ScratchDatabase, change: Change, filled: bool) -> None:
    with (
        open_session(any_database, approval="Never") as session,
        psycopg.connect(any_database.url, autocommit=True) as eye,
    ):
        deploy(session, things(change.before))
        if filled:
            eye.execute(sql(ROWS))
        start, rows = shape(eye), eye.execute(sql(data(change, "before"))).fetchall()

        if waits(change.loses, filled):
            plan = session.plan(compiled(things(change.after), server_version=session.server_version))
            assert not plan.migrations
            assert [step.hazard.type for migration in plan.waiting for step in migration.operations if step.hazard] == [
                "DataLoss"
            ]
            assert shape(eye) == start
            return
        deploy(session, things(change.after))
        assert shape(eye) == fresh(session, eye, change.after)
        if "label" not in str(change.before):
            assert eye.execute(sql(data(change, "after"))).fetchall() == rows

        if waits(change.loses_back, filled):
            plan = session.plan(compiled(things(change.before), server_version=session.server_version))
            assert all(claimant.name != "things" for migration in plan.migrations for claimant in migration.claimants)
            assert plan.waiting
            return
        deploy(session, things(reverted(change)))
        assert shape(eye, without=change.keeps) == start
        assert eye.execute(sql(data(change, "before"))).fetchall() == rows
        assert {name for name, *_ in shape(eye)["columns"]} - {name for name, *_ in start["columns"]} == change.keeps
        waiting = session.plan(compiled(things(reverted(change)), server_version=session.server_version)).waiting
        assert bool(waiting) == bool(change.keeps)


def test_removed_column_keeps_its_data_and_lets_writers_be(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, things(altered(NOTE, nullable=False)))
        eye.execute(sql(ROWS))
        deploy(session, things(columns(CODE, SIZE)))
        eye.execute("INSERT INTO geo.things (code, size) VALUES ('d', 4)")
        assert eye.execute("SELECT note FROM geo.things ORDER BY code").fetchall() == [("x",), ("y",), ("z",), (None,)]
        assert "note" not in {name for name, *_ in shape(eye)["view"]}
        (waiting,) = session.plan(compiled(things(columns(CODE, SIZE)), server_version=session.server_version)).waiting
        assert waiting.needs_approval
        assert [step.hazard.message for step in waiting.operations if step.hazard] == [
            "drop column note of geo.things: 3 values would be lost"
        ]

        # It comes back as it was, once its NULLs are filled.
        eye.execute("UPDATE geo.things SET note = 'w' WHERE note IS NULL")
        deploy(session, things(altered(NOTE, nullable=False)))
        assert not session.plan(
            compiled(things(altered(NOTE, nullable=False)), server_version=session.server_version)
        ).waiting
        assert eye.execute("SELECT note FROM geo.things ORDER BY code").fetchall() == [("x",), ("y",), ("z",), ("w",)]


def test_renaming_a_column_that_another_dimension_references(any_database: ScratchDatabase) -> None:
    def pair(code: dict[str, Any]) -> list[Any]:
        part = {"name": "thing", "type": "varchar(8)", "references": {"dimension": "things", "column": code["name"]}}
        return [things(columns(code, NOTE, SIZE)), dimension("parts", part)]

    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, *pair({**CODE, "unique": True}))
        eye.execute(sql(ROWS))
        eye.execute("INSERT INTO geo.parts (thing) VALUES ('a')")
        deploy(session, *pair({**CODE, "unique": True, "name": "kod", "renamedFrom": "code"}))
        constraints = {name: definition for name, definition, _ in shape(eye)["constraints"]}
        assert constraints["things_kod_key"] == "UNIQUE (kod)"
        assert constraints["parts_thing_fkey"] == "FOREIGN KEY (thing) REFERENCES geo.things(kod)"
        assert eye.execute("SELECT thing FROM geo.parts").fetchall() == [("a",)]


def test_renaming_a_natural_key_with_references(any_database: ScratchDatabase) -> None:
    def pair(code: dict[str, Any]) -> list[Any]:
        part = {"name": "thing", "type": "varchar(8)", "references": {"dimension": "things"}}
        key = {"strategy": "Natural", "columns": [code["name"]]}
        return [things(columns(code, NOTE, SIZE) | {"primaryKey": key}), dimension("parts", part)]

    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, *pair(CODE))
        eye.execute(sql(ROWS))
        deploy(session, *pair({**CODE, "name": "kod", "renamedFrom": "code"}))
        constraints = {name: definition for name, definition, _ in shape(eye)["constraints"]}
        assert constraints["things_pkey"] == "PRIMARY KEY (kod)"
        assert constraints["parts_thing_fkey"] == "FOREIGN KEY (thing) REFERENCES geo.things(kod)"


@pytest.mark.parametrize("strategy", ["UUIDv7", "UUIDv4"])
def test_key_strategies_give_values(any_database: ScratchDatabase, strategy: str) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, things({"primaryKey": {"strategy": strategy}}))
        first = eye.execute("INSERT INTO geo.things (code) VALUES ('a') RETURNING id").fetchone()
        assert first is not None
        assert first[0].version == int(strategy[-1])
        assert first[0].variant == "specified in RFC 4122"


def test_identity_goes_on_behind_the_rows_that_are_there(any_database: ScratchDatabase) -> None:
    natural = columns({"name": "id", "type": "bigint"}, CODE, NOTE, SIZE) | {
        "primaryKey": {"strategy": "Natural", "columns": ["id"]}
    }
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, things(natural))
        eye.execute("INSERT INTO geo.things (id, code) VALUES (41, 'a')")
        deploy(session, things({}))
        assert eye.execute("INSERT INTO geo.things (code) VALUES ('b') RETURNING id").fetchone() == (42,)
        deploy(session, things(natural))
        assert eye.execute("SELECT id FROM geo.things ORDER BY id").fetchall() == [(41,), (42,)]


def waits(loss: Loss, filled: bool) -> bool:
    return loss == "always" or (loss == "where filled" and filled)


def things(spec: Mapping[str, Any]) -> Any:
    given: dict[str, Any] = {"columns": [CODE, NOTE, SIZE], "api": API} | dict(spec)
    listed = given.pop("columns")
    return dimension("things", *listed, **{key: value for key, value in given.items() if value is not None})


def reverted(change: Change) -> dict[str, Any]:
    """Return the specification before, where a rename is taken back as one."""
    if change.name == "rename":
        return columns(CODE, {**NOTE, "renamedFrom": "remark"}, SIZE)
    return dict(change.before)


def data(change: Change, state: str) -> str:
    return change.data.replace("{note}", "note" if state == "before" else "remark")


def shape(
    eye: psycopg.Connection[Any], schema: str = "geo", without: frozenset[str] = frozenset()
) -> dict[str, set[Any]]:
    """Return all that matters of the schema's tables and of every view on them, by SQL of our own."""
    api = eye.execute(
        """
        SELECT DISTINCT v.oid, v.relname FROM pg_class v JOIN pg_rewrite r ON r.ev_class = v.oid
        JOIN pg_depend d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_class t ON t.oid = d.refobjid WHERE v.relkind = 'v' AND t.relnamespace = %s::regnamespace
        """,
        [schema],
    ).fetchall()
    relations = "SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace"
    found = {
        "columns": eye.execute(
            sql(f"""
            SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
                   pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
            FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid IN ({relations}) AND attnum > 0 AND NOT attisdropped
            """),
            [schema],
        ),
        "constraints": eye.execute(
            sql(f"""
            SELECT conname, replace(pg_get_constraintdef(oid), %s || '.', 'geo.'), obj_description(oid)
            FROM pg_constraint WHERE conrelid IN ({relations}) AND contype <> 'n' AND convalidated
            """),
            [schema, schema],
        ),
        "indexes": eye.execute(
            sql(f"""
            SELECT replace(pg_get_indexdef(indexrelid), %s || '.', 'geo.'), obj_description(indexrelid)
            FROM pg_index WHERE indrelid IN ({relations}) AND indisvalid
            """),
            [schema, schema],
        ),
        "tables": eye.execute(
            sql(f"SELECT obj_description(oid), relname FROM pg_class WHERE oid IN ({relations})"), [schema]
        ),
        "view": eye.execute(
            """
            SELECT attname, attnum, c.relname, replace(c.relnamespace::regnamespace::text, 'fresh_', ''),
                   pg_get_expr(adbin, adrelid), col_description(attrelid, attnum), obj_description(c.oid),
                   array(SELECT a.grantee::regrole || ' ' || a.privilege_type FROM aclexplode(relacl) a
                         WHERE a.grantee <> c.relowner ORDER BY 1), c.reloptions
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid = ANY (%s) AND attnum > 0 AND NOT attisdropped
            """,
            [[oid for oid, _ in api]],
        ),
    }
    shapes = {what: {tuple(map(_hashable, row)) for row in cursor.fetchall()} for what, cursor in found.items()}
    shapes["columns"] = {row for row in shapes["columns"] if row[0] not in without}
    return shapes


def fresh(session: Session, eye: psycopg.Connection[Any], spec: Mapping[str, Any]) -> dict[str, set[Any]]:
    """Return the shape of a deployment that begins with this specification, elsewhere in the same database."""
    wanted: dict[str, Any] = {"columns": [CODE, NOTE, SIZE], "api": API} | dict(spec)
    listed = [dict(column) for column in wanted.pop("columns")]
    for column in listed:
        column.pop("renamedFrom", None)
        if "references" in column:
            column["references"] = {**column["references"], "dimension": "fresh"}
    if wanted["api"] is not None:
        wanted["api"] = {"name": "things", **wanted["api"], "schema": f"fresh_{wanted['api']['schema']}"}
    given = {key: value for key, value in wanted.items() if value is not None}
    deploy(session, things(spec), dimension("fresh", *listed, **given | {"schema": "fresh", "table": "things"}))
    return shape(eye, "fresh")


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def test_columns_renamed_in_a_chain_keep_their_data(any_database: ScratchDatabase) -> None:
    chain = columns(
        CODE, {**NOTE, "name": "size_name", "renamedFrom": "note"}, {**SIZE, "name": "note", "renamedFrom": "size"}
    )
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, things({}))
        eye.execute(sql(ROWS))
        deploy(session, things(chain))
        deploy(session, things(chain))
        rows = eye.execute("SELECT size_name, note FROM geo.things ORDER BY code").fetchall()
        assert rows == [("x", 1), ("y", 2), ("z", 3)]


def test_unique_is_made_anew_under_a_reference_of_the_table_to_itself(any_database: ScratchDatabase) -> None:
    parent = {"name": "parent", "type": "varchar(8)", "references": {"dimension": "things", "column": "code"}}
    unique = {"name": "u", "columns": ["code"]}
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, things(columns(CODE, parent) | {"uniques": [unique]}))
        deploy(session, things(columns(CODE, parent) | {"uniques": [unique | {"nullsNotDistinct": True}]}))
        constraints = {name: definition for name, definition, _ in shape(eye)["constraints"]}
        assert constraints["things_u"] == "UNIQUE NULLS NOT DISTINCT (code)"
        assert constraints["things_parent_fkey"] == "FOREIGN KEY (parent) REFERENCES geo.things(code)"


def test_type_of_a_referenced_key_and_of_what_references_it(any_database: ScratchDatabase) -> None:
    def pair(type_: str) -> list[Any]:
        key = {"name": "k", "type": type_}
        part = {"name": "thing", "type": type_, "references": {"dimension": "keyed"}}
        return [
            dimension("keyed", key, primary_key={"strategy": "Natural", "columns": ["k"]}, api=API),
            dimension("parts", part, api=API),
        ]

    with (
        open_session(any_database, approval="Never") as session,
        psycopg.connect(any_database.url, autocommit=True) as eye,
    ):
        deploy(session, *pair("integer"))
        eye.execute("INSERT INTO geo.keyed VALUES (1); INSERT INTO geo.parts (thing) VALUES (1)")
        deploy(session, *pair("bigint"))
        assert eye.execute("SELECT thing FROM api.parts JOIN api.keyed ON k = thing").fetchall() == [(1,)]


def test_reference_and_the_unique_under_it_go_in_two_runs_at_most(any_database: ScratchDatabase) -> None:
    reference = {"name": "thing", "type": "varchar(8)", "references": {"dimension": "things", "column": "code"}}
    with open_session(any_database) as session:
        deploy(session, things(altered(CODE, unique=True)), dimension("parts", reference))
        after = [things({}), dimension("parts", {"name": "thing", "type": "varchar(8)"})]
        for _ in range(2):
            for migration in session.plan(compiled(*after, server_version=session.server_version)).migrations:
                for group in migration.split():
                    with contextlib.suppress(StatementFailedError):
                        session.apply(group)
        deploy(session, *after)
