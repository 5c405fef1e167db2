"""What one resource contributes to a database, as its compilation found it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.spec.base import ResourceKey

Claimant = ResourceKey
"""The resource on whose behalf an object exists."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The objects of one resource, or the diagnostics that say why there are none.

    `schemas` and `roles` are what the objects need to exist before them; `references` are tables foreign keys point
    at. `origins` leads from an element of an object (`check:airports_sane`) to its path in the resource
    (`spec.checks[sane].expression`), so that what Postgres says of an expression reaches its author.
    """

    claimant: Claimant
    objects: tuple[AnyObject, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    schemas: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    references: frozenset[ObjectId] = frozenset()
    origins: Mapping[tuple[ObjectId, str], str] = field(default_factory=dict)
    created: str = ""
    uid: str = ""

    @property
    def needs(self) -> frozenset[ObjectId]:
        """Everything that must be there before the objects."""
        schemas = {ObjectId("schema", "", name) for name in self.schemas}
        roles = {ObjectId("role", "", name) for name in self.roles}
        return self.references | schemas | roles
