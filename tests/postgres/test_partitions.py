"""The past split by month: partitions made ahead, guarded like the whole, and dropped only with consent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from pgcraft_core.migrate.execute import Applied
from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.model import Plan, PlannedMigration
from pgcraft_core.schema.month import month_after, month_of
from pgcraft_core.schema.unit import Unit
from playground.postgres import ScratchDatabase
from tests.corpus.world import compiled, deploy, dimension, open_session, said, sql, warehouse

TODAY = datetime.now(UTC).date()
THIS_MONTH = month_of(TODAY)
HISTORY = "geo.things_history"
CODE = {"name": "code", "type": "text"}


def things(**history: Any) -> Any:
    return dimension("things", CODE, type="AppendOnly", history={"partitionBy": "Month", **history})


def given(database: ScratchDatabase, today: date) -> dict[str, Any]:
    return {"today": today, "database": warehouse(owner=f"{database.name}_owner")}


def units_of(database: ScratchDatabase, session: Session, resource: Any, today: date) -> tuple[Unit, ...]:
    return compiled(resource, server_version=session.server_version, **given(database, today))


def plan(database: ScratchDatabase, session: Session, resource: Any, today: date) -> Plan:
    found = session.plan(units_of(database, session, resource, today))
    assert not found.diagnostics, said(found)
    return found


def settle(database: ScratchDatabase, session: Session, resource: Any, today: date) -> list[Applied]:
    return deploy(session, resource, **given(database, today))


def steps(migrations: Sequence[PlannedMigration]) -> list[str]:
    return [step.describe() for migration in migrations for step in migration.operations]


def partitions(eye: psycopg.Connection, parent: str = HISTORY) -> list[str]:
    rows = eye.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [parent])
    return sorted(name.removeprefix(f"{parent}_") for (name,) in rows)


def where_rows_are(eye: psycopg.Connection) -> list[str]:
    rows = eye.execute(sql(f"SELECT tableoid::regclass::text FROM {HISTORY} ORDER BY valid_to")).fetchall()
    return [name.removeprefix(f"{HISTORY}_") for (name,) in rows]


def put_into_the_past(eye: psycopg.Connection, *moments: str) -> None:
    """Write closed versions as only a superuser who switches off all triggers can."""
    with eye.transaction():
        eye.execute("SET LOCAL session_replication_role = replica")
        for number, moment in enumerate(moments):
            eye.execute(
                sql(f"INSERT INTO {HISTORY} SELECT %s, 'x', '2000-01-01', %s, 'DELETE', 'a', 'a', 'a', 'a'"),
                [-number, moment],
            )


def test_months_are_made_ahead_and_the_next_one_when_it_is_due(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things(), date(2019, 11, 1))
        made = ["2019_11", "2019_12", "2020_01", "2020_02", "default"]
        assert partitions(eye) == made
        assert plan(any_database, session, things(), date(2019, 11, 30)).is_empty
        due = plan(any_database, session, things(), date(2019, 12, 1))
        assert steps(due.migrations) == [f"add partition 2020-03 to {HISTORY}"]
        settle(any_database, session, things(), date(2019, 12, 1))
        assert partitions(eye) == sorted([*made, "2020_03"])
        # Whoever comes back after a year finds what was, and makes what is due.
        settle(any_database, session, things(), date(2021, 1, 15))
        assert partitions(eye) == sorted([*made, "2020_03", "2021_01", "2021_02", "2021_03", "2021_04"])


def test_a_month_added_later_is_like_one_made_at_first(any_database: ScratchDatabase) -> None:
    shape = f"""
    SELECT array(SELECT (attname, atttypid, attnotnull) FROM pg_attribute
                 WHERE attrelid = inhrelid AND attnum > 0 ORDER BY attnum)::text,
           array(SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = inhrelid ORDER BY 1)::text,
           array(SELECT indisprimary FROM pg_index WHERE indrelid = inhrelid)::text,
           array(SELECT tgname FROM pg_trigger WHERE tgrelid = inhrelid ORDER BY 1)::text,
           (SELECT relowner FROM pg_class WHERE oid = inhrelid)
    FROM pg_inherits WHERE inhparent = '{HISTORY}'::regclass
    """
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things(), date(2020, 1, 1))
        (at_first,) = set(eye.execute(sql(shape)).fetchall())
        settle(any_database, session, things(), date(2021, 1, 1))
        assert set(eye.execute(sql(shape)).fetchall()) == {at_first}
        assert len(partitions(eye)) == 9


def test_versions_are_closed_into_the_month_and_nobody_notices(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things(), TODAY)
        eye.execute("INSERT INTO geo.things (code) VALUES ('a'), ('b')")
        eye.execute("UPDATE geo.things SET code = code || '2'")
        eye.execute("DELETE FROM geo.things WHERE code = 'a2'")
        assert where_rows_are(eye) == [THIS_MONTH.replace("-", "_")] * 3
        versions = eye.execute("SELECT code, valid_to IS NULL FROM geo.things_versions ORDER BY 1").fetchall()
        assert versions == [("a", False), ("a2", False), ("b", False), ("b2", True)]
        assert not plan(any_database, session, things(), TODAY).drift


@pytest.mark.parametrize("partition", [None, "default", THIS_MONTH.replace("-", "_")])
@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE {}",
        "DELETE FROM {}",
        "UPDATE {} SET code = 'forged'",
        "INSERT INTO {} SELECT 9, 'forged', now(), now(), 'DELETE', 'a', 'a', 'a', 'a'",
    ],
    ids=lambda statement: statement.split()[0].lower(),
)
def test_partitions_are_guarded_like_the_whole(
    database: ScratchDatabase, partition: str | None, statement: str
) -> None:
    table = HISTORY if partition is None else f"{HISTORY}_{partition}"
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as eye:
        # The month of the rows is made later, by which way it must be guarded too.
        settle(database, session, things(), date(2020, 1, 1))
        settle(database, session, things(), TODAY)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="the past does not change"):
            eye.execute(sql(statement.format(table)))


def test_rows_in_the_default_partition_move_when_their_month_is_made(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things(), date(2020, 1, 1))
        eye.execute("INSERT INTO geo.things (code) VALUES ('a')")
        eye.execute("UPDATE geo.things SET code = 'b'")
        put_into_the_past(eye, "1999-05-05")
        assert where_rows_are(eye) == ["default", "default"]
        before = eye.execute("SELECT * FROM geo.things_versions ORDER BY valid_from").fetchall()
        (migration,) = plan(any_database, session, things(), TODAY).migrations
        settle(any_database, session, things(), TODAY)
        assert where_rows_are(eye) == ["default", THIS_MONTH.replace("-", "_")]
        assert eye.execute("SELECT * FROM geo.things_versions ORDER BY valid_from").fetchall() == before
        # And back: the downgrade loses no row either.
        with eye.transaction():
            eye.execute(sql(f"SET LOCAL ROLE {any_database.name}_owner"))
            for step in reversed(migration.operations):
                for undo in step.operation.downgrade():
                    eye.execute(sql(undo))
        assert where_rows_are(eye) == ["default", "default"]
        assert partitions(eye) == ["2020_01", "2020_02", "2020_03", "2020_04", "default"]
        assert eye.execute("SELECT * FROM geo.things_versions ORDER BY valid_from").fetchall() == before
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            eye.execute(sql(f"TRUNCATE {HISTORY}_default"))


def test_adding_a_month_waits_for_nobody_who_closes_versions(database: ScratchDatabase) -> None:
    with open_session(database) as session, psycopg.connect(database.url) as writer:
        settle(database, session, things(), month_start(month_after(THIS_MONTH, -1)))
        writer.execute("INSERT INTO geo.things (code) VALUES ('a')")
        writer.commit()
        writer.execute("UPDATE geo.things SET code = 'b'")  # in a transaction that goes on
        settle(database, session, things(), TODAY)
        writer.execute("UPDATE geo.things SET code = 'c'")
        writer.commit()
        held = writer.execute(sql(f"SELECT count(*) FROM {HISTORY}")).fetchone()
        assert held == (2,)


def test_what_is_too_old_goes_without_a_question_under_a_retention_that_stands(any_database: ScratchDatabase) -> None:
    kept = things(retain="P1Y")
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, kept, date(2020, 1, 1))
        put_into_the_past(eye, "1999-12-31", "2020-01-31 23:59:59+00", "2020-02-01 00:00+00", "2020-03-01 00:00+00")
        # On the last day of January 2021 a row of the first of February 2020 is not a year old yet.
        settle(any_database, session, kept, date(2021, 1, 31))
        assert where_rows_are(eye) == ["default", "2020_01", "2020_02", "2020_03"]
        found = plan(any_database, session, kept, date(2021, 2, 1))
        assert f"drop partition 2020-01 of {HISTORY}, which keeps 12 months" in steps(found.migrations)
        assert not found.waiting
        settle(any_database, session, kept, date(2021, 2, 1))
        assert where_rows_are(eye) == ["2020_02", "2020_03"]  # with what was as old in the default partition
        settle(any_database, session, things(), date(2025, 1, 1))
        assert where_rows_are(eye) == ["2020_02", "2020_03"]  # without retention nothing goes


def test_a_retention_that_is_new_or_shorter_asks_first(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things(), date(2020, 1, 1))
        put_into_the_past(eye, "2020-02-10", "2020-04-10")
        later = date(2021, 3, 1)
        settle(any_database, session, things(retain="P1Y"), later)
        assert where_rows_are(eye) == ["2020_02", "2020_04"]
        (waiting,) = plan(any_database, session, things(retain="P1Y"), later).waiting
        hazards = [step.hazard for step in waiting.operations]
        assert [hazard.type for hazard in hazards if hazard] == ["DataLoss", "DataLoss"]
        assert "about 1 row would be lost" in str(hazards[1])
        # While nobody answers, months are made, and none is dropped.
        settle(any_database, session, things(retain="P1Y"), date(2021, 6, 1))
        assert where_rows_are(eye) == ["2020_02", "2020_04"]
        (waiting,) = plan(any_database, session, things(retain="P1Y"), date(2021, 5, 1)).waiting
        session.apply(replace(waiting, needs_approval=False))
        assert where_rows_are(eye) == []
        assert plan(any_database, session, things(retain="P1Y"), date(2021, 5, 1)).is_empty
        # From now on it stands.
        assert not plan(any_database, session, things(retain="P1Y"), date(2023, 5, 1)).waiting
        # Shorter asks again; longer and none at all do not.
        assert plan(any_database, session, things(retain="P1M"), date(2022, 2, 1)).waiting
        assert not plan(any_database, session, things(retain="P2Y"), date(2022, 2, 1)).waiting


def test_a_retention_that_drops_nothing_yet_needs_no_answer(database: ScratchDatabase) -> None:
    with open_session(database) as session:
        settle(database, session, things(), date(2020, 1, 1))
        settle(database, session, things(retain="P1M"), date(2020, 1, 1))
        found = plan(database, session, things(retain="P1M"), date(2020, 3, 1))
        assert not found.waiting
        assert f"drop partition 2020-01 of {HISTORY}, which keeps 1 month" in steps(found.migrations)


def test_what_somebody_does_to_partitions_is_drift(any_database: ScratchDatabase) -> None:
    kept, start = things(retain="P1Y"), date(2020, 1, 1)
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, kept, start)
        eye.execute(sql(f"ALTER TABLE {HISTORY} DETACH PARTITION {HISTORY}_2020_01"))
        eye.execute(sql(f"DROP TABLE {HISTORY}_2020_02"))
        of_march = f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{HISTORY}_2020_03'::regclass"
        guard = next(name for (name,) in eye.execute(sql(of_march)).fetchall())
        eye.execute(sql(f"DROP TRIGGER {guard} ON {HISTORY}_2020_03"))
        eye.execute(
            sql(f"CREATE TABLE geo.mine PARTITION OF {HISTORY} FOR VALUES FROM ('1990-01-01') TO ('1991-01-01')")
        )
        found = plan(any_database, session, kept, start)
        assert not found.migrations
        (told,) = found.drift.values()
        assert told == (
            f"table {HISTORY}: partition things_history_2020_01 is gone",
            f"table {HISTORY}: partition things_history_2020_02 is gone",
            f"table {HISTORY}: partition things_history_2020_03: trigger {guard} is gone",
            f"table {HISTORY}: partition mine was added",
        )
        # A partition that was taken out is nobody's to drop any more.
        later = plan(any_database, session, kept, date(2021, 4, 1))
        assert f"forget partition {HISTORY}_2020_01, which was removed by somebody else" in steps(later.migrations)
        for migration in later.migrations:
            session.apply(migration)
        assert plan(any_database, session, kept, date(2021, 4, 1)).is_empty
        assert eye.execute(sql(f"SELECT to_regclass('{HISTORY}_2020_01') IS NOT NULL")).fetchone() == (True,)


def test_a_clock_that_is_ahead_drops_and_makes_nothing(any_database: ScratchDatabase) -> None:
    kept = things(retain="P1M")
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, kept, TODAY)
        before = partitions(eye)
        found = plan(any_database, session, kept, TODAY.replace(year=TODAY.year + 2, day=1))
        assert found.is_empty
        assert partitions(eye) == before


def test_a_name_that_a_partition_needs_is_refused_ahead(database: ScratchDatabase) -> None:
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as eye:
        settle(database, session, things(), date(2019, 11, 1))
        eye.execute(sql(f"CREATE TABLE {HISTORY}_2020_03 (x int)"))
        found = session.plan(units_of(database, session, things(), date(2019, 12, 1)))
        assert "partition geo.things_history_2020_03 would have the name of a relation" in said(found)
        assert not found.migrations


def test_a_past_that_is_there_is_neither_split_nor_joined(database: ScratchDatabase) -> None:
    whole = dimension("things", CODE, type="AppendOnly")
    with open_session(database) as session:
        settle(database, session, things(), TODAY)
        found = session.plan(units_of(database, session, whole, TODAY))
        assert "spec.history.partitionBy" in said(found)
        assert not found.migrations


def test_columns_and_guards_change_in_all_partitions(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        settle(any_database, session, things(), TODAY)
        eye.execute("INSERT INTO geo.things (code) VALUES ('a')")
        eye.execute("UPDATE geo.things SET code = 'b'")
        size = {"name": "size", "type": "integer"}
        wider = dimension("things", CODE, size, type="AppendOnly", history={"partitionBy": "Month"})
        settle(any_database, session, wider, month_start(month_after(THIS_MONTH)))
        eye.execute("UPDATE geo.things SET size = 1")
        eye.execute("UPDATE geo.things SET size = 2")
        rows = eye.execute(sql(f"SELECT code, size FROM {HISTORY} ORDER BY valid_to")).fetchall()
        assert rows == [("a", None), ("b", None), ("b", 1)]


def month_start(month: str) -> date:
    return date.fromisoformat(f"{month}-01")
