"""From what a run found to what it asks of APIs and tells of each resource: everyone is judged by what is their own."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.model import Plan, PlannedGroup, PlannedMigration, RegistryChange
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Column, PrimaryKey, Table
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View, ViewColumn
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.hub import DatabaseKey
from pgcraft_operator.outcome import ApiState, Applied, Outcome, Stalled, Waiting
from pgcraft_operator.postgrest import ApiOutcome
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.details import status_details, summarize_database
from pgcraft_operator.reconcile.drift import find_database_drift
from pgcraft_operator.reconcile.expose import find_exposure, serving_state
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.inventory import Inventory, Subject
from pgcraft_operator.reconcile.settle import settle_diagnostics

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
API = Claimant("PostgREST", "geo", "api")
TAKEN = Diagnostic("spec.api", "view api.airports is already declared by Dimension geo/airports", reason="Conflict")
APPROVAL = Waiting(Reason.APPROVAL_PENDING, "waits")
FAILED = Stalled(Reason.MIGRATION_FAILED, "refused")


def claimant(name: str) -> Claimant:
    return Claimant("Dimension", "geo", name)


def view_id(name: str) -> ObjectId:
    return ObjectId("view", "api", name)


def unit(name: str, *, view: str | None = None, columns: str = "id") -> Unit:
    """Return the table `geo.NAME` and its view `api.VIEW`."""
    table = Table(
        schema_name="geo",
        name=name,
        columns=tuple(Column(name=column, type="bigint") for column in columns.split()),
        primary_key=PrimaryKey(name=f"{name}_pkey", columns=("id",)),
    )
    shown = View(
        schema_name="api",
        name=view or name,
        base_schema="geo",
        base_name=name,
        columns=tuple(ViewColumn(name=column) for column in columns.split()),
    )
    return Unit(claimant(name), objects=(table, shown))


def declared(kind: str, name: str, status: Mapping[str, Any] | None = None, **spec: Any) -> Subject[Any]:
    manifest: dict[str, Any] = {
        "apiVersion": "pgcraft.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "geo", "uid": name, "generation": 1},
        "spec": spec,
        "status": dict(status or {}),
    }
    loaded = load_resource(manifest)
    if isinstance(loaded, list):
        return Subject(manifest, None, tuple(loaded))
    assert isinstance(loaded, Database | Dimension | PostgREST)
    return Subject(manifest, loaded)


def dimension(name: str, status: Mapping[str, Any] | None = None, **spec: Any) -> Subject[Any]:
    exposed = {"databaseRef": {"name": "warehouse"}, "schema": "geo", "api": {"schema": "api"}}
    columns = [{"name": "code", "type": "text"}]
    return declared("Dimension", name, status, **{**exposed, "columns": columns, **spec})


def plan(
    applied: Mapping[Claimant, Iterable[ObjectId]],
    *,
    waiting: tuple[PlannedMigration, ...] = (),
    drift: Mapping[Claimant, tuple[str, ...]] | None = None,
    diagnostics: Mapping[Claimant, tuple[Diagnostic, ...]] | None = None,
) -> Plan:
    return Plan(
        migrations=(),
        waiting=waiting,
        diagnostics=diagnostics or {},
        drift=drift or {},
        releases=(),
        applied={holder: tuple(objects) for holder, objects in applied.items()},
        revisions={},
        server_version=180006,
        database="warehouse",
    )


def findings(*units: Unit, planned: Plan | None = None, dimensions: Iterable[Subject[Any]] = ()) -> Findings:
    """Return a run over a Database with an API; what units declare is applied, unless a plan says otherwise."""
    found = Findings(
        Inventory(
            key=DatabaseKey("geo", "warehouse"),
            database=declared("Database", "warehouse", connection={"secretRef": {"name": "app"}}),
            dimensions=tuple(dimensions) or tuple(dimension(item.claimant.name) for item in units),
            postgrests=(declared("PostgREST", "api", databaseRef={"name": "warehouse"}),),
            migrations=(),
        )
    )
    found.units = {item.claimant: item for item in units}
    found.take_plan(planned or plan({item.claimant: [part.id for part in item.objects] for item in units}))
    return found


def change(name: str, holder: str, before: str | None = None, *, gone: bool = False) -> RegistryChange:
    shown = next(item for item in unit(holder, view=name).objects if isinstance(item, View))
    return RegistryChange(shown.id, claimant(holder), None if gone else shown, before)


def waiting_for(*changes: RegistryChange) -> PlannedMigration:
    holders = tuple(item.claimant for item in changes)
    return PlannedMigration((PlannedGroup((), changes, holders),), needs_approval=True)


def test_a_view_whose_name_is_taken_is_neither_asked_for_nor_withdrawn() -> None:
    owner, late = unit("airports"), unit("late", view="airports")
    applied = {owner.claimant: [view_id("airports")]}
    found = findings(owner, late, planned=plan(applied, diagnostics={late.claimant: (TAKEN,)}))
    assert found.plan is not None
    settle_diagnostics(found, found.plan)

    exposure = find_exposure(found)
    assert [item.claimant for item in exposure.units] == [owner.claimant]
    assert [item.id for item in exposure.units[0].objects] == [view_id("airports")]
    assert exposure.standing == {}

    found.apis[API] = ApiOutcome("http://api", replicas=1, served=frozenset({view_id("airports")}))
    assert serving_state(owner.claimant, found) == ApiState(True, "PostgREST geo/api serves api.airports")
    assert serving_state(late.claimant, found) == ApiState(False, "view api.airports is not applied")


@pytest.mark.parametrize(
    "outcome",
    [
        FAILED,
        Stalled(Reason.INVALID_SPEC, "type nope does not exist"),
        Waiting(Reason.DEPENDENCY_NOT_READY, "no countries"),
        Waiting(Reason.OBSERVING, "not applied"),
    ],
)
def test_what_could_not_be_changed_stands_as_it_was_applied(outcome: Outcome) -> None:
    good, bad = unit("good"), unit("bad", view="renamed", columns="id more")
    found = findings(good, bad, planned=plan({good.claimant: [view_id("good")], bad.claimant: [view_id("bad")]}))
    found.settle(bad.claimant, outcome)
    exposure = find_exposure(found)
    assert [item.claimant for item in exposure.units] == [good.claimant]
    assert exposure.standing == {view_id("bad"): bad.claimant}


def test_a_column_that_waits_to_be_dropped_leaves_the_view_as_declared() -> None:
    airports = unit("airports")
    found = findings(airports)
    found.settle(airports.claimant, APPROVAL)
    assert find_exposure(found).units == (Unit(airports.claimant, objects=airports.objects),), (
        "the removal changes the table alone"
    )

    waiting = waiting_for(change("airports", "airports", before="x"))
    held = findings(airports, planned=plan({airports.claimant: [view_id("airports")]}, waiting=(waiting,)))
    held.settle(airports.claimant, APPROVAL)
    exposure = find_exposure(held)
    assert (exposure.units, exposure.standing) == ((), {view_id("airports"): airports.claimant})


def test_what_vanished_and_is_held_is_served_on() -> None:
    gone = claimant("gone")
    exposure = find_exposure(findings(planned=plan({gone: [view_id("gone"), ObjectId("table", "geo", "gone")]})))
    assert exposure.standing == {view_id("gone"): gone}


def test_migrations_of_the_run_count_as_applied() -> None:
    found = findings(unit("new"), planned=plan({claimant("old"): [view_id("old"), view_id("renamed")]}))
    found.note_changes(
        [
            change("new", "new"),
            change("renamed", "new", before="x"),  # taken over from another resource
            change("old", "old", before="x", gone=True),
        ]
    )
    assert found.applied == {claimant("old"): set(), claimant("new"): {view_id("new"), view_id("renamed")}}


def test_a_dimension_hears_of_its_own_faults_only() -> None:
    found = findings(unit("good"), unit("slow"), unit("bad"))
    found.apis[API] = ApiOutcome(
        "http://api",
        served=frozenset({view_id("good")}),
        shortfalls={view_id("bad"): "api.bad answers 404: it is gone"},
        waiting="api.bad answers 404: it is gone",
    )
    good, slow, bad = (serving_state(claimant(name), found) for name in ("good", "slow", "bad"))
    assert good == ApiState(True, "PostgREST geo/api serves api.good")
    assert slow == ApiState(False, "PostgREST geo/api does not serve api.slow yet")
    assert bad == ApiState(False, "PostgREST geo/api does not serve api.bad: api.bad answers 404: it is gone")


def test_what_keeps_the_whole_api_is_everybodys_matter() -> None:
    found = findings(unit("good"))
    found.apis[API] = ApiOutcome("http://api", waiting="Deployment api has 0 of 1 pods ready")
    state = serving_state(claimant("good"), found)
    assert state is not None
    assert state.message.endswith(": Deployment api has 0 of 1 pods ready")


def test_a_drifted_dimension_is_asked_for_anew() -> None:
    airports = unit("airports")
    drifted = {airports.claimant: ("view api.airports: it is gone",)}
    planned = plan({airports.claimant: [view_id("airports")]}, drift=drifted)
    assert find_exposure(findings(airports, unit("countries"), planned=planned)).doubted == {airports.claimant}


def test_where_a_role_drifted_everything_is_asked_for_anew() -> None:
    airports, countries = unit("airports"), unit("countries")
    applied = {item.claimant: [item.objects[1].id] for item in (airports, countries)}
    planned = plan(applied, drift={API: ("role anon: it is gone",)})
    assert find_exposure(findings(airports, countries, planned=planned)).doubted >= applied.keys()


def test_the_database_sums_up_drift() -> None:
    names = [f"d{number}" for number in range(5)]
    units = [unit(name) for name in names]
    applied = {item.claimant: [item.objects[0].id] for item in units}
    drift = {claimant(name): ("column a was added", "column b was added") for name in names[:4]}
    assert find_database_drift(findings(*units, planned=plan(applied))) == ()
    assert find_database_drift(findings(*units, planned=plan({}))) is None
    assert find_database_drift(findings(*units, planned=plan(applied, drift=drift))) == (
        "4 of 5 dimensions drifted: geo/d0, geo/d1, geo/d2 and 1 more",
    )
    warehouse = Claimant("Database", "geo", "warehouse")
    own = plan({**applied, warehouse: []}, drift={warehouse: ("schema geo: it is gone",)})
    assert find_database_drift(findings(*units, planned=own)) == ("schema geo: it is gone",)


def test_the_database_counts_its_dimensions_and_what_waits() -> None:
    found = findings(unit("a"), unit("b"))
    database = found.inventory.database
    assert database is not None
    found.settle(database.claimant, Applied("Connected to Postgres 18.6"))
    found.pending = 1
    assert summarize_database(found, database, {claimant("a")}) == Applied(
        "Connected to Postgres 18.6; 1 of 2 dimensions ready, 1 migration waits for approval"
    )
    details = status_details(found, database, {claimant("a"), API}, NOON)
    assert details["dimensions"] == {"total": 2, "ready": 1}

    away = findings()
    away.settle(database.claimant, Waiting(Reason.DATABASE_UNAVAILABLE, "refused"))
    assert summarize_database(away, database, set()) == Waiting(Reason.DATABASE_UNAVAILABLE, "refused")


def test_the_effective_spec_is_told_of_whatever_loads() -> None:
    bad = Unit(claimant("bad"), diagnostics=(Diagnostic("spec.checks[x]", "no"),))
    subject = dimension("bad", type="Simple", table="places", api={"schema": "api", "name": "shown"})
    found = findings(bad, dimensions=[subject])
    found.owner = "warehouse_owner"
    found.settle(bad.claimant, Stalled(Reason.INVALID_SPEC, "no"))
    expected = {
        "type": "Simple",
        "table": {"schema": "geo", "name": "places"},
        "view": {"schema": "api", "name": "shown"},
        "owner": "warehouse_owner",
    }
    assert status_details(found, subject, set(), NOON)["effective"] == expected

    # Before anything could be planned, what was known of the key stays, and what is declared is told anew.
    known = {"effective": {"table": {"schema": "geo", "name": "old"}, "primaryKey": {"strategy": "Natural"}}}
    late = dimension("late", known, api=None)
    found.plan = None
    found.owner = None
    assert status_details(found, late, set(), NOON)["effective"] == {
        "type": "Simple",
        "table": {"schema": "geo", "name": "late"},
        "primaryKey": {"strategy": "Natural"},
    }


def test_what_cannot_be_loaded_keeps_what_was_told_of_it() -> None:
    broken = dimension("broken", {"effective": {"type": "Simple"}}, columns="none")
    assert broken.resource is None
    found = findings(dimensions=[broken])
    found.settle(claimant("broken"), FAILED)
    assert status_details(found, broken, set(), NOON)["effective"] == {"type": "Simple"}


def past(name: str) -> Unit:
    """Return `unit(name)` with a history, a trigger's function, a query beside the table and one in the API."""

    def function(schema: str, suffix: str, **fields: Any) -> Function:
        return Function(schema_name=schema, name=f"{name}_{suffix}", body=("SELECT",), **fields)

    history = Table(
        schema_name="geo",
        name=f"{name}_history",
        columns=(Column(name="id", type="bigint"), Column(name="valid_to", type="timestamptz")),
        primary_key=PrimaryKey(name=f"{name}_history_pkey", columns=("id", "valid_to")),
    )
    as_of = [
        function(schema, "as_of", returns="SETOF api.airports", volatility="STABLE", language="sql")
        for schema in ("geo", "api")
    ]
    return Unit(claimant(name), objects=(history, function("geo", "stamp"), *unit(name).objects, *as_of))


def query_id(name: str) -> ObjectId:
    return ObjectId("function", "api", name)


def test_a_query_that_is_not_served_keeps_its_dimension_from_being_so() -> None:
    found = findings(past("airports"))
    found.apis[API] = ApiOutcome(
        "http://api",
        served=frozenset({view_id("airports")}),
        shortfalls={query_id("airports_as_of"): "api.airports_as_of answers 404: it is gone"},
        waiting="api.airports_as_of answers 404: it is gone",
    )
    assert serving_state(claimant("airports"), found) == ApiState(
        False, "PostgREST geo/api does not serve api.airports_as_of: api.airports_as_of answers 404: it is gone"
    )
    found.apis[API] = ApiOutcome("http://api", 1, 1, frozenset({view_id("airports"), query_id("airports_as_of")}))
    assert serving_state(claimant("airports"), found) == ApiState(
        True, "PostgREST geo/api serves api.airports; PostgREST geo/api serves api.airports_as_of"
    )


def test_of_a_query_that_may_not_be_as_declared_nothing_is_asked() -> None:
    found = findings(past("airports"))
    found.settle(claimant("airports"), FAILED)
    exposure = find_exposure(found)
    assert (exposure.units, exposure.standing) == ((), {view_id("airports"): claimant("airports")})
    found.apis[API] = ApiOutcome("http://api", 1, 1, frozenset({view_id("airports")}))
    assert serving_state(claimant("airports"), found) == ApiState(True, "PostgREST geo/api serves api.airports")


def test_a_trigger_function_that_waits_leaves_the_api_as_declared() -> None:
    airports = past("airports")
    stamp = next(item for item in airports.objects if item.id.name == "airports_stamp")
    waiting = waiting_for(RegistryChange(stamp.id, airports.claimant, stamp, "x"))
    applied = {airports.claimant: [item.id for item in airports.objects]}
    found = findings(airports, planned=plan(applied, waiting=(waiting,)))
    found.settle(airports.claimant, APPROVAL)
    assert find_exposure(found).units == (Unit(airports.claimant, objects=airports.objects),)


def test_status_tells_of_tables_views_and_queries_and_of_the_current_tables_key() -> None:
    told = [
        "table geo.airports_history",
        "table geo.airports",
        "view api.airports",
        "function geo.airports_as_of",
        "function api.airports_as_of",
    ]
    subject = dimension("airports", {"relations": told}, type="AppendOnly")
    found = findings(past("airports"), dimensions=[subject])
    found.settle(claimant("airports"), Applied("as declared"))
    details = status_details(found, subject, set(), NOON)
    assert details["relations"] == told
    assert details["effective"]["primaryKey"]["columns"] == ["id"]

    failed = findings(past("airports"), dimensions=[subject])
    failed.settle(claimant("airports"), FAILED)
    assert sorted(status_details(failed, subject, set(), NOON)["relations"]) == sorted(told)
