"""What refused migrations mean, how plans are shown, and when many deletions are held."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from pgcraft_core.migrate.errors import (
    InsufficientPrivilegeError,
    LockTimeoutError,
    MigrationError,
    StatementFailedError,
)
from pgcraft_core.migrate.execute import Applied
from pgcraft_core.plan.hazard import Hazard
from pgcraft_core.plan.model import PlannedGroup, PlannedMigration, RegistryChange
from pgcraft_core.plan.operations.attribute import DropLoggedAttribute
from pgcraft_core.plan.operations.base import Operation, PlannedOperation
from pgcraft_core.plan.operations.column import DropColumn
from pgcraft_core.plan.operations.function import ReplaceFunction
from pgcraft_core.plan.operations.view import DropView
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Column
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.schema.view import View, ViewColumn
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.migration import Migration
from pgcraft_operator import migration_record as record
from pgcraft_operator.outcome import Stalled, Waiting
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.guard import hold_releases
from pgcraft_operator.reconcile.isolation import set_apart
from pgcraft_operator.reconcile.refusal import outcome_of_error


def failed(sqlstate: str) -> StatementFailedError:
    return StatementFailedError("refused", statement="SELECT 1", sqlstate=sqlstate)


@pytest.mark.parametrize(
    ("error", "attempts", "has_failed_before", "reason", "needs_a_person"),
    [
        (LockTimeoutError("locked"), 1, False, Reason.LOCK_TIMEOUT, False),
        (LockTimeoutError("locked"), 8, False, Reason.RETRIES_EXHAUSTED, True),
        (InsufficientPrivilegeError("GRANT it"), 1, False, Reason.INSUFFICIENT_PRIVILEGE, True),
        (failed("23514"), 1, False, Reason.MIGRATION_FAILED, True),
        (failed("42P01"), 1, False, Reason.MIGRATION_FAILED, True),
        (failed("42P01"), 1, True, Reason.DEPENDENCY_NOT_READY, False),
        (failed("40001"), 1, False, Reason.RETRYING, False),
        (failed("53200"), 8, False, Reason.RETRIES_EXHAUSTED, True),
        (MigrationError("other"), 1, False, Reason.RETRYING, False),
    ],
)
def test_a_refusal_waits_or_needs_a_person(
    error: MigrationError, attempts: int, has_failed_before: bool, reason: Reason, needs_a_person: bool
) -> None:
    outcome = outcome_of_error(error, attempts, has_failed_before=has_failed_before)
    assert outcome.reason == reason
    assert isinstance(outcome, Stalled if needs_a_person else Waiting)


def group(name: str, hazard: Hazard | None = None) -> PlannedGroup:
    claimant = Claimant("Dimension", "geo", name)
    view = View(schema_name="api", name=name, base_schema="geo", base_name=name, columns=(ViewColumn(name="id"),))
    operation = PlannedOperation(DropView(target=view.id, view=view), hazard)
    return PlannedGroup((operation,), (RegistryChange(view.id, claimant, view, before=None),), (claimant,))


def migration(*names: str, hazard: Hazard | None = None) -> PlannedMigration:
    return PlannedMigration(tuple(group(name, hazard) for name in names))


WAREHOUSE = load_resource(
    {
        "apiVersion": "pgcraft.io/v1alpha1",
        "kind": "Database",
        "metadata": {"name": "warehouse", "namespace": "platform", "uid": "u"},
        "spec": {"connection": {"secretRef": {"name": "app"}}},
    }
)


def test_a_migration_object_is_valid_and_owned_by_its_database() -> None:
    assert isinstance(WAREHOUSE, Database)
    plan = migration("airports", hazard=Hazard("ExposureChange", "clients lose api.airports"))
    manifest = record.render_migration(WAREHOUSE, plan, f"warehouse-{plan.plan_hash[:10]}")
    loaded = load_resource(manifest)
    assert isinstance(loaded, Migration), loaded
    assert loaded.metadata.name == f"warehouse-{plan.plan_hash[:10]}"
    assert loaded.spec.operations[0].hazard is not None
    assert loaded.spec.subjects[0].name == "airports"
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert record.hazard_summary(plan) == "clients lose api.airports"


def test_a_name_stays_within_what_kubernetes_takes() -> None:
    name = record.migration_name("d" * 253, migration("airports"))
    assert len(name) == 253
    assert name.endswith(migration("airports").plan_hash[:10])


def placed(name: str, plan: PlannedMigration, phase: str | None) -> dict[str, Any]:
    status = {"status": {"phase": phase}} if phase else {}
    return {"metadata": {"name": name}, "spec": {"planHash": plan.plan_hash}, **status}


@pytest.mark.parametrize("phase", ["Pending", "ApprovalPending", "Applying", "Failed", None])
def test_a_plan_that_is_not_finished_keeps_its_object(phase: str | None) -> None:
    plan, other = migration("airports"), migration("countries")
    name = record.migration_name("warehouse", plan)
    there = placed(name, plan, phase)
    assert record.find_place("warehouse", plan, [placed("warehouse-1", other, "Applied"), there]) == (name, there)


@pytest.mark.parametrize("phase", ["Applied", "Superseded"])
def test_a_plan_made_again_leaves_the_record_of_its_first_time(phase: str) -> None:
    plan = migration("airports")
    name = record.migration_name("warehouse", plan)
    assert record.find_place("warehouse", plan, []) == (name, None)
    first = placed(name, plan, phase)
    assert record.find_place("warehouse", plan, [first]) == (f"{name}-2", None)
    second = placed(f"{name}-2", plan, "Failed")
    assert record.find_place("warehouse", plan, [second, first]) == (f"{name}-2", second)
    # The history limit has taken the first ones: the count goes on.
    tenth = placed(f"{name}-10", plan, "Applied")
    assert record.find_place("warehouse", plan, [placed(f"{name}-9", plan, phase), tenth]) == (f"{name}-11", None)


def dropping(
    *names: str, tables: tuple[str, ...] = ("airports",), also: tuple[Operation, ...] = ()
) -> PlannedMigration:
    drops = tuple(
        PlannedOperation(
            DropColumn(ObjectId("table", "geo", table), QualifiedName("geo", table), Column(name=name, type="text")),
            Hazard("DataLoss", f"drop column {name}"),
        )
        for name in names
        for table in tables
    )
    others = tuple(PlannedOperation(operation) for operation in also)
    return PlannedMigration((PlannedGroup((*drops, *others), (), tuple(gone("airports"))),), needs_approval=True)


def test_what_waits_says_what_becomes_of_its_columns_meanwhile() -> None:
    one, two = dropping("website"), dropping("website", "tz")
    assert record.meanwhile(one, is_exposed=True) == (
        "Meanwhile the column keeps its data and is no longer served; declare it again to take it back."
    )
    assert record.meanwhile(one, is_exposed=False) == (
        "Meanwhile the column keeps its data; declare it again to take it back."
    )
    assert "are no longer served; declare them again" in record.meanwhile(two, is_exposed=True)
    assert record.hazard_summary(two) == "drop column website; drop column tz"
    assert record.meanwhile(migration("airports"), is_exposed=True) == ""

    function = Function(schema_name="geo", name="airports_stamp", body=("",))
    log = QualifiedName("geo", "airports_attribute_log")
    with_the_past = dropping(
        "website",
        tables=("airports", "airports_history"),
        also=(
            ReplaceFunction(function.id, function, function),
            DropLoggedAttribute(ObjectId("table", log.schema, log.name), log, "website"),
        ),
    )
    assert "the column keeps its data" in record.meanwhile(with_the_past, is_exposed=True), "it is one column"
    view = View(schema_name="api", name="airports", base_schema="geo", base_name="airports", columns=())
    assert record.meanwhile(dropping("website", also=(DropView(view.id, view),)), is_exposed=True) == ""


def needs_nothing(_: PlannedGroup) -> frozenset[ObjectId]:
    return frozenset()


def names(migrations: Iterable[PlannedMigration]) -> list[list[str]]:
    return [[claimant.name for claimant in migration.claimants] for migration in migrations]


def test_what_failed_before_does_not_fail_the_others_again() -> None:
    plans = [migration("a", "bad", "c"), migration("d", "e")]
    assert set_apart(plans, (), needs_nothing) == tuple(plans)
    failed = {migration("bad").plan_hash}
    assert names(set_apart(plans, failed, needs_nothing)) == [["a", "c"], ["d", "e"], ["bad"]]
    assert names(set_apart([migration("bad")], failed, needs_nothing)) == [["bad"]]


def test_what_needs_something_that_failed_comes_after_it() -> None:
    needs = {"child": {ObjectId("view", "api", "bad")}, "grandchild": {ObjectId("view", "api", "child")}}
    found = set_apart(
        [migration("bad", "a", "child"), migration("b", "grandchild")],
        {migration("bad").plan_hash},
        lambda group: frozenset(needs.get(group.claimants[0].name, ())),
    )
    assert names(found) == [["a"], ["b"], ["bad"], ["child"], ["grandchild"]]


def test_a_refusal_says_the_same_however_often_it_is_tried() -> None:
    tenth, hundredth = (outcome_of_error(LockTimeoutError("x"), count, has_failed_before=False) for count in (10, 100))
    assert tenth == hundredth


def test_long_sql_is_shortened_and_says_so() -> None:
    assert isinstance(WAREHOUSE, Database)
    plan = migration(*(f"a-rather-long-name-of-a-dimension-{number}" for number in range(4000)))
    manifest = record.render_migration(WAREHOUSE, plan, "warehouse-1")
    assert len(manifest["spec"]["sql"].encode()) == 262_144
    assert "shortened" in manifest["spec"]["sql"][-80:]
    assert (len(manifest["spec"]["operations"]), manifest["spec"]["operationCount"]) == (1000, 4000)
    assert len(manifest["spec"]["subjects"]) == 2000
    assert isinstance(load_resource(manifest), Migration)


def test_an_applied_plan_tells_how_long_it_took() -> None:
    start = datetime(2026, 6, 1, 12, 0, 0, 0, UTC)
    applied = Applied(revision="abc", started_at=start, finished_at=start.replace(microsecond=250_000), statements=1)
    assert record.applied_status(migration("airports"), applied) | {"message": ""} == {
        "phase": "Applied",
        "revision": "abc",
        "startedAt": "2026-06-01T12:00:00Z",
        "finishedAt": "2026-06-01T12:00:00Z",
        "durationMilliseconds": 250,
        "message": "",
    }


def test_the_newest_finished_objects_are_kept() -> None:
    def finished(name: str, day: int, phase: str) -> dict[str, Any]:
        return {
            "metadata": {"name": name, "creationTimestamp": f"2026-06-0{day}T00:00:00Z"},
            "status": {"phase": phase},
        }

    objects = [
        finished("old", 1, "Applied"),
        finished("new", 3, "Failed"),
        finished("middle", 2, "Superseded"),
        finished("open", 1, "ApprovalPending"),
    ]
    assert [item["metadata"]["name"] for item in record.superfluous(objects, 2)] == ["old"]


def gone(*names: str) -> list[Claimant]:
    return [Claimant("Dimension", "geo", name) for name in names]


def test_a_few_deletions_go_on() -> None:
    plan = migration("a", "b", "c", "d")
    assert hold_releases([plan], gone("a", "b", "c"), 4) == ([plan], [])


def test_a_fifth_of_many_goes_on() -> None:
    names = [f"d{number}" for number in range(20)]
    plan = migration(*names)
    assert hold_releases([plan], gone(*names), 100) == ([plan], [])


def test_more_are_held_as_one_plan_and_the_rest_goes_on() -> None:
    plan = migration("a", "b", "c", "d", "stays")
    go, held = hold_releases([plan], gone("a", "b", "c", "d"), 5)
    assert [migration.claimants for migration in go] == [tuple(gone("stays"))]
    assert [migration.claimants for migration in held] == [tuple(gone("a", "b", "c", "d"))]
