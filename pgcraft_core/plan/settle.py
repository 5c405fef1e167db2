"""Decide whose objects may be planned: who owns what, and whether what each resource needs is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.registry import Registry, RegistryEntry
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.operations.role import ownership_mark
from pgcraft_core.plan.relation_names import find_clashes
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.function import TRIGGER, Function
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.role import Role
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View


@dataclass(frozen=True, slots=True)
class Settled:
    """The units that may be planned, and for all others why not."""

    accepted: tuple[Unit, ...]
    diagnostics: Mapping[Claimant, tuple[Diagnostic, ...]]


def settle(units: Sequence[Unit], catalog: Catalog, registry: Registry, owner_id: str) -> Settled:
    """Return which units may be planned.

    An object belongs to whom the registry says, else to the oldest of the resources that declare it. A table stays with
    a resource that is gone, for its data, and so do the functions its triggers call; anything else is free for others
    then. What exists and is not in the registry is never touched. A unit waits while a role or table it needs neither
    exists nor is being made.
    """
    diagnostics: dict[Claimant, tuple[Diagnostic, ...]] = {
        unit.claimant: unit.diagnostics for unit in units if unit.diagnostics
    }
    holders = _holders(units, registry, owner_id)
    accepted: list[Unit] = []
    for unit in units:
        if unit.diagnostics:
            continue
        findings = [
            finding
            for item in unit.objects
            if (finding := _conflict(item, unit, holders, catalog, registry, owner_id)) is not None
        ]
        if findings:
            diagnostics[unit.claimant] = tuple(findings)
        else:
            accepted.append(unit)

    clashes = find_clashes(accepted, catalog, registry)
    diagnostics |= clashes
    accepted = [unit for unit in accepted if unit.claimant not in clashes]

    # Whoever has to wait takes its dependants with it, so this goes on until nobody new has to.
    while True:
        made = {item.id for unit in accepted for item in unit.objects}
        waiting = {unit.claimant: findings for unit in accepted if (findings := _missing(unit, made, catalog))}
        if not waiting:
            return Settled(tuple(accepted), diagnostics)
        diagnostics |= waiting
        accepted = [unit for unit in accepted if unit.claimant not in waiting]


def reject(units: Sequence[Unit], findings: Mapping[Claimant, Sequence[Diagnostic]]) -> tuple[Unit, ...]:
    """Return the units with further diagnostics put to those they concern."""
    return tuple(
        replace(unit, diagnostics=unit.diagnostics + tuple(findings[unit.claimant]))
        if findings.get(unit.claimant)
        else unit
        for unit in units
    )


def _holders(units: Sequence[Unit], registry: Registry, owner_id: str) -> Mapping[ObjectId, Claimant]:
    """Return who holds each declared object: as recorded, else the oldest resource that declares it."""
    holders: dict[ObjectId, Claimant] = {}
    for unit in sorted(units, key=lambda unit: (unit.created, unit.claimant)):
        for item in unit.objects:
            holders.setdefault(item.id, unit.claimant)
    alive = {unit.claimant for unit in units}
    for identity in holders:
        entry = registry.entries.get(identity)
        if entry is None or entry.owner_id != owner_id:
            continue
        if entry.claimant in alive or _stays_with_data(entry.object):
            holders[identity] = entry.claimant
    return holders


def _stays_with_data(item: AnyObject) -> bool:
    match item:
        case Table():
            return True
        case Function():
            return item.returns == TRIGGER
        case _:
            return False


def _conflict(
    item: AnyObject,
    unit: Unit,
    holders: Mapping[ObjectId, Claimant],
    catalog: Catalog,
    registry: Registry,
    owner_id: str,
) -> Diagnostic | None:
    path = _path(item, unit)
    entry = registry.entries.get(item.id)
    if entry is not None and entry.owner_id != owner_id:
        return Diagnostic(
            path,
            f"{item.id} belongs to {entry.claimant} of the Database with owner id {entry.owner_id}; "
            "choose another name",
            reason="Conflict",
        )
    holder = holders[item.id]
    if holder != unit.claimant:
        return Diagnostic(path, _held_by(item, holder, entry), reason="Conflict")
    if entry is None and _exists_unmanaged(item, catalog, owner_id):
        way_out = "set create to false to use it as it is" if isinstance(item, Role) else "choose another name"
        return Diagnostic(
            path,
            f"{item.id} exists already and was not made by pgcraft, which leaves it untouched; {way_out}",
            reason="Conflict",
        )
    return None


def _held_by(item: AnyObject, holder: Claimant, entry: RegistryEntry | None) -> str:
    if entry is not None and entry.state == "released":
        return (
            f"{item.id} keeps the data of {holder}, which was deleted; create a resource of that name again, or choose "
            "another name"
        )
    return f"{item.id} is already declared by {holder}; choose another name, or remove it there"


def _exists_unmanaged(item: AnyObject, catalog: Catalog, owner_id: str) -> bool:
    match item.id.kind:
        case "table" | "view":
            return QualifiedName(item.id.schema, item.id.name) in catalog.relations
        case "function":
            # Whatever its arguments: a name is ours alone, so that no call can mean another function than it says.
            return QualifiedName(item.id.schema, item.id.name) in catalog.functions
        case "role":
            role = catalog.roles.get(item.id.name)
            # The mark says that a Database of ours made the role, though this registry does not know it.
            return role is not None and role.comment != ownership_mark(owner_id)
        case "schema" | "schema_grant":
            return False


def _missing(unit: Unit, made: set[ObjectId], catalog: Catalog) -> tuple[Diagnostic, ...]:
    findings = [
        Diagnostic(
            "spec",
            f"role {role} does not exist; declare it in a PostgREST resource of this Database, or create it",
            reason="DependencyNotReady",
        )
        for role in sorted(unit.roles)
        if role not in catalog.roles and ObjectId("role", "", role) not in made
    ]
    findings += [
        Diagnostic("spec", f"{reference} does not exist yet; the foreign key waits for it", reason="DependencyNotReady")
        for reference in sorted(unit.references)
        if reference not in made and QualifiedName(reference.schema, reference.name) not in catalog.tables
    ]
    return tuple(findings)


def _path(item: AnyObject, unit: Unit) -> str:
    """Return what in the resource gives an object its name: views and functions are named after table or API."""
    match item.id.kind:
        case "table":
            return "spec.table"
        case "view" | "function":
            beside = {other.schema_name for other in unit.objects if isinstance(other, Table)}
            is_derived = isinstance(item, Function) or (isinstance(item, View) and item.query is not None)
            return "spec.table" if is_derived and item.id.schema in beside else "spec.api"
        case "role" | "schema_grant":
            return "spec.roles"
        case "schema":
            return "spec"
