"""Functions and triggers through a whole migration: made, recorded, guarded, and watched for drift."""

from typing import Any

import psycopg
import pytest

from pgcraft_core.migrate.session import Session
from pgcraft_core.schema.function import Argument, Function
from pgcraft_core.schema.table import Column, PrimaryKey, Table, Trigger
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View, ViewColumn
from playground.postgres import ScratchDatabase
from tests.corpus.world import READER, open_session, said, settings, sql

STAMP = Trigger(
    name="things_stamp",
    timing="BEFORE",
    events=("UPDATE",),
    level="ROW",
    function_schema="geo",
    function_name="things_stamp",
)
TABLE = Table(
    schema_name="geo",
    name="things",
    columns=(Column(name="id", type="bigint", nullable=False), Column(name="code", type="text")),
    primary_key=PrimaryKey(name="things_pkey", columns=("id",)),
    triggers=(STAMP,),
)
VERSIONS = View(
    schema_name="geo",
    name="things_versions",
    base_schema="geo",
    base_name="things",
    columns=(ViewColumn(name="id"), ViewColumn(name="code")),
)
STAMP_FUNCTION = Function(schema_name="geo", name="things_stamp", body=("BEGIN RETURN NEW; END",))
AS_OF = Function(
    schema_name="geo",
    name="things_as_of",
    arguments=(Argument(name="at", type="timestamp with time zone"),),
    returns="SETOF geo.things_versions",
    rows_of_schema="geo",
    rows_of_name="things_versions",
    language="sql",
    volatility="STABLE",
    body=("SELECT * FROM geo.things_versions",),
    executors=(READER,),
    comment="as they were",
)


def things(*objects: Any) -> Unit:
    return Unit(
        Claimant("Dimension", "platform", "things"),
        objects=objects or (TABLE, VERSIONS, STAMP_FUNCTION, AS_OF),
        schemas=frozenset({"geo"}),
        roles=frozenset({READER}),
    )


def apply(session: Session, unit: Unit) -> None:
    plan = session.plan([unit])
    assert not plan.diagnostics, said(plan)
    assert plan.migrations
    for migration in plan.migrations:
        session.apply(migration)
    again = session.plan([unit])
    assert again.is_empty
    assert not again.drift


def test_functions_and_triggers_are_made_and_recorded(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        apply(session, things())
        owner = settings(any_database).owner_role
        recorded = eye.execute(
            "SELECT name, rendering FROM pgcraft.objects WHERE kind = 'function' ORDER BY name"
        ).fetchall()
        assert [(name, [*rendering["signatures"]]) for name, rendering in recorded] == [
            ("things_as_of", ["(at timestamp with time zone)"]),
            ("things_stamp", ["()"]),
        ]
        (as_of,) = recorded[0][1]["signatures"].values()
        assert (as_of["owner"], as_of["comment"], as_of["grants"]) == (owner, "as they were", {READER: ["EXECUTE"]})
        (stamp,) = recorded[1][1]["signatures"].values()
        assert stamp["grants"] == {}  # not even PUBLIC
        # What only changes in its body is recorded anew, and no drift.
        narrow = AS_OF.model_copy(update={"body": ("SELECT * FROM geo.things_versions WHERE id > 0",)})
        apply(session, things(TABLE, VERSIONS, STAMP_FUNCTION, narrow))


@pytest.mark.parametrize(
    ("by_hand", "said_of_it"),
    [
        (
            "GRANT EXECUTE ON FUNCTION geo.things_stamp TO PUBLIC",
            "function geo.things_stamp: signature (): role PUBLIC has EXECUTE",
        ),
        (
            "CREATE FUNCTION geo.things_as_of(at text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function geo.things_as_of: signature (at text) was added",
        ),
        ("DROP FUNCTION geo.things_as_of", "function geo.things_as_of: it is gone"),
        (
            "ALTER TABLE geo.things DISABLE TRIGGER things_stamp",
            "table geo.things: trigger things_stamp: enabled O became D",
        ),
        ("DROP TRIGGER things_stamp ON geo.things", "table geo.things: trigger things_stamp is gone"),
    ],
)
def test_drift_of_functions_and_triggers_is_said(database: ScratchDatabase, by_hand: str, said_of_it: str) -> None:
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as stranger:
        apply(session, things())
        stranger.execute(sql(by_hand))
        plan = session.plan([things()])
        assert plan.is_empty
        assert [sentence for found in plan.drift.values() for sentence in found] == [said_of_it]


def test_a_strangers_function_of_any_arguments_is_a_conflict(database: ScratchDatabase) -> None:
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as stranger:
        stranger.execute(
            "CREATE SCHEMA geo; CREATE FUNCTION geo.things_as_of(n int) RETURNS int LANGUAGE sql AS 'SELECT 1'"
        )
        plan = session.plan([things()])
        assert said(plan) == (
            "Dimension platform/things: spec.table: function geo.things_as_of exists already and was not made by "
            "pgcraft, which leaves it untouched; choose another name"
        )
        assert plan.is_empty
