"""Functions, triggers and views upon views: in which order a plan makes, changes and withdraws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgcraft_core.catalog.registry import Registry
from pgcraft_core.plan.assemble import assemble
from pgcraft_core.plan.draft import draft_release, draft_unit
from pgcraft_core.plan.model import PlannedMigration
from pgcraft_core.schema.function import EachColumn, Function
from pgcraft_core.schema.table import Column, PrimaryKey, Table, Trigger
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View, ViewColumn
from tests.corpus.world import applied, context

CLAIMANT = Claimant("Dimension", "platform", "things")
ID = Column(name="id", type="bigint", nullable=False)
CODE, NOTE = Column(name="code", type="text"), Column(name="note", type="text")


def table(*columns: Column, **fields: Any) -> Table:
    given: dict[str, Any] = {
        "triggers": (
            Trigger(
                name="things_keep",
                timing="BEFORE",
                events=("UPDATE",),
                level="ROW",
                function_schema="geo",
                function_name="things_keep",
                when=f"OLD.{columns[0].name} IS DISTINCT FROM NEW.{columns[0].name}",
            ),
        ),
        **fields,
    }
    key = PrimaryKey(name="things_pkey", columns=(columns[0].name,))
    return Table(schema_name="geo", name="things", columns=columns, primary_key=key, **given)


KEEP = Function(
    schema_name="geo",
    name="things_keep",
    body=("BEGIN\n  RAISE 'of", EachColumn(schema_name="geo", table="things", text=" {name}"), "';\nEND"),
)


def views(*names: str) -> list[View]:
    columns = tuple(ViewColumn(name=name) for name in names)
    past = View(
        schema_name="geo",
        name="things_versions",
        base_schema="geo",
        base_name="things",
        columns=columns,
        query=f"SELECT {', '.join(names)}\nFROM geo.things",
    )
    served = View(
        schema_name="api",
        name="things_versions",
        base_schema="geo",
        base_name="things_versions",
        columns=columns,
    )
    return [served, past]


AS_OF = Function(
    schema_name="api",
    name="things_as_of",
    returns="SETOF api.things_versions",
    rows_of_schema="api",
    rows_of_name="things_versions",
    language="sql",
    volatility="STABLE",
    body=("SELECT * FROM api.things_versions",),
    executors=("reader",),
)


def unit(*columns: Column, **fields: Any) -> Unit:
    names = [column.name for column in columns]
    return Unit(CLAIMANT, objects=(AS_OF, *views(*names), KEEP, table(*columns, **fields)))


def migrations(
    unit: Unit, registry: Registry | None = None
) -> tuple[tuple[PlannedMigration, ...], tuple[PlannedMigration, ...]]:
    return assemble(draft_unit(unit, context(registry)), {}, "Never")


def steps(migration: PlannedMigration) -> list[str]:
    return [step.describe() for step in migration.steps]


def after(*units: Unit) -> Registry:
    registry = Registry()
    for item in units:
        registry = applied(migrations(item, registry)[0], registry)
    return registry


def sql_of(migration: PlannedMigration, name: str) -> Sequence[str]:
    return [text for step in migration.operations if step.name == name for text in step.operation.upgrade()]


def test_what_is_made_stands_on_what_was_made_before() -> None:
    ((migration,), _) = migrations(unit(ID, CODE))
    assert steps(migration) == [
        "create table geo.things with 2 columns",
        "create view geo.things_versions over geo.things",
        "create view api.things_versions over geo.things_versions",
        "create function geo.things_keep",
        "create function api.things_as_of",
        "create trigger things_keep on geo.things",
    ]


def test_nothing_is_to_be_done_twice() -> None:
    assert migrations(unit(ID, CODE), after(unit(ID, CODE))) == ((), ())


def test_a_function_that_is_not_public_is_nobodys_to_call_but_its_executors() -> None:
    ((migration,), _) = migrations(unit(ID, CODE))
    texts = sql_of(migration, "CreateFunction")
    assert "REVOKE ALL ON FUNCTION api.things_as_of() FROM PUBLIC" in texts
    assert "GRANT EXECUTE ON FUNCTION api.things_as_of() TO reader" in texts
    assert "REVOKE ALL ON FUNCTION geo.things_keep() FROM PUBLIC" in texts


def test_an_added_column_comes_into_functions_and_views_in_place() -> None:
    ((migration,), _) = migrations(unit(ID, CODE, NOTE), after(unit(ID, CODE)))
    assert steps(migration) == [
        "add column note (text) to geo.things",
        "add note to view geo.things_versions",
        "add note to view api.things_versions",
        "replace function geo.things_keep",
    ]
    assert "of id code note" in sql_of(migration, "ReplaceFunction")[0]


def test_a_column_no_longer_declared_stays_in_functions_until_it_is_dropped_with_them() -> None:
    registry = after(unit(ID, CODE, NOTE))
    ((migration,), (removal,)) = migrations(unit(ID, NOTE), registry)
    assert "replace function geo.things_keep" in steps(migration)  # the order of columns changed
    assert "of id note code" in sql_of(migration, "ReplaceFunction")[0]
    assert steps(removal) == ["drop column code of geo.things", "replace function geo.things_keep"]
    assert "of id note'" in sql_of(removal, "ReplaceFunction")[0]
    registry = applied([removal], applied([migration], registry))
    assert migrations(unit(ID, NOTE), registry) == ((), ())


def test_a_view_that_is_made_anew_takes_what_stands_on_it_along() -> None:
    ((migration,), _) = migrations(unit(ID, CODE.model_copy(update={"type": "varchar"})), after(unit(ID, CODE)))
    assert steps(migration) == [
        "drop function api.things_as_of",
        "drop view api.things_versions",
        "drop view geo.things_versions",
        "change column code of geo.things from text to varchar",
        "create view geo.things_versions over geo.things",
        "create view api.things_versions over geo.things_versions",
        "create function api.things_as_of",
    ]


def test_a_condition_is_taken_out_of_the_way_of_its_column() -> None:
    retyped = ID.model_copy(update={"type": "numeric"})
    ((migration,), _) = migrations(unit(retyped, CODE), after(unit(ID, CODE)))
    found = steps(migration)
    assert found.index("drop trigger things_keep of geo.things") < found.index(
        "change column id of geo.things from bigint to numeric"
    )
    assert found[-1] == "create trigger things_keep on geo.things"


def test_the_past_of_a_renamed_attribute_is_renamed_with_it() -> None:
    def logged(*columns: Column) -> Unit:
        log = Table(
            schema_name="geo",
            name="things_attribute_log",
            columns=(ID, Column(name="attribute", type="text", nullable=False), Column(name="value", type="text")),
            attributes_of="things",
        )
        return Unit(CLAIMANT, objects=(table(*columns), KEEP, log))

    registry = after(logged(ID, CODE))
    renamed = Column(name="key", type="text", renamed_from="code")
    ((migration,), _) = migrations(logged(ID, renamed), registry)
    assert sql_of(migration, "RenameLoggedAttribute")[1] == (
        "UPDATE geo.things_attribute_log SET attribute = 'key' WHERE attribute = 'code'"
    )
    (_, (removal,)) = migrations(logged(ID), registry)
    assert sql_of(removal, "DropLoggedAttribute")[1] == (
        "DELETE FROM geo.things_attribute_log WHERE attribute = 'code'"
    )


def test_a_resource_that_is_gone_leaves_its_table_with_what_keeps_its_history() -> None:
    given = context(after(unit(ID, CODE)))
    ((migration,), _) = assemble(draft_release(CLAIMANT, given, frozenset()), {}, "Never")
    found = steps(migration)
    assert found[:3] == [
        "drop function api.things_as_of",
        "drop view api.things_versions",
        "drop view geo.things_versions",
    ]
    assert "keep function geo.things_keep, which no resource declares any more" in found
    assert "keep table geo.things, which no resource declares any more" in found
    assert len(found) == 5


def test_what_was_released_is_taken_back() -> None:
    registry = after(unit(ID, CODE))
    ((released,), _) = assemble(draft_release(CLAIMANT, context(registry), frozenset()), {}, "Never")
    ((migration,), _) = migrations(unit(ID, CODE), applied([released], registry))
    assert "take function geo.things_keep as it is" in steps(migration)
