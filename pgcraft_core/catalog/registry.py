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
