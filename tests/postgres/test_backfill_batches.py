"""Attributes that were not declared move into their columns in batches, which nothing can keep from being finished."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations

from pgcraft_core.migrate.errors import LockTimeoutError, MigrationCancelledError, StatementFailedError
from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.model import Plan
from playground.postgres import PostgresServer, ScratchDatabase
from tests.corpus.world import compiled, deploy, dimension, open_session, said, settings, sql, warehouse

NAME = {"name": "name", "type": "text"}
SIZE = {"name": "size", "type": "integer"}
LEFT = "SELECT count(*) FROM geo.things WHERE extra ? 'size'"


def things(*columns: dict[str, Any], **spec: Any) -> Any:
    return dimension("things", NAME, *columns, type="EAV", open=True, **spec)


def given(database: ScratchDatabase) -> dict[str, Any]:
    return {"database": warehouse(owner=f"{database.name}_owner")}


def plan(database: ScratchDatabase, session: Session, *resources: Any) -> Plan:
    return session.plan(compiled(*resources, server_version=session.server_version, **given(database)))


def settle(database: ScratchDatabase, session: Session, *resources: Any) -> None:
    deploy(session, *resources, **given(database))


def fill(eye: psycopg.Connection, rows: int) -> None:
    statement = "INSERT INTO geo.things (name, extra) SELECT n, jsonb_build_object('size', n, 'colour', 'red') FROM"
    eye.execute(sql(f"{statement} generate_series(1, {rows}) AS n"))


def count(eye: psycopg.Connection, query: str) -> int:
    row = eye.execute(sql(query)).fetchone()
    assert row is not None
    return row[0]


def declare_size(database: ScratchDatabase, session: Session) -> Plan:
    """Add the column, and return a plan that has nothing left but to move the values."""
    found = plan(database, session, things(SIZE))
    assert not found.diagnostics, said(found)
    first, move = found.migrations
    session.apply(first)
    left = plan(database, session, things(SIZE))
    assert [step.name for migration in left.migrations for step in migration.operations] == ["MoveAttributes"]
    assert left.migrations[0].plan_hash == move.plan_hash
    return left


def test_values_move_and_no_version_is_logged(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things())
        fill(eye, 2500)
        found = plan(any_database, session, things(SIZE))
        assert [len(migration.groups) for migration in found.migrations] == [1, 1]
        assert found.migrations[1].message == "move attribute size of geo.things from extra into its column"
        settle(any_database, session, things(SIZE))
        assert count(eye, LEFT) == 0
        assert (
            count(eye, 'SELECT count(*) FROM geo.things WHERE size = name::int AND extra = \'{"colour": "red"}\'')
            == 2500
        )
        assert count(eye, "SELECT count(*) FROM geo.things_attribute_log") == 0
        recorded = eye.execute("SELECT message FROM pgcraft.revisions ORDER BY applied_at DESC LIMIT 1").fetchone()
        assert recorded == (found.migrations[1].message,)
        # Nobody brings it back: what is written under a declared name goes into the column.
        eye.execute("UPDATE geo.things SET extra = extra || '{\"size\": 7}' WHERE name = '1'")
        assert plan(any_database, session, things(SIZE)).is_empty


def test_values_that_do_not_fit_are_told_before_anything_is_done(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things())
        eye.execute(
            """
            INSERT INTO geo.things (extra)
            VALUES ('{"size": 1}'), ('{"size": "2"}'), ('{"size": null}'), ('{"size": "huge"}'), ('{"size": [3]}')
            """
        )
        found = plan(any_database, session, things(SIZE), dimension("others", NAME))
        assert said(found) == (
            "Dimension platform/things: spec.columns[size].type: 2 rows hold values of the attribute so far that do "
            'not fit integer, such as "huge"; correct them first, or choose another type'
        )
        assert [step.target.name for migration in found.migrations for step in migration.operations] == ["others"]
        narrow = {"name": "size", "type": "numeric(3,1)"}
        eye.execute("""UPDATE geo.things SET extra = '{"size": 4.25}' WHERE extra @> '{"size": "huge"}'""")
        assert "such as 4.25" in said(plan(any_database, session, things(narrow))), "it would be rounded"
        eye.execute("""UPDATE geo.things SET extra = '{"size": 4}' WHERE extra ->> 'size' IN ('4.25', '[3]')""")
        settle(any_database, session, things(SIZE))
        sizes = eye.execute("SELECT size FROM geo.things ORDER BY id").fetchall()
        assert sizes == [(1,), (2,), (None,), (4,), (4,)]


LOSSES = [
    ("numeric(4,1)", '"3.14"'),
    ("numeric(4,1)[]", '["1.5", "3.14"]'),
    ("numeric(4,1)[]", '"{1.5,3.14}"'),
    ("geo.tenths", "3.14"),
    ("geo.tenths", '"3.14"'),
    ("real", '"16777217"'),
    ("real", "16777217"),
    ("double precision", '"0.12345678901234567890"'),
    ("oid", "-1"),
    ("money", '"1.005"'),
    ("money", "1.005"),
    ('"char"', '"no"'),
    ("name", f'"{"n" * 64}"'),
    ("date", '"2024-01-01 10:00"'),
    ("date", '"today"'),
    ("date", "20240101.5"),
    ("timestamp", '"2024-01-01 10:00+05"'),
    ("timestamp", '"2024-01-01 10:00:00.1234567"'),
    ("timestamp(0)", '"2024-01-01 10:00:00.7"'),
    ("timestamptz(0)", '"2024-01-01 10:00:00.7Z"'),
    ("time", '"2024-01-01 10:00"'),
    ("time", '"10:00+05"'),
    ("time(0)", '"10:00:00.7"'),
    ("timetz(0)", '"10:00:00.7+05"'),
    ("interval(0)", '"1.7 seconds"'),
    ("interval day", '"1 day 10:00"'),
    ("varchar(3)", '"long"'),
    ("char(3)", '"long"'),
    ("bit(3)", '"1010"'),
    ("varbit(3)", '"1010"'),
]

OTHER_SPELLINGS = [
    ("numeric(4,1)", '"3.10"', "3.1"),
    ("numeric(4,1)", "3.10", "3.1"),
    ("numeric(4,1)[]", '["1.50", null, 3]', "{1.5,NULL,3.0}"),
    ("numeric(4,1)[]", '"{1.50,NULL}"', "{1.5,NULL}"),
    ("geo.tenths", '"1e1"', "10.0"),
    ("real", '"0.10"', "0.1"),
    ("double precision", '"NaN"', "NaN"),
    ("money", '"$1,000.50"', "$1,000.50"),
    ('"char"', '"n"', "n"),
    ("date", '"Jan 1, 2024"', "2024-01-01"),
    ("date", '"2024-01-01 00:00"', "2024-01-01"),
    ("date", '"infinity"', "infinity"),
    ("timestamp", '"2024-01-01 10:00"', "2024-01-01 10:00:00"),
    ("timestamp", '"2024-01-01T10:00:00.500Z"', "2024-01-01 10:00:00.5"),
    ("time", '"10:00 pm"', "22:00:00"),
    ("timetz", '"10:00+05"', "10:00:00+05"),
    ("interval(0)", '"P1DT2S"', "1 day 00:00:02"),
    ("varchar(3)", '"abc "', "abc"),
    ("boolean", '"yes"', "true"),
    ("integer", '" 7 "', "7"),
    ("text", "1.50", "1.50"),
]


def hold(eye: psycopg.Connection, values: Sequence[str]) -> None:
    """Give a row the undeclared attributes v0, v1 and so on, each a value that is written as JSON."""
    eye.execute("CREATE DOMAIN geo.tenths AS numeric(4,1)")
    extra = ", ".join(f'"v{number}": {value}' for number, value in enumerate(values))
    eye.execute("INSERT INTO geo.things (extra) VALUES (%s::jsonb)", [f"{{{extra}}}"])


def test_what_a_type_would_shorten_round_or_cut_is_told_ahead(any_database: ScratchDatabase) -> None:
    columns = [{"name": f"v{number}", "type": type_} for number, (type_, _) in enumerate(LOSSES)]
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things())
        hold(eye, [value for _, value in LOSSES])
        found = plan(any_database, session, things(*columns))
        told = [finding.path for findings in found.diagnostics.values() for finding in findings]
        assert told == [f"spec.columns[v{number}].type" for number in range(len(LOSSES))]
        assert said(found).count("1 row holds a value of the attribute so far that does not fit") == len(LOSSES)
        assert not found.migrations


def test_other_spellings_of_the_same_move(any_database: ScratchDatabase) -> None:
    columns = [{"name": f"v{number}", "type": type_} for number, (type_, _, _) in enumerate(OTHER_SPELLINGS)]
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things())
        hold(eye, [value for _, value, _ in OTHER_SPELLINGS])
        settle(any_database, session, things(*columns))
        texts = ", ".join(f"{column['name']}::text" for column in columns)
        (moved,) = eye.execute(sql(f"SELECT {texts} FROM geo.things")).fetchall()
        assert moved == tuple(meant for _, _, meant in OTHER_SPELLINGS)


def test_values_that_break_a_check_are_told_before_anything_is_done(any_database: ScratchDatabase) -> None:
    checked = {**SIZE, "check": "size / (size - 5) > 0 or name = '7'"}
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things())
        fill(eye, 4)
        found = plan(any_database, session, things(checked))
        assert said(found) == (
            "Dimension platform/things: spec.columns[size].check: 4 rows hold values of the attributes so far that "
            "would break the check; correct them first, or the check"
        )
        assert not found.migrations
        eye.execute("""UPDATE geo.things SET extra = '{"size": 5}'""")
        found = plan(any_database, session, things(checked), dimension("others", NAME))
        assert "spec.columns[size].check: it cannot be computed for what the attributes hold so far" in said(found)
        assert [step.target.name for migration in found.migrations for step in migration.operations] == ["others"]
        eye.execute("UPDATE geo.things SET name = '7', extra = '{\"size\": 6}'")
        settle(any_database, session, things(checked))
        assert count(eye, "SELECT sum(size)::int FROM geo.things") == 24


def test_rows_that_others_hold_are_passed_over_and_done_later(any_database: ScratchDatabase) -> None:
    with (
        open_session(any_database) as session,
        psycopg.connect(any_database.url, autocommit=True) as eye,
        psycopg.connect(any_database.url) as writer,
    ):
        settle(any_database, session, things())
        fill(eye, 50)
        (move,) = declare_size(any_database, session).migrations
        writer.execute("SELECT FROM geo.things WHERE name = '20' FOR UPDATE")
        done: list[Any] = []
        running = threading.Thread(target=lambda: done.append(session.apply(move)))
        running.start()
        wait_until(eye, f"SELECT ({LEFT}) = 1")
        writer.commit()
        running.join(20)
        assert done
        assert count(eye, LEFT) == 0
        assert plan(any_database, session, things(SIZE)).is_empty


def test_rows_that_are_never_let_go_end_it_with_the_others_done(
    database: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgcraft_core.migrate.batches.BATCH_ROWS", 7)
    with (
        open_session(database) as session,
        psycopg.connect(database.url, autocommit=True) as eye,
        psycopg.connect(database.url) as writer,
    ):
        settle(database, session, things())
        fill(eye, 50)
        (move,) = declare_size(database, session).migrations
        before = count(eye, "SELECT count(*) FROM pgcraft.revisions")
        writer.execute("SELECT FROM geo.things WHERE name = '20' FOR UPDATE")
        with pytest.raises(LockTimeoutError, match="other sessions hold the rows that are left"):
            session.apply(move)
        assert count(eye, LEFT) == 1
        assert count(eye, "SELECT count(*) FROM pgcraft.revisions") == before
        writer.rollback()
        settle(database, session, things(SIZE))
        assert count(eye, LEFT) == 0
        assert count(eye, "SELECT count(*) FROM pgcraft.revisions") == before + 1


def test_a_table_that_others_hold_is_left_to_them(database: ScratchDatabase) -> None:
    with (
        open_session(database) as session,
        psycopg.connect(database.url, autocommit=True) as eye,
        psycopg.connect(database.url) as blocker,
    ):
        settle(database, session, things())
        fill(eye, 5)
        (move,) = declare_size(database, session).migrations
        blocker.execute("LOCK TABLE geo.things")
        with pytest.raises(LockTimeoutError):
            session.apply(move)
        blocker.rollback()
        settle(database, session, things(SIZE))
        assert count(eye, LEFT) == 0


def test_rows_that_postgres_refuses_keep_no_other_from_being_done(any_database: ScratchDatabase) -> None:
    unique = {**SIZE, "unique": True}
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things())
        fill(eye, 100)
        eye.execute("UPDATE geo.things SET extra = '{\"size\": 3}' WHERE name = '60'")
        first, move = plan(any_database, session, things(unique)).migrations
        session.apply(first)
        with pytest.raises(StatementFailedError, match="make them unique first") as caught:
            session.apply(move)
        assert "(3)" not in str(caught.value), "rows are not quoted in messages"
        assert count(eye, LEFT) == 1
        eye.execute("UPDATE geo.things SET extra = '{}' WHERE extra ? 'size'")
        settle(any_database, session, things(unique))
        assert count(eye, "SELECT count(size) FROM geo.things") == 99


def test_being_stopped_keeps_what_is_done(database: ScratchDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgcraft_core.migrate.batches.BATCH_ROWS", 10)
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as eye:
        settle(database, session, things())
        fill(eye, 100)
        (move,) = declare_size(database, session).migrations
        with psycopg.connect(database.url) as writer:
            writer.execute("SELECT FROM geo.things WHERE name = '95' FOR UPDATE")
            ended: list[BaseException] = []

            def run() -> None:
                try:
                    session.apply(move)
                except MigrationCancelledError as error:
                    ended.append(error)

            running = threading.Thread(target=run)
            running.start()
            wait_until(eye, f"SELECT ({LEFT}) = 1")
            session.cancel()
            running.join(20)
        assert len(ended) == 1
        assert count(eye, LEFT) == 1
        with open_session(database) as another:
            settle(database, another, things(SIZE))
        assert count(eye, LEFT) == 0


def test_killed_anywhere_the_next_one_goes_on(any_database: ScratchDatabase) -> None:
    with psycopg.connect(any_database.url, autocommit=True) as eye:
        with open_session(any_database) as session:
            settle(any_database, session, things())
            fill(eye, 200)
            declare_size(any_database, session)
        with psycopg.connect(any_database.url) as writer:
            writer.execute("SELECT FROM geo.things WHERE name = '150' FOR UPDATE")
            process = multiprocessing.get_context("spawn").Process(target=_apply_move, args=[any_database])
            process.start()
            wait_until(eye, f"SELECT ({LEFT}) BETWEEN 1 AND 199")
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join(20)
            wait_until(eye, "SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')")
        assert count(eye, LEFT) >= 1
        with open_session(any_database) as session:
            settle(any_database, session, things(SIZE))
        assert count(eye, LEFT) == 0


def _apply_move(database: ScratchDatabase) -> None:
    with Session(settings(database, lock_timeout_ms=10_000)) as session:
        (move,) = plan(database, session, things(SIZE)).migrations
        session.apply(move)


def test_a_move_waits_for_approval_where_all_does(database: ScratchDatabase) -> None:
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as eye:
        settle(database, session, things())
        fill(eye, 5)
        declare_size(database, session)
    with open_session(database, approval="Always") as careful:
        found = plan(database, careful, things(SIZE))
        assert not found.migrations
        (waiting,) = found.waiting
        careful.apply(replace(waiting, needs_approval=False))
        assert plan(database, careful, things(SIZE)).is_empty


def test_scripts_make_the_same_on_an_empty_database(any_postgres: PostgresServer) -> None:
    with any_postgres.scratch_database() as database, any_postgres.scratch_database() as empty:
        with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as eye:
            settle(database, session, things(history={"partitionBy": "Month"}))
            fill(eye, 5)
            settle(database, session, things(SIZE, history={"partitionBy": "Month"}))
            scripts = eye.execute("SELECT script FROM pgcraft.revisions ORDER BY applied_at").fetchall()
            assert any("?|" in script for (script,) in scripts)
            expected = eye.execute(sql(SHAPE)).fetchall()
        engine = sqlalchemy.create_engine(empty.url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(f'GRANT CREATE ON DATABASE {empty.name} TO "{database.name}_owner"'))
            with Operations.context(MigrationContext.configure(connection)):
                for (script,) in scripts:
                    module = ModuleType("revision")
                    exec(script, vars(module))  # as Alembic does
                    module.upgrade()
        engine.dispose()
        with psycopg.connect(empty.url) as eye:
            assert eye.execute(sql(SHAPE)).fetchall() == expected


SHAPE = """
SELECT c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(c.relpartbound, c.oid)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'geo'::regnamespace AND c.relkind IN ('r', 'p', 'v')
ORDER BY c.relname, a.attnum
"""


def wait_until(eye: psycopg.Connection, query: str) -> None:
    """Return once the query says so, as seen by the server itself; fail after 20 seconds."""
    eye.execute(
        sql(f"""
        DO $$ BEGIN
          FOR i IN 1..2000 LOOP
            IF ({query}) THEN RETURN; END IF;
            PERFORM pg_sleep(0.01);
          END LOOP;
          RAISE 'it did not happen within 20 s';
        END $$
        """)
    )
