"""The ownership registry: every object pgcraft made, for whom, from what definition, and how Postgres rendered it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.unit import Claimant

EntryState = Literal["managed", "released"]
"""`released`: its resource is gone, the data stays; a resource of the same name takes it back."""


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One object we own.

    `object` is the definition as last applied, `rendering` what `Catalog.rendering` gave right after.
    """

    id: ObjectId
    owner_id: str
    claimant: Claimant
    state: EntryState
    object: AnyObject
    fingerprint: str
    rendering: Mapping[str, Any] | None
    revision: str


@dataclass(frozen=True, slots=True)
class Registry:
    """All entries of a database, and the revision its schema is at (None before the first)."""

    entries: Mapping[ObjectId, RegistryEntry] = field(default_factory=dict)
    revision: str | None = None
    installed: bool = False

    def objects_by_claimant(self, owner_id: str) -> Mapping[Claimant, tuple[ObjectId, ...]]:
        """Return what each resource of a Database has in it, released objects left out."""
        held: dict[Claimant, list[ObjectId]] = {}
        for entry in self.entries.values():
            if entry.owner_id == owner_id and entry.state == "managed":
                held.setdefault(entry.claimant, []).append(entry.id)
        return {claimant: tuple(sorted(objects)) for claimant, objects in held.items()}

    def revisions_by_claimant(self, owner_id: str) -> Mapping[Claimant, str]:
        """Return the revision each resource's main object (its table, where it has one) was last changed at.

        Of several tables the main one has the shortest name, which those of its past begin with.
        """
        found: dict[Claimant, RegistryEntry] = {}
        for entry in self.entries.values():
            if entry.owner_id == owner_id:
                found[entry.claimant] = min(entry, found.get(entry.claimant, entry), key=_rank)
        return {claimant: entry.revision for claimant, entry in found.items()}


def _rank(entry: RegistryEntry) -> tuple[bool, int, ObjectId]:
    return entry.id.kind != "table", len(entry.id.name), entry.id
