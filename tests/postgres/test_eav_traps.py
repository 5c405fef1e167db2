"""What EAV dimensions were seen to get wrong when they are built otherwise, each as a test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from playground.postgres import PostgresServer
from tests.corpus.world import API, WRITER, compiled, dimension, sql
from tests.postgres.history_world import Stage, staged, things

HISTORY_API = {**API, "history": True}
CANONICAL = {
    "as_json": ("json", """{"a": 1}""", """{"a":1}"""),
    "as_jsonb": ("jsonb", "1.0", "1.00"),
    "as_point": ("point", "(0,1)", "(1,0)"),
    "as_box": ("box", "(1,4),(0,0)", "(2,2),(0,0)"),  # its equality compares areas
    "as_numeric": ("numeric", "1.0", "1.00"),
    "as_float": ("double precision", "0.1", "0.30000000000000004"),
    "as_zero": ("double precision", "0", "-0"),
    "as_bytea": ("bytea", "\\x00ff", "\\x"),
    "as_text": ("text", "", " "),
    "as_array": ("text[]", "{}", '{NULL,"a b"}'),
    "as_date": ("date", "2020-12-31", "infinity"),
    "as_time": ("timestamp with time zone", "2020-12-31 23:00:00+00", "-infinity"),
    "as_interval": ("interval", "1 mon", "30 days"),
    "as_boolean": ("boolean", "true", "false"),
    "as_uuid": ("uuid", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"),
    "as_inet": ("inet", "10.0.0.1/32", "10.0.0.0/8"),
    "as_range": ("numrange", "[1.0,2]", "[1.00,2]"),
}
STRANGE_SETTINGS = (
    "SET datestyle = 'German'; SET intervalstyle = 'sql_standard'; SET timezone = 'Pacific/Auckland';"
    " SET extra_float_digits = -15; SET bytea_output = 'escape'; SET xmlbinary = 'hex'"
)


@pytest.fixture(scope="module")
def stage(any_postgres: PostgresServer) -> Iterator[Stage]:
    parents = dimension(
        "parents",
        {"name": "code", "type": "text"},
        primary_key={"strategy": "Natural", "columns": ["code"]},
        type="EAV",
        api=HISTORY_API,
    )

    def to_parent(name: str, action: str) -> dict[str, Any]:
        return {"name": name, "type": "text", "references": {"dimension": "parents", "onDelete": action}}

    children = dimension(
        "children",
        *(to_parent("mother", "SetNull"), to_parent("father", "SetNull"), to_parent("home", "Cascade")),
        type="EAV",
        api=HISTORY_API,
    )
    columns = ({"name": name, "type": type_} for name, (type_, *_) in CANONICAL.items())
    odd = dimension("odd", *columns, type="EAV", api=HISTORY_API)
    free = dimension(
        "free",
        {"name": "size", "type": "integer", "check": "size > 0"},
        {"name": "code", "type": "text", "unique": True},
        type="EAV",
        open=True,
        api=HISTORY_API,
    )
    many = dimension("many", *({"name": f"c{n}", "type": "integer"} for n in range(400)), type="EAV", api=HISTORY_API)
    with staged(any_postgres, "EAV", things("EAV"), parents, children, odd, free, many) as stage:
        yield stage


@pytest.fixture
def world(stage: Stage) -> int:
    """A number to tell the rows of this test from others."""
    return next(stage.worlds)


def history(stage: Stage, relation: str, key: int, attribute: str) -> list[str]:
    """Return the values an attribute had, oldest first, and see that they follow one another."""
    rows = stage.rows(
        f"SELECT value, valid_from, valid_to FROM geo.{relation}_attribute_history WHERE id = %s AND attribute = %s"
        " ORDER BY valid_from",
        key,
        attribute,
    )
    for (_, _, ended), (_, begun, _) in pairwise(rows):
        assert ended <= begun
    assert all(ended is None or begun < ended for _, begun, ended in rows)
    return [value for value, *_ in rows]


def inserted(stage: Stage, relation: str, **values: Any) -> int:
    """Insert a row and return its key."""
    columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
    given = f"({columns}) VALUES ({places})" if values else "DEFAULT VALUES"
    query = f"INSERT INTO geo.{relation} {given} RETURNING id"
    ((key,),) = stage.rows(query, *values.values())
    return key


def test_one_delete_that_sets_two_keys_null_logs_each_once(stage: Stage, world: int) -> None:
    codes = [f"{name}{world}" for name in ("ann", "bob")]
    for code in codes:
        stage.run("INSERT INTO geo.parents VALUES (%s)", code)
    child = inserted(stage, "children", mother=codes[0], father=codes[1])
    stage.run("DELETE FROM geo.parents WHERE code = ANY (%s)", codes)
    assert stage.rows("SELECT attribute, value FROM geo.children_attribute_log WHERE id = %s ORDER BY 1", child) == [
        ("father", codes[1]),
        ("mother", codes[0]),
    ]
    assert stage.rows("SELECT FROM geo.children_attributes WHERE id = %s", child) == []


def test_set_null_and_cascade_at_once_log_each_once(stage: Stage, world: int) -> None:
    codes = [f"{name}{world}" for name in ("ann", "bob", "eve")]
    for code in codes:
        stage.run("INSERT INTO geo.parents VALUES (%s)", code)
    child = inserted(stage, "children", mother=codes[0], father=codes[1], home=codes[2])
    stage.run("DELETE FROM geo.parents WHERE code = ANY (%s)", codes)
    assert [history(stage, "children", child, name) for name in ("mother", "father", "home")] == [[c] for c in codes]
    assert stage.rows("SELECT FROM geo.children_attribute_history WHERE id = %s AND valid_to IS NULL", child) == []


def test_clearing_is_recorded(stage: Stage, world: int) -> None:
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    stage.run("UPDATE geo.things SET a = NULL WHERE world = %s", world)
    cleared = stage.now()
    stage.run("UPDATE geo.things SET a = 'y' WHERE world = %s", world)
    first, second = stage.spans(world, 1)
    assert (first.value, second.value) == ("x", "y")
    assert first.valid_to is not None
    assert first.valid_to < cleared < second.valid_from
    as_of = "SELECT value FROM geo.things_attributes_as_of(%s) WHERE world = %s AND attribute = 'a'"
    assert stage.rows(as_of, cleared, world) == []


def test_only_what_changed_is_logged(stage: Stage, world: int) -> None:
    stage.run("INSERT INTO geo.things (world, k, a, n, doc) VALUES (%s, 1, 'x', 1, '{}')", world)
    stage.run("UPDATE geo.things SET a = 'x', n = 2, doc = '{}' WHERE world = %s", world)
    stage.run("UPDATE geo.things SET a = 'x', n = 2, doc = '{}' WHERE world = %s", world)
    assert stage.rows("SELECT attribute, value FROM geo.things_attribute_log WHERE world = %s", world) == [("n", "1")]


@pytest.mark.parametrize("column", CANONICAL)
def test_value_is_logged_in_its_canonical_form_whoever_writes_it(stage: Stage, column: str) -> None:
    type_, first, second = CANONICAL[column]
    with psycopg.connect(stage.database.url, autocommit=True) as session:
        key = inserted(stage, "odd", **{column: first})
        session.execute(sql(STRANGE_SETTINGS))
        for value in (f"'{second}'", f"'{second}'", "NULL", "NULL"):
            session.execute(sql(f"UPDATE geo.odd SET {column} = {value}::{type_} WHERE id = {key}"))
    stage.run("SET timezone = 'UTC'; SET intervalstyle = 'postgres'")
    assert history(stage, "odd", key, column) == [first, second]
    (value,) = stage.rows(f"SELECT value::{type_}::text FROM geo.odd_attribute_history WHERE id = %s LIMIT 1", key)
    assert value == (first,), "the text can be read back"


def test_deleting_logs_every_value_and_a_new_life_begins_with_its_own(stage: Stage, world: int) -> None:
    stage.run("INSERT INTO geo.things (world, k, a, n) VALUES (%s, 1, 'x', 1)", world)
    stage.run("DELETE FROM geo.things WHERE world = %s", world)
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    stage.run("UPDATE geo.things SET n = 1 WHERE world = %s", world)
    a, n = stage.spans(world, 1), stage.spans(world, 1, "n")
    assert ([span.value for span in a], [span.value for span in n]) == (["x", "x"], ["1", "1"])
    for spans in (a, n):
        ended = spans[0].valid_to
        assert ended is not None
        assert ended < spans[1].valid_from
    assert a[1].valid_from < n[1].valid_from, "the second life's n began when it was set, not with the row"


def test_undeclared_attributes_are_logged_like_declared_ones(stage: Stage) -> None:
    key = inserted(stage, "free", size=1, extra='{"note": "x", "count": 1, "list": [1, {"a": null}]}')
    stage.run("""UPDATE geo.free SET extra = extra || '{"note": "y"}' WHERE id = %s""", key)
    stage.run("UPDATE geo.free SET extra = extra - 'note' WHERE id = %s", key)
    stage.run("""UPDATE geo.free SET extra = extra || '{"note": "z"}', size = 2 WHERE id = %s""", key)
    before = stage.now()
    stage.run("DELETE FROM geo.free WHERE id = %s", key)
    assert history(stage, "free", key, "note") == ["x", "y", "z"]
    assert history(stage, "free", key, "count") == ["1"]
    assert history(stage, "free", key, "list") == ['[1, {"a": null}]']
    assert history(stage, "free", key, "size") == ["1", "2"]
    as_of = "SELECT attribute, value FROM geo.free_attributes_as_of(%s) WHERE id = %s ORDER BY 1"
    assert stage.rows(as_of, before, key) == [
        ("count", "1"),
        ("list", '[1, {"a": null}]'),
        ("note", "z"),
        ("size", "2"),
    ]
    assert stage.rows(as_of, stage.now(), key) == []


def test_declared_name_in_extra_goes_into_its_column(stage: Stage) -> None:
    key = inserted(stage, "free", extra='{"size": 3, "note": "x"}')
    assert stage.rows("SELECT size, extra FROM geo.free WHERE id = %s", key) == [(3, {"note": "x"})]
    stage.run("""UPDATE geo.free SET extra = extra || '{"size": "4"}' WHERE id = %s""", key)
    assert stage.rows("SELECT size, extra FROM geo.free WHERE id = %s", key) == [(4, {"note": "x"})]
    assert history(stage, "free", key, "size") == ["3", "4"]
    with pytest.raises(psycopg.errors.CheckViolation):
        stage.run("""UPDATE geo.free SET extra = extra || '{"size": -1}' WHERE id = %s""", key)


@pytest.mark.parametrize("name", ["id", "created_at", "created_by", "created_via", "extra"])
def test_names_of_the_dimension_itself_are_refused_in_extra(stage: Stage, name: str) -> None:
    with pytest.raises(psycopg.Error, match=name):
        stage.run("INSERT INTO geo.free (extra) VALUES (jsonb_build_object(%s::text, 1))", name)


@pytest.mark.parametrize("value", ["[]", "1", "null", '"text"'])
def test_extra_is_an_object(stage: Stage, value: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        stage.run("INSERT INTO geo.free (extra) VALUES (%s::text::jsonb)", value)


def test_strange_names_in_extra_are_attributes_like_others(stage: Stage) -> None:
    names = ["", " ", "ünï→", "a'b\"c", "%s", "x" * 63, "{name}", "select"]
    key = inserted(stage, "free")
    for name in names:
        stage.run("UPDATE geo.free SET extra = extra || jsonb_build_object(%s::text, 1) WHERE id = %s", name, key)
    stage.run("UPDATE geo.free SET extra = '{}' WHERE id = %s", key)
    found = stage.rows("SELECT attribute, value FROM geo.free_attribute_history WHERE id = %s", key)
    assert sorted(found) == sorted((name, "1") for name in names)


def test_json_null_in_extra_is_a_value_like_others(stage: Stage) -> None:
    key = inserted(stage, "free", extra='{"note": null}')
    assert stage.rows("SELECT attribute, value FROM geo.free_attributes WHERE id = %s", key) == [("note", "null")]
    stage.run("UPDATE geo.free SET extra = '{}' WHERE id = %s", key)
    assert history(stage, "free", key, "note") == ["null"]
    assert stage.rows("SELECT FROM geo.free_attributes WHERE id = %s", key) == []


def test_extra_is_indexed(stage: Stage) -> None:
    index = r"SELECT FROM pg_indexes WHERE tablename = 'free' AND indexdef ~ 'USING gin \(extra'"
    assert len(stage.rows(index)) == 1


def test_hundreds_of_attributes_each_have_a_history(stage: Stage) -> None:
    key = inserted(stage, "many", c0=0)
    assignments = ", ".join(f"c{n} = {n}" for n in range(400))
    stage.run(f"UPDATE geo.many SET {assignments} WHERE id = {key}")
    stage.run(f"UPDATE geo.many SET c399 = NULL WHERE id = {key}")
    assert stage.rows("SELECT count(*) FROM geo.many_attributes WHERE id = %s", key) == [(399,)]
    assert stage.rows(
        "SELECT attribute, value FROM geo.many_attribute_log WHERE id = %s AND value IS NOT NULL", key
    ) == [("c399", "399")]


def test_more_columns_than_postgres_has_are_refused_with_a_way_out() -> None:
    (unit,) = compiled(dimension("many", *({"name": f"c{n}", "type": "integer"} for n in range(1601)), type="EAV"))
    assert any("1,600" in finding.message or "1600" in finding.message for finding in unit.diagnostics)
    assert any("open" in finding.message for finding in unit.diagnostics)


def test_view_takes_attributes_with_the_actor_of_the_request(stage: Stage) -> None:
    with psycopg.connect(stage.database.url, autocommit=True) as session:
        session.execute(sql(f"SET ROLE {WRITER}"))
        session.execute("""SET request.jwt.claims = '{"sub": "ann"}'""")
        found = session.execute(
            """INSERT INTO api.free (extra) VALUES ('{"size": 5, "note": "x"}') RETURNING id, size"""
        )
        row = found.fetchone()
        assert row is not None
        assert row[1] == 5
        session.execute("UPDATE api.free SET size = size + 1 WHERE id = %s", [row[0]])
        session.execute("DELETE FROM api.free WHERE id = %s", [row[0]])
        who = "changed_by, changed_via, closed_by, closed_via"
        seen = session.execute(sql(f"SELECT DISTINCT {who} FROM api.free_attribute_history WHERE id = {row[0]}"))
        assert seen.fetchall() == [("ann", "postgres", "ann", "postgres")]


def test_generated_values_are_not_logged_but_shown_where_they_are(stage: Stage, world: int) -> None:
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    stage.run("UPDATE geo.things SET a = 'y' WHERE world = %s", world)
    assert stage.rows("SELECT label FROM api.things WHERE world = %s", world) == [("Y",)]
    assert stage.rows("SELECT attribute FROM geo.things_attribute_log WHERE world = %s", world) == [("a",)]
