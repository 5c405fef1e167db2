"""Tables, views and indexes of a schema share one namespace: find names that would be used twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.registry import Registry
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View


def find_clashes(
    units: Sequence[Unit], catalog: Catalog, registry: Registry
) -> Mapping[Claimant, tuple[Diagnostic, ...]]:
    """Return for each resource the names of its relations that somebody else has, or that it gives twice.

    What is applied keeps its name; among new ones the oldest resource has it.
    """
    ours = {name for entry in registry.entries.values() for name, _ in _relations(entry.object)}
    holders: dict[QualifiedName, str] = {
        name: "a relation that pgcraft did not make, and leaves untouched"
        for name in catalog.relations
        if name not in ours
    }
    clashes: dict[Claimant, list[Diagnostic]] = {}
    for unit in _in_order(units, registry):
        for item in unit.objects:
            entry = registry.entries.get(item.id)
            known = {name for name, _ in _relations(entry.object)} if entry is not None else set()
            for name, what in _relations(item):
                if name in holders and name not in known:
                    sentence = f"{what} {name} would have the name of {holders[name]}; choose another name"
                    clashes.setdefault(unit.claimant, []).append(Diagnostic("spec", sentence, reason="Conflict"))
                holders.setdefault(name, f"the {what} of {unit.claimant}")
    return {claimant: tuple(found) for claimant, found in clashes.items()}


def _in_order(units: Iterable[Unit], registry: Registry) -> list[Unit]:
    def is_new(unit: Unit) -> bool:
        return not any(item.id in registry.entries for item in unit.objects)

    return sorted(units, key=lambda unit: (is_new(unit), unit.created, unit.claimant))


def _relations(item: AnyObject) -> Iterator[tuple[QualifiedName, str]]:
    """Yield the names that an object takes in its schema: its own first, then those of its indexes."""
    match item:
        case Table():
            yield item.qualified_name, "table"
            for part in (*item.keys, *item.indexes):
                yield QualifiedName(item.schema_name, part.name), "index"
            for partition in item.partitions:
                yield partition, "partition"
        case View():
            yield item.qualified_name, "view"
        case _:
            return
