"""Which months a table has partitions for, and which may go."""

from __future__ import annotations

from datetime import date

import pytest

from pgcraft_core.plan.diff_table import diff_table, retain_data
from pgcraft_core.plan.operations.partition import PartitionOperation
from pgcraft_core.plan.operations.trigger import TriggerOperation
from pgcraft_core.plan.partitions import diff_removed_partitions, follow_server, without_removed_partitions
from pgcraft_core.schema.month import month_after, month_of
from pgcraft_core.schema.table import Column, Partitioning, PrimaryKey, Table, Trigger
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.sql.identifiers import MAX_IDENTIFIER_BYTES


def table(*months: str, retain: int | None = None, triggers: tuple[Trigger, ...] = (), name: str = "past") -> Table:
    return Table(
        schema_name="geo",
        name=name,
        columns=(Column(name="valid_to", type="timestamp with time zone", nullable=False),),
        primary_key=PrimaryKey(name=f"{name[:40]}_pkey", columns=("valid_to",)),
        partitioning=Partitioning(column="valid_to", months=months, retain_months=retain),
        triggers=triggers,
    )


def steps(applied: Table | None, goal: Table) -> list[tuple[str, str | None]]:
    found = [operation for operation in diff_table(applied, goal) if isinstance(operation, PartitionOperation)]
    return [(operation.name, operation.month) for operation in found]


@pytest.mark.parametrize(
    ("month", "distance", "expected"),
    [
        ("2026-11", 1, "2026-12"),
        ("2026-12", 1, "2027-01"),
        ("2026-01", -1, "2025-12"),
        ("2026-11", 0, "2026-11"),
        ("2026-11", -24, "2024-11"),
        ("2026-11", 38, "2030-01"),
        ("0002-03", -9999, "0001-01"),
    ],
)
def test_months_follow_each_other(month: str, distance: int, expected: str) -> None:
    assert month_after(month, distance) == expected


def test_month_of_a_day() -> None:
    assert month_of(date(987, 6, 5)) == "0987-06"


def test_a_new_table_gets_a_default_partition_first() -> None:
    assert steps(None, table("2026-11", "2026-12")) == [
        ("CreatePartition", None),
        ("CreatePartition", "2026-11"),
        ("CreatePartition", "2026-12"),
    ]


def test_applied_months_stay_beside_those_that_are_due() -> None:
    goal = retain_data(table("2020-01", "2026-11"), table("2026-12", "2027-01"))
    assert goal.partitioning
    assert goal.partitioning.months == ("2020-01", "2026-11", "2026-12", "2027-01")
    assert steps(table("2020-01", "2026-11"), goal) == [("AddPartition", "2026-12"), ("AddPartition", "2027-01")]


@pytest.mark.parametrize(
    ("before", "after", "goes", "asks"),
    [
        (None, None, [], []),
        (2, 2, ["2026-07", "2026-08"], []),
        (2, 3, ["2026-07"], []),
        (3, 2, ["2026-07"], ["2026-08"]),
        (2, None, [], []),
        (None, 2, [], ["2026-07", "2026-08"]),
        (None, 600, [], []),
    ],
)
def test_consent_reaches_as_far_as_both_retentions_do(
    before: int | None, after: int | None, goes: list[str], asks: list[str]
) -> None:
    applied = table("2026-07", "2026-08", "2026-09", "2026-10", "2026-11", retain=before)
    desired = table("2026-11", retain=after)
    goal = retain_data(applied, desired)
    assert steps(applied, goal) == [("ExpirePartition", month) for month in goes]
    removed = diff_removed_partitions(goal, desired)
    assert [operation.month for operation in removed if isinstance(operation, PartitionOperation)] == asks
    assert goal.partitioning
    assert goal.partitioning.retain_months == (before if asks else after)
    settled = without_removed_partitions(goal, desired)
    assert settled.partitioning
    assert settled.partitioning.retain_months == after
    assert retain_data(settled, desired) == settled, "what was approved is not asked again"


@pytest.mark.parametrize(
    ("server", "due"),
    [
        (date(2026, 10, 31), ("2026-10", "2026-11")),  # the clock here is ahead: the server's is followed
        (date(2026, 11, 1), ("2026-11", "2026-12")),
        (date(2027, 8, 1), ("2026-11", "2026-12")),  # the clock here is behind: nothing is too old early
    ],
)
def test_months_are_due_by_the_earlier_clock(server: date, due: tuple[str, ...]) -> None:
    (unit,) = follow_server([Unit(Claimant("Dimension", "n", "t"), (table("2026-11", "2026-12", retain=1),))], server)
    assert unit.objects == (table(*due, retain=1),)


def test_triggers_for_each_statement_are_followed_in_every_partition() -> None:
    def trigger(name: str, level: str, when: str) -> Trigger:
        given = {"name": name, "level": level, "when": when, "events": ["TRUNCATE"], "timing": "BEFORE"}
        return Trigger.model_validate(given | {"function_schema": "geo", "function_name": "refuse"})

    def of(when: str, *months: str) -> Table:
        return table(*months, retain=1, triggers=(trigger("s", "STATEMENT", when), trigger("r", "ROW", when)))

    applied, goal = of("true", "2026-09", "2026-10", "2026-11"), of("false", "2026-10", "2026-11", "2026-12")
    found = [operation for operation in diff_table(applied, goal) if isinstance(operation, TriggerOperation)]
    touched = {
        name: [operation.table.name for operation in found if operation.name == name and operation.trigger.name == "s"]
        for name in ("DropTrigger", "CreateTrigger")
    }
    assert touched == {
        "DropTrigger": ["past", "past_default", "past_2026_09", "past_2026_10", "past_2026_11"],
        "CreateTrigger": ["past", "past_default", "past_2026_10", "past_2026_11"],
    }
    assert [operation.table.name for operation in found if operation.trigger.name == "r"] == ["past", "past"]


def test_partitions_of_long_names_have_names_of_their_own() -> None:
    names = [partition.name for partition in table("2026-11", "2026-12", name="ä" * 31).partitions]
    assert len(set(names)) == 3
    assert max(len(name.encode()) for name in names) <= MAX_IDENTIFIER_BYTES
