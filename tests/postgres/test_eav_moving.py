"""Between the declaration of an attribute and the move of its values, rows are written as ever, and nothing is lost."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest

from pgcraft_core.migrate.errors import MigrationError
from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.model import PlannedMigration
from playground.postgres import ScratchDatabase
from tests.corpus.world import API, compiled, deploy, dimension, open_session, sql, warehouse

SHOWN = "SELECT attribute, value FROM geo.t_attributes WHERE k = '{}' ORDER BY attribute"
PAST = (
    "SELECT value, valid_to IS NULL FROM geo.t_attribute_history WHERE k = '{}' AND attribute = 'b' ORDER BY valid_from"
)


def table(*columns: dict[str, Any], **spec: Any) -> Any:
    key = {"strategy": "Natural", "columns": ["k"]}
    declared = ({"name": "k", "type": "text"}, {"name": "a", "type": "text"}, *columns)
    given: dict[str, Any] = {"type": "EAV", "open": True, "primary_key": key, "api": {**API, "history": True}}
    return dimension("t", *declared, **given | spec)


def run(database: ScratchDatabase, *statements: str) -> list[Any]:
    """Run statements as the superuser, each in a transaction of its own, and return the rows of the last."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        cursor = None
        for statement in statements:
            cursor = connection.execute(sql(statement))
        return cursor.fetchall() if cursor is not None and cursor.description else []


@contextmanager
def declared(
    database: ScratchDatabase, column: dict[str, Any], *values: str, late: str | None = None
) -> Generator[tuple[Session, PlannedMigration]]:
    """Yield with `b` declared but not moved, while rows `0`, `1`, … hold `values` of it; `late` came after the plan."""
    with open_session(database) as session:
        deploy(session, table())
        for key, value in enumerate(values):
            run(database, f"""INSERT INTO geo.t (k, extra) VALUES ('{key}', '{{"b": {value}}}')""")
        resources = compiled(table(column), server_version=session.server_version, database=_owned(session))
        add, move = session.plan(resources).migrations
        if late is not None:
            run(database, f"""INSERT INTO geo.t (k, extra) VALUES ('late', '{{"b": {late}}}')""")
        session.apply(add)
        yield session, move


def _owned(session: Session) -> Any:
    return warehouse(owner=session.owner_role)


def test_other_writes_leave_what_waits_and_the_move_is_no_change(any_database: ScratchDatabase) -> None:
    column = {"name": "b", "type": "timestamp with time zone"}
    with declared(any_database, column, '"2024-01-01T10:00:00Z"') as (session, move):
        run(any_database, "UPDATE geo.t SET a = 'x'")
        assert run(any_database, "SELECT b, extra ? 'b' FROM geo.t") == [(None, True)]
        assert run(any_database, SHOWN.format(0)) == [("a", "x"), ("b", "2024-01-01T10:00:00Z")]
        session.apply(move)
    assert run(any_database, SHOWN.format(0)) == [("a", "x"), ("b", "2024-01-01 10:00:00+00")]
    assert run(any_database, PAST.format(0)) == [("2024-01-01 10:00:00+00", True)]


def test_value_that_does_not_fit_keeps_nobody_from_its_row(any_database: ScratchDatabase) -> None:
    with declared(any_database, {"name": "b", "type": "integer"}, "1", late='"many"') as (session, move):
        with suppress(MigrationError):
            session.apply(move)
        run(any_database, "UPDATE geo.t SET a = 'x' WHERE k = 'late'")
        assert run(any_database, SHOWN.format("late")) == [("a", "x"), ("b", "many")]
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            run(any_database, """UPDATE geo.t SET extra = '{"b": "more"}' WHERE k = 'late'""")
        run(any_database, "UPDATE geo.t SET extra = extra - 'b' WHERE k = 'late'")
    assert run(any_database, SHOWN.format("late")) == [("a", "x")]
    assert run(any_database, PAST.format("late")) == [("many", False)]
    assert run(any_database, PAST.format(0)) == [("1", True)]


def test_column_with_a_default_does_not_hide_what_waits(any_database: ScratchDatabase) -> None:
    column = {"name": "b", "type": "integer", "default": "0", "nullable": False}
    with declared(any_database, column, "1", "2") as (session, move):
        assert run(any_database, SHOWN.format(0)) == [("b", "1")]
        run(any_database, "DELETE FROM geo.t WHERE k = '1'")
        assert run(any_database, PAST.format(1)) == [("2", False)]
        session.apply(move)
    assert run(any_database, "SELECT b, extra FROM geo.t") == [(1, {})]
    assert run(any_database, PAST.format(0)) == [("1", True)]


def test_who_sets_the_column_has_the_last_word(any_database: ScratchDatabase) -> None:
    with declared(any_database, {"name": "b", "type": "integer"}, "1", "1") as (session, move):
        run(any_database, "UPDATE geo.t SET b = 5 WHERE k = '0'", "UPDATE geo.t SET b = 1 WHERE k = '1'")
        assert run(any_database, "SELECT k, b, extra FROM geo.t ORDER BY k") == [("0", 5, {}), ("1", 1, {})]
        session.apply(move)
    assert run(any_database, PAST.format(0)) == [("1", False), ("5", True)]
    assert run(any_database, PAST.format(1)) == [("1", True)], "it is what it was"


def test_name_that_could_never_be_declared_is_refused(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session:
        deploy(session, table())
    for name in ("x" * 64, "ü" * 32):
        with pytest.raises(psycopg.errors.NameTooLong, match=r"geo\.t has a name of at most 63 bytes"):
            run(any_database, f"""INSERT INTO geo.t (k, extra) VALUES ('x', '{{"{name}": 1}}')""")
    run(any_database, f"""INSERT INTO geo.t (k, extra) VALUES ('x', '{{"{"ü" * 31}": 1}}')""", "DELETE FROM geo.t")


def test_conversions_of_an_authors_type_do_not_run_as_the_owner(any_database: ScratchDatabase) -> None:
    """Neither its cast to text nor that to JSON, nor the check of a domain over it."""
    run(
        any_database,
        "CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO PUBLIC; CREATE TABLE s.ran (who text)",
        "GRANT INSERT ON s.ran TO PUBLIC; CREATE TYPE s.mood AS (name text)",
        "CREATE FUNCTION s.told() RETURNS void LANGUAGE sql AS 'INSERT INTO s.ran VALUES (current_user)'",
        "CREATE FUNCTION s.show(s.mood) RETURNS text LANGUAGE sql AS 'SELECT s.told(); SELECT ''shown''::text'",
        "CREATE FUNCTION s.json(s.mood) RETURNS json LANGUAGE sql AS 'SELECT s.told(); SELECT ''1''::json'",
        "CREATE FUNCTION s.fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT s.told(); SELECT true'",
        "CREATE CAST (s.mood AS text) WITH FUNCTION s.show(s.mood)",
        "CREATE CAST (s.mood AS json) WITH FUNCTION s.json(s.mood)",
        "CREATE DOMAIN s.label AS text CHECK (s.fine(VALUE))",
    )
    moody = ({"name": "b", "type": "s.mood"}, {"name": "c", "type": "s.label"}, {"name": "d", "type": "s.mood[]"})
    with open_session(any_database) as session:
        deploy(session, table(*moody))
    run(
        any_database,
        "TRUNCATE s.ran",
        "INSERT INTO geo.t (k, b, c, d) VALUES ('x', ROW('1'), 'one', ARRAY[ROW('1')]::s.mood[])",
        """UPDATE geo.t SET b = ROW('2'), d = '{}', extra = '{"c": "two", "e": 1}'""",
        "DELETE FROM geo.t",
    )
    logged = "SELECT attribute, value FROM geo.t_attribute_log WHERE operation = 'UPDATE' AND attribute IN ('b', 'd')"
    assert sorted(run(any_database, logged)) == [("b", "(1)"), ("d", "{(1)}")]
    assert run(any_database, "SELECT DISTINCT who FROM s.ran") == [("postgres",)], "who writes converts"


def test_attribute_no_longer_declared_is_hidden_but_what_was_never_declared_stays(
    any_database: ScratchDatabase,
) -> None:
    with open_session(any_database) as session:
        deploy(session, table({"name": "b", "type": "text"}))
        run(
            any_database,
            """INSERT INTO geo.t (k, b, extra) VALUES ('x', '1', '{"note": 1}')""",
            """UPDATE geo.t SET b = '2', extra = '{"note": 2}'""",
        )
        deploy(session, table())
    shown = "SELECT attribute, value FROM api.t_attribute_history ORDER BY attribute, valid_from"
    assert run(any_database, shown) == [("note", "1"), ("note", "2")]
    assert run(any_database, "SELECT attribute FROM api.t_attributes_as_of(clock_timestamp())") == [("note",)]
