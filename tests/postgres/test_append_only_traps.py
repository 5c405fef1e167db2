"""What AppendOnly dimensions were seen to get wrong when they are built otherwise, each as a test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from playground.postgres import PostgresServer
from tests.corpus.world import API, WRITER, dimension, sql
from tests.postgres.history_world import Stage, staged, things

HISTORY_API = {**API, "history": True}
ODD = {
    "as_json": ("json", """'{"a": 1}'""", """'{"a":1}'"""),
    "as_jsonb": ("jsonb", "'1.0'", "'1.00'"),
    "as_point": ("point", "'(0,1)'", "'(1,0)'"),
    "as_box": ("box", "'(1,4),(0,0)'", "'(2,2),(0,0)'"),  # its equality compares areas
    "as_circle": ("circle", "'<(0,0),1>'", "'<(5,5),1>'"),  # likewise
    "as_numeric": ("numeric", "1.0", "1.00"),
    "as_float": ("double precision", "'0'", "'-0'"),
    "as_interval": ("interval", "'1 mon'", "'30 days'"),
    "as_char": ("character(3)", "'a'", "'b'"),
    "as_bytea": ("bytea", "'\\x00'", "'\\x0000'"),
    "as_array": ("numeric[]", "'{1.0,2}'", "'{1.00,2}'"),
    "as_points": ("point[]", "'{\"(0,1)\"}'", "'{\"(1,0)\"}'"),
    "as_range": ("numrange", "'[1.0,2]'", "'[1.00,2]'"),
    "as_time": ("timestamptz", "'2020-01-01 00:00+00'", "'infinity'"),
    "as_search": ("tsvector", "'a:1'", "'a:2'"),
    "as_bits": ("bit varying", "B'1'", "B'10'"),
}


@pytest.fixture(scope="module")
def stage(any_postgres: PostgresServer) -> Iterator[Stage]:
    parents = dimension(
        "parents",
        {"name": "code", "type": "text"},
        primary_key={"strategy": "Natural", "columns": ["code"]},
        type="AppendOnly",
        api=HISTORY_API,
    )

    def to_parent(name: str, action: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "type": "text", "references": {"dimension": "parents", "onDelete": action}, **more}

    children = dimension(
        "children",
        to_parent("mother", "SetNull"),
        to_parent("father", "SetNull"),
        to_parent("school", "SetDefault", default="'none'"),
        to_parent("home", "Cascade"),
        type="AppendOnly",
        api=HISTORY_API,
    )
    odd = dimension(
        "odd", *({"name": name, "type": type_} for name, (type_, *_) in ODD.items()), type="AppendOnly", api=HISTORY_API
    )
    defaults = dimension(
        "defaults",
        {"name": "a", "type": "text", "default": "'given'"},
        {"name": "n", "type": "integer", "default": "42", "nullable": False},
        {"name": "twice", "type": "integer", "generated": "n * 2"},
        type="AppendOnly",
        api=HISTORY_API,
    )
    with staged(any_postgres, "AppendOnly", things("AppendOnly"), parents, children, odd, defaults) as stage:
        yield stage


@pytest.fixture
def world(stage: Stage) -> int:
    """A number to tell the rows of this test from others."""
    return next(stage.worlds)


def versions(stage: Stage, columns: str, relation: str, where: str) -> list[tuple[Any, ...]]:
    """Return versions, oldest first, and see that they follow one another without a gap while the row lived."""
    spans = stage.rows(f"SELECT valid_from, valid_to, operation FROM {relation} WHERE {where} ORDER BY valid_from")
    for (_, ended, operation), (begun, *_) in pairwise(spans):
        assert ended == begun if operation == "UPDATE" else ended <= begun
    return stage.rows(f"SELECT {columns} FROM {relation} WHERE {where} ORDER BY valid_from")


def family(stage: Stage, world: int, **child: str) -> tuple[int, list[str]]:
    """Insert three parents and a child of them; return the child's key and the parents'."""
    codes = [f"{name}{world}" for name in ("ann", "bob", "eve")]
    for code in codes:
        stage.run("INSERT INTO geo.parents VALUES (%s)", code)
    columns, values = ", ".join(child), ", ".join(f"'{name}{world}'" for name in child.values())
    ((key,),) = stage.rows(f"INSERT INTO geo.children ({columns}, school) VALUES ({values}, NULL) RETURNING id")
    return key, codes


def test_one_delete_that_sets_two_keys_null_leaves_versions_that_follow_one_another(stage: Stage, world: int) -> None:
    child, (ann, bob, _) = family(stage, world, mother="ann", father="bob")
    stage.run("DELETE FROM geo.parents WHERE code = ANY (%s)", [ann, bob])
    found = versions(stage, "mother, father, operation", "geo.children_versions", f"id = {child}")
    assert found[0] == (ann, bob, "UPDATE")
    assert found[1] in {(ann, None, "UPDATE"), (None, bob, "UPDATE")}
    assert found[2:] == [(None, None, None)]


def test_one_parent_under_two_keys_that_set_null(stage: Stage, world: int) -> None:
    child, (ann, *_) = family(stage, world, mother="ann", father="ann")
    stage.run("DELETE FROM geo.parents WHERE code = %s", ann)
    found = versions(stage, "mother, father, operation", "geo.children_versions", f"id = {child}")
    assert found[0] == (ann, ann, "UPDATE")
    assert found[-1] == (None, None, None)
    assert len(found) == 3


def test_set_null_and_cascade_at_once_close_the_last_version(stage: Stage, world: int) -> None:
    child, (ann, bob, eve) = family(stage, world, mother="ann", father="bob", home="eve")
    stage.run("DELETE FROM geo.parents WHERE code = ANY (%s)", [ann, bob, eve])
    found = versions(stage, "mother, father, home, operation", "geo.children_versions", f"id = {child}")
    assert found[0][:3] == (ann, bob, eve)
    assert [row[-1] for row in found].count("DELETE") == 1
    assert found[-1][-1] == "DELETE"
    assert stage.rows("SELECT FROM geo.children WHERE id = %s", child) == []


def test_cascade_is_a_delete_of_the_child(stage: Stage, world: int) -> None:
    child, (*_, eve) = family(stage, world, home="eve")
    stage.run("DELETE FROM geo.parents WHERE code = %s", eve)
    assert versions(stage, "home, operation", "geo.children_versions", f"id = {child}") == [(eve, "DELETE")]


def test_set_default_is_an_update_of_the_child(stage: Stage, world: int) -> None:
    stage.run("INSERT INTO geo.parents VALUES ('none') ON CONFLICT DO NOTHING")
    child, (ann, *_) = family(stage, world, mother="bob")
    stage.run("UPDATE geo.children SET school = %s WHERE id = %s", ann, child)
    stage.run("DELETE FROM geo.parents WHERE code = %s", ann)
    found = versions(stage, "school", "geo.children_versions", f"id = {child}")
    assert found == [(None,), (ann,), ("none",)]


def test_foreign_key_acts_for_whoever_deleted_the_parent(stage: Stage, world: int) -> None:
    child, (ann, *_) = family(stage, world, mother="ann")
    with psycopg.connect(stage.database.url, autocommit=True) as session:
        session.execute(sql(f"SET ROLE {WRITER}"))
        session.execute("""SET request.jwt.claims = '{"sub": "ann"}'""")
        session.execute("DELETE FROM api.parents WHERE code = %s", [ann])
    assert versions(stage, "changed_by, closed_by, closed_via", "geo.children_versions", f"id = {child}") == [
        ("postgres", "ann", "postgres"),
        ("ann", None, None),
    ]


@pytest.mark.parametrize("column", ODD)
def test_change_is_told_by_the_image_of_a_value_not_by_its_equality(stage: Stage, column: str) -> None:
    _, first, second = ODD[column]
    ((key,),) = stage.rows(f"INSERT INTO geo.odd ({column}) VALUES ({first}) RETURNING id")
    for value in (first, second, second, first, "NULL", "NULL"):
        stage.run(f"UPDATE geo.odd SET {column} = {value} WHERE id = {key}")
    found = versions(stage, f"{column}::text", "geo.odd_versions", f"id = {key}")
    ((one, other),) = stage.rows(f"SELECT {first}::{ODD[column][0]}::text, {second}::{ODD[column][0]}::text")
    assert found == [(one,), (other,), (one,), (None,)]
    assert stage.rows("""SELECT old_value, new_value FROM geo.odd_diff(%s) WHERE "column" <> 'id'""", key) == [
        (None, one),
        (one, other),
        (other, one),
        (one, None),
    ]


def test_update_that_changes_nothing_returns_its_row_and_leaves_its_version(stage: Stage, world: int) -> None:
    stage.run("INSERT INTO geo.things (world, k, a, doc) VALUES (%s, 1, 'x', '{}')", world)
    (before,) = stage.rows("SELECT * FROM geo.things WHERE world = %s", world)
    for relation in ("geo.things", "api.things"):
        found = stage.rows(f"UPDATE {relation} SET a = 'x', doc = '{{}}' WHERE world = %s RETURNING world, a", world)
        assert found == [(world, "x")]
        upsert = f"INSERT INTO {relation} (world, k, a) VALUES (%s, 1, 'x') ON CONFLICT (world, k) DO UPDATE"
        stage.run(f"{upsert} SET a = excluded.a", world)
    assert stage.rows("SELECT * FROM geo.things WHERE world = %s", world) == [before]
    assert stage.rows("SELECT FROM geo.things_history WHERE world = %s", world) == []


@pytest.mark.parametrize("name", ["aa_keep", "zz_keep"])
def test_stranger_that_takes_a_change_back_leaves_no_version(stage: Stage, world: int, name: str) -> None:
    """Triggers fire by name, and a row is stamped after all that may change it."""
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    stage.run(
        f"""
        CREATE OR REPLACE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN NEW.a := OLD.a; RETURN NEW; END $$;
        CREATE TRIGGER {name} BEFORE UPDATE ON geo.things FOR EACH ROW EXECUTE FUNCTION public.keep()
        """
    )
    try:
        stage.run("UPDATE geo.things SET a = 'y' WHERE world = %s", world)
    finally:
        stage.run(f"DROP TRIGGER {name} ON geo.things")
    found = versions(stage, "a", "geo.things_versions", f"world = {world}")
    assert found == [("x",)]


def test_delete_in_a_statement_that_makes_the_row_again_closes_before_that(stage: Stage, world: int) -> None:
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    stage.run(
        f"""
        WITH gone AS (DELETE FROM geo.things WHERE world = {world} RETURNING k)
        INSERT INTO geo.things (world, k, a) SELECT {world}, k, 'y' FROM gone
        """
    )
    found = versions(stage, "a, operation", "geo.things_versions", f"world = {world}")
    assert found == [("x", "DELETE"), ("y", None)]


@pytest.mark.parametrize("then", ["", "UPDATE geo.things SET a = 'z' WHERE world = OLD.world;"])
@pytest.mark.parametrize("last", ["", "DELETE FROM geo.things WHERE world = OLD.world;"])
def test_delete_whose_trigger_makes_the_row_again_closes_before_all_of_that(
    stage: Stage, world: int, then: str, last: str
) -> None:
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    stage.run(
        f"""
        CREATE OR REPLACE FUNCTION public.again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF OLD.a = 'x' THEN
            INSERT INTO geo.things (world, k, a) VALUES (OLD.world, OLD.k, 'y'); {then} {last}
          END IF;
          RETURN NULL;
        END $$;
        CREATE TRIGGER again AFTER DELETE ON geo.things FOR EACH ROW EXECUTE FUNCTION public.again()
        """
    )
    try:
        stage.run("DELETE FROM geo.things WHERE world = %s", world)
    finally:
        stage.run("DROP TRIGGER again ON geo.things")
    found = versions(stage, "a", "geo.things_versions", f"world = {world}")
    assert found == [("x",), ("y",), ("z",)][: 3 if then else 2]
    assert bool(stage.rows("SELECT FROM geo.things WHERE world = %s", world)) is not bool(last)


def test_delete_closes_after_the_version_began_however_early_its_statement(stage: Stage, world: int) -> None:
    stage.run(
        f"""
        DO $$ BEGIN
          INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'x');
          DELETE FROM geo.things WHERE world = {world};
          INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'y');
        END $$
        """
    )
    assert versions(
        stage, "a, valid_from < coalesce(valid_to, 'infinity')", "geo.things_versions", f"world = {world}"
    ) == [
        ("x", True),
        ("y", True),
    ]


def test_key_that_is_deleted_and_inserted_again_keeps_one_readable_history(stage: Stage, world: int) -> None:
    for value in ("x", "y"):
        stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, %s)", world, value)
        stage.run("DELETE FROM geo.things WHERE world = %s", world)
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'z')", world)
    assert versions(stage, "a, operation", "geo.things_versions", f"world = {world}") == [
        ("x", "DELETE"),
        ("y", "DELETE"),
        ("z", None),
    ]
    found = stage.rows(
        """SELECT operation, old_value, new_value FROM geo.things_diff(%s, 1) WHERE "column" = 'a'""", world
    )
    assert found == [
        ("INSERT", None, "x"),
        ("DELETE", "x", None),
        ("INSERT", None, "y"),
        ("DELETE", "y", None),
        ("INSERT", None, "z"),
    ]


def test_generated_columns_are_stored_and_their_past_is_what_it_was(stage: Stage, world: int) -> None:
    assert stage.rows(
        "SELECT attrelid::regclass::text, attgenerated FROM pg_attribute WHERE attname = 'twice' AND attrelid IN"
        " ('geo.defaults'::regclass, 'geo.defaults_history'::regclass) ORDER BY 1"
    ) == [("geo.defaults", "s"), ("geo.defaults_history", "")]
    ((key,),) = stage.rows("INSERT INTO geo.defaults (n) VALUES (1) RETURNING id")
    stage.run("UPDATE geo.defaults SET n = 2 WHERE id = %s", key)
    assert versions(stage, "n, twice", "geo.defaults_versions", f"id = {key}") == [(1, 2), (2, 4)]


def test_view_gives_the_defaults_of_the_table_and_leaves_its_keys_and_stamps_alone(stage: Stage) -> None:
    with psycopg.connect(stage.database.url, autocommit=True) as session:
        session.execute(sql(f"SET ROLE {WRITER}"))
        session.execute("""SET request.jwt.claims = '{"sub": "ann"}'""")
        found = session.execute("INSERT INTO api.defaults DEFAULT VALUES RETURNING id, a, n, twice").fetchone()
    assert found is not None
    assert found[1:] == ("given", 42, 84)
    assert versions(stage, "changed_by, changed_via", "geo.defaults_versions", f"id = {found[0]}") == [
        ("ann", "postgres")
    ]


def test_history_takes_no_default_and_no_constraint_of_the_current_table(stage: Stage) -> None:
    assert stage.rows("SELECT FROM pg_attrdef WHERE adrelid = 'geo.defaults_history'::regclass") == []
    assert stage.rows(
        "SELECT contype FROM pg_constraint WHERE conrelid = 'geo.children_history'::regclass AND contype <> 'n'"
    ) == [("p",)]


def test_as_of_is_one_plain_select_that_filters_reach(stage: Stage, world: int) -> None:
    plan = "\n".join(
        line
        for (line,) in stage.rows(
            "EXPLAIN SELECT a FROM geo.things_as_of('2020-01-01') WHERE world = %s AND k = 1", world
        )
    )
    assert "Function Scan" not in plan
    assert "things_pkey" in plan


def test_what_a_session_has_on_its_path_does_not_run_when_it_reads_the_past(stage: Stage, world: int) -> None:
    """Bodies in SQL are parsed in the session that calls them."""
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    stage.run("UPDATE geo.things SET a = 'y' WHERE world = %s", world)
    instant = stage.now()
    operators = {"timestamptz": ("<=", ">"), "text": ("=", "<>"), "integer": ("=",)}
    planted = [
        f"CREATE FUNCTION evil.planted_{type_}({type_}, {type_}) RETURNS boolean LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'planted'; END $$;"
        + "".join(
            f"CREATE OPERATOR evil.{name} (leftarg = {type_}, rightarg = {type_}, function = evil.planted_{type_});"
            for name in names
        )
        for type_, names in operators.items()
    ]
    query = """
        SELECT 'as of', a, NULL FROM {schema}.things_as_of(%s) AS t WHERE world OPERATOR(pg_catalog.=) %s
        UNION ALL
        SELECT operation, old_value, new_value FROM {schema}.things_diff(%s, 1)
        """
    with psycopg.connect(stage.database.url) as session:
        expected = [("as of", "y", None)]
        for schema in ("geo", "api"):
            given = [instant, world, world]
            before = session.execute(sql(query.replace("{schema}", schema)), given).fetchall()
            assert before[:1] == expected
            assert ("UPDATE", "x", "y") in before
            with session.transaction(force_rollback=True):
                session.execute(sql("CREATE SCHEMA evil; " + "".join(planted)))
                session.execute("CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false)")
                session.execute("SET LOCAL search_path = evil, pg_catalog")
                with pytest.raises(psycopg.errors.RaiseException, match="planted"), session.transaction():
                    session.execute("SELECT 'x'::pg_catalog.text = 'y'::pg_catalog.text")
                assert session.execute(sql(query.replace("{schema}", schema)), given).fetchall() == before


def test_merge_through_the_table_and_where_postgres_can_through_the_view(stage: Stage, world: int) -> None:
    relations = ["geo.things"] + ["api.things"] * (stage.eye.info.server_version >= 170000)
    for key, relation in enumerate(relations):
        for value in ("x", "y", "y", None):
            stage.run(
                f"""
                MERGE INTO {relation} t USING (VALUES ({world}, {key}, %s)) given (world, k, a)
                ON t.world = given.world AND t.k = given.k
                WHEN MATCHED AND given.a IS NULL THEN DELETE
                WHEN MATCHED THEN UPDATE SET a = given.a
                WHEN NOT MATCHED THEN INSERT (world, k, a) VALUES (given.world, given.k, given.a)
                """,
                value,
            )
        found = versions(stage, "a, operation", "geo.things_versions", f"world = {world} AND k = {key}")
        assert found == [("x", "UPDATE"), ("y", "DELETE")]
