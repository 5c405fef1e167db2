"""Who may have an object, and who has to wait: said before anything is planned, with the way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pgcraft_core.catalog.model import Catalog, CatalogFunction, CatalogRole, CatalogTable
from pgcraft_core.catalog.registry import Registry
from pgcraft_core.plan.dependants import hold_back
from pgcraft_core.plan.settle import Settled, settle
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.unit import Unit
from tests.corpus.world import API, applied, catalog_of, compiled, dimension, drafted, empty_catalog, planned, postgrest

CODE = {"name": "code", "type": "text"}


def settled(*units: Unit, registry: Registry | None = None, catalog: Catalog | None = None) -> Settled:
    return settle(units, catalog or empty_catalog(), registry or Registry(), "warehouse")


def reasons(found: Settled) -> dict[str, list[tuple[str, str]]]:
    return {
        claimant.name: [(item.path, item.reason) for item in items] for claimant, items in found.diagnostics.items()
    }


def sentences(found: Settled, name: str) -> list[str]:
    return [item.message for claimant, items in found.diagnostics.items() if claimant.name == name for item in items]


def claim(name: str, created: str = "", **spec: Any) -> Unit:
    (unit,) = compiled(dimension(name, CODE, **{"table": "things", **spec}))
    return replace(unit, created=created)


def test_the_older_of_two_has_the_table() -> None:
    found = settled(claim("young", "2026-02-01"), claim("old", "2026-01-01"))
    assert reasons(found) == {"young": [("spec.table", "Conflict")]}
    assert sentences(found, "young") == [
        "table geo.things is already declared by Dimension platform/old; choose another name, or remove it there"
    ]
    assert [unit.claimant.name for unit in found.accepted] == ["old"]


def test_two_namespaces_may_not_share_a_table_either() -> None:
    found = settled(claim("a", "2026-01-01"), claim("a", "2026-01-02", namespace="platform", table="things2"))
    assert not found.diagnostics
    (other,) = compiled(dimension("a", CODE, table="things", namespace="platform"))
    team = replace(other, claimant=replace(other.claimant, namespace="team"), created="2027")
    assert [claimant.namespace for claimant in settled(claim("a"), team).diagnostics] == ["team"]


def test_whoever_the_registry_holds_it_for_keeps_it() -> None:
    young = claim("young", "2026-02-01")
    registry = applied(planned([young])[0])
    assert reasons(settled(young, claim("old", "2026-01-01"), registry=registry)) == {
        "old": [("spec.table", "Conflict")]
    }


def test_a_view_is_claimed_like_a_table() -> None:
    one, other = (claim(name, name, table=name, api={**API, "name": "same"}) for name in ("a", "b"))
    assert reasons(settled(one, other)) == {"b": [("spec.api", "Conflict")]}


def test_what_another_database_resource_owns_is_out_of_reach() -> None:
    mine = claim("mine")
    registry = applied(planned([mine])[0])
    foreign = Registry({key: replace(entry, owner_id="other") for key, entry in registry.entries.items()})
    (message,) = sentences(settled(mine, registry=foreign), "mine")
    assert "belongs to Dimension platform/mine of the Database with owner id other" in message


def test_what_exists_and_is_not_in_the_registry_is_left_alone() -> None:
    catalog = empty_catalog(relations={QualifiedName("geo", "things"): "m"})
    (message,) = sentences(settled(claim("mine"), catalog=catalog), "mine")
    assert message.startswith("table geo.things exists already and was not made by pgcraft")


def with_functions(unit: Unit, *names: tuple[str, str], returns: str = "trigger") -> Unit:
    made = (Function(schema_name=schema, name=name, returns=returns, body=("",)) for schema, name in names)
    return replace(unit, objects=(*unit.objects, *made))


def test_function_of_that_name_is_left_alone_whatever_its_arguments() -> None:
    mine = with_functions(claim("mine", api=API), ("geo", "things_stamp"), ("api", "mine_as_of"))
    taken = [QualifiedName("geo", "things_stamp"), QualifiedName("api", "mine_as_of")]
    functions = {name: (CatalogFunction(1, name.schema, name.name, "o", "text", None, None),) for name in taken}
    found = settled(mine, catalog=empty_catalog(functions=functions))
    assert reasons(found) == {"mine": [("spec.table", "Conflict"), ("spec.api", "Conflict")]}
    assert sentences(found, "mine")[0] == (
        "function geo.things_stamp exists already and was not made by pgcraft, which leaves it untouched; choose "
        "another name"
    )
    registry = applied(planned([mine])[0])
    assert not settled(mine, registry=registry, catalog=empty_catalog(functions=functions)).diagnostics


def test_functions_and_relations_do_not_share_their_names() -> None:
    relations = {QualifiedName("geo", "stamp"): "r"}
    mine = with_functions(claim("mine"), ("geo", "stamp"), ("geo", "things"))
    assert not settled(mine, catalog=empty_catalog(relations=relations)).diagnostics


def test_a_function_is_claimed_by_one_resource() -> None:
    one, other = (with_functions(claim(name, name, table=name), ("geo", "same")) for name in ("a", "b"))
    assert reasons(settled(one, other)) == {"b": [("spec.table", "Conflict")]}


def test_what_keeps_the_history_of_data_stays_with_it() -> None:
    """A table outlives its resource with the functions of its triggers; a query is anybody's then."""
    gone = with_functions(claim("gone"), ("geo", "shared"))
    queried = with_functions(claim("asked", table="asked"), ("geo", "query"), returns="SETOF geo.asked")
    registry = applied(planned([gone, queried])[0])
    heirs = (with_functions(claim(name, table=name), ("geo", name)) for name in ("shared", "query"))
    found = settled(*heirs, registry=registry)
    assert reasons(found) == {"shared": [("spec.table", "Conflict")]}


def test_role_that_exists_is_used_only_with_our_mark() -> None:
    (api,) = compiled(postgrest(anonymousRole={"name": "anon"}))
    for comment, conflicts in ((None, True), ("pgcraft: other", True), ("pgcraft: warehouse", False)):
        roles = {"anon": CatalogRole("anon", False, True, False, False, comment)}
        found = settled(api, catalog=empty_catalog(roles=roles))
        assert bool(found.diagnostics) == conflicts
        if conflicts:
            assert "set create to false to use it as it is" in sentences(found, "api")[0]


def test_missing_role_is_waited_for_until_somebody_makes_it() -> None:
    (unit,) = compiled(dimension("things", CODE, api={"grants": [{"role": "anon", "privileges": ["select"]}]}))
    found = settled(unit)
    assert reasons(found) == {"things": [("spec", "DependencyNotReady")]}
    (api,) = compiled(postgrest(anonymousRole={"name": "anon"}))
    assert not settled(unit, api).diagnostics


def test_waiting_takes_everybody_along_who_needs_it_and_nobody_else() -> None:
    def link(name: str, *targets: str) -> Any:
        columns = [{"name": target, "type": "bigint", "references": {"dimension": target}} for target in targets]
        return dimension(name, CODE, *columns)

    api = {"grants": [{"role": "nobody_made_it", "privileges": ["select"]}]}
    units = compiled(
        dimension("root", CODE, api=api),
        link("a", "root", "b"),
        link("b", "a"),
        link("leaf", "b"),
        link("free", "free"),
    )
    found = settled(*units)
    assert set(reasons(found)) == {"root", "a", "b", "leaf"}
    assert {item.reason for items in found.diagnostics.values() for item in items} == {"DependencyNotReady"}
    assert [unit.claimant.name for unit in found.accepted] == ["free"]


def test_referenced_table_that_exists_is_enough() -> None:
    reference = {"table": {"schema": "legacy", "name": "t"}, "column": "id"}
    (unit,) = compiled(dimension("a", {"name": "x", "type": "int", "references": reference}))
    assert "table legacy.t does not exist yet" in sentences(settled(unit), "a")[0]
    table = CatalogTable(1, "legacy", "t", "r", "o", 0, 0, None, False)
    assert not settled(unit, catalog=empty_catalog(tables={QualifiedName("legacy", "t"): table})).diagnostics


def test_a_dimension_that_failed_keeps_what_it_has() -> None:
    unit = claim("mine")
    registry = applied(planned([unit])[0])
    broken = replace(
        unit, objects=(), diagnostics=compiled(dimension("x", {"name": "a", "type": "nope("}))[0].diagnostics
    )
    found = settled(broken, registry=registry)
    assert set(reasons(found)) == {"mine"}
    assert not found.accepted


def test_what_a_held_back_draft_would_have_made_is_waited_for() -> None:
    before, after = (
        compiled(dimension("a", *columns, api=API)) for columns in ([CODE, {"name": "n", "type": "int"}], [CODE])
    )
    registry = applied(planned(before)[0])
    view = QualifiedName("api", "a")
    catalog = replace(catalog_of(registry), dependants={view: (QualifiedName("public", "report"),)})
    moved = compiled(dimension("a", CODE, api=API), dimension("free", CODE))
    kept, findings = hold_back(drafted(moved, registry, catalog), catalog)
    assert {claimant.name: [item.reason for item in items] for claimant, items in findings.items()} == {
        "a": ["Conflict"]
    }
    assert {draft.claimant.name for draft in kept if not draft.removal} == {"free"}
    assert hold_back(drafted(after, registry), catalog_of(registry))[1] == {}
