"""What drafting gives, and what it looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.registry import Registry, RegistryEntry
from pgcraft_core.plan.model import RegistryChange
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.role import Role, SchemaGrant
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.schema.view import View

_Object = TypeVar("_Object", Table, View, Function, Role, SchemaGrant)


@dataclass(frozen=True, slots=True)
class Draft:
    """What one resource needs done, in no order yet; `needs` are objects that must be there before.

    A removal is a draft of its own, which always waits for approval.
    """

    claimant: Claimant
    operations: tuple[Operation, ...]
    changes: tuple[RegistryChange, ...]
    needs: frozenset[ObjectId] = frozenset()
    removal: bool = False


@dataclass(frozen=True)
class DraftContext:
    """What drafting looks at beside the unit itself."""

    catalog: Catalog
    registry: Registry
    owner_id: str
    owner_role: str
    database: Claimant
    namespaces: frozenset[str] | None = None

    @cached_property
    def own_entries(self) -> Mapping[Claimant, Sequence[RegistryEntry]]:
        """What the registry holds for each resource of this Database."""
        held: dict[Claimant, list[RegistryEntry]] = {}
        for entry in self.registry.entries.values():
            if entry.owner_id == self.owner_id:
                held.setdefault(entry.claimant, []).append(entry)
        return held


def applied_object(item: AnyObject, context: DraftContext, type_: type[_Object]) -> _Object | None:
    """Return an object as the registry says it was applied, or None."""
    entry = context.registry.entries.get(item.id)
    return entry.object if entry is not None and isinstance(entry.object, type_) else None
