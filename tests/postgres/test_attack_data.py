"""No sequence of edits loses a value or a constraint unasked."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from pgcraft_core.migrate.errors import MigrationError
from pgcraft_core.plan.hazards import is_lossless
from pgcraft_core.spec.dimension import Dimension
from playground.postgres import PostgresServer, ScratchDatabase
from tests.postgres.attack_world import CODE, apply, evil, query, session_on

SAMPLES = {
    "smallint": "-32768",
    "integer": "2147483647",
    "bigint": "9007199254740993",
    "real": "0.1",
    "double precision": "0.1",
    "numeric": "123456789012345678901234567890.123456789",
    "numeric(6,2)": "9999.99",
    "numeric(6,4)": "99.9999",
    "numeric(8,2)": "999999.99",
    "character varying": "a long text with  spaces ",
    "character varying(3)": "ab ",
    "character varying(9)": "abcdefgh ",
    "character(9)": "abc",
    "text": "a long text with  spaces ",
    "date": "2024-02-29",
    "timestamp without time zone": "2024-02-29 23:59:59.999999",
    "timestamp with time zone": "2024-02-29 23:59:59.999999+00",
    "json": '{"b": 1, "a" : 2, "a": 3}',
    "jsonb": '{"a": 3}',
    "uuid": "00000000-0000-0000-0000-000000000001",
    "inet": "10.0.0.1/8",
    "cidr": "10.0.0.0/8",
    "boolean": "true",
    "bytea": "\\x00ff",
}


@pytest.mark.parametrize("before", SAMPLES)
def test_what_changes_unasked_comes_back_as_it_was(postgres: PostgresServer, before: str) -> None:
    """Every change of type that does not wait for approval keeps each value: cast there and back gives the same."""
    with psycopg.connect(postgres.url) as connection:
        for after in (type_ for type_ in SAMPLES if type_ != before and is_lossless(before, type_)):
            there_and_back = sql.SQL("SELECT %s::{0}::text, %s::{0}::{1}::{0}::text").format(
                sql.SQL(before),  # ty: ignore[invalid-argument-type]
                sql.SQL(after),  # ty: ignore[invalid-argument-type]
            )
            row = connection.execute(there_and_back, [SAMPLES[before], SAMPLES[before]]).fetchone()
            assert row is not None
            assert row[0] == row[1], after


def test_an_unlimited_text_is_not_cut_unasked(database: ScratchDatabase) -> None:
    wide, narrow = {"name": "v", "type": "varchar"}, {"name": "v", "type": "varchar(3)"}
    with session_on(database) as session:
        apply(session, evil(wide))
        query(database, "INSERT INTO geo.evil (v) VALUES ('abcdefgh')")
        planned = apply(session, evil(narrow))
        assert [item.hazard.type for item in planned.waiting[0].operations if item.hazard] == ["DataLoss"]
        with pytest.raises(MigrationError, match="waits for approval"):
            session.apply(planned.waiting[0])
    assert query(database, "SELECT v FROM geo.evil") == [("abcdefgh",)]


@pytest.mark.parametrize(
    ("column", "written"), [("label", "LABEL"), ("label", "Label"), ('la"bel', '"la""bel"'), ("Größe", '"Größe"')]
)
def test_constraints_outlive_the_column_they_read_however_it_is_written(
    any_database: ScratchDatabase, column: str, written: str
) -> None:
    """Postgres drops the checks and indexes of a dropped column without a word."""

    def computed(expression: str) -> Dimension:
        return evil(
            CODE,
            {"name": column, "type": "text", "generated": expression},
            checks=[{"name": "c", "expression": f"{written} <> 'bad'"}],
            indexes=[{"name": "i", "columns": ["code"], "where": f"{written} <> ''"}],
        )

    with session_on(any_database) as session:
        for expression in ("code", "lower(code)"):
            apply(session, computed(expression))
    with pytest.raises(psycopg.errors.CheckViolation):
        query(any_database, "INSERT INTO geo.evil (code) VALUES ('BAD')")
    assert query(any_database, "SELECT to_regclass('geo.evil_i') IS NULL") == [(False,)]
