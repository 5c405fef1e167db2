"""Schemas, roles and what roles may do with schemas."""

from __future__ import annotations

from typing import ClassVar

from pgcraft_core.schema.base import ObjectId, ObjectKind, SchemaObject


class Schema(SchemaObject):
    """A schema; shared by everything in it, so it belongs to the Database and is never withdrawn."""

    kind: ClassVar[ObjectKind] = "schema"

    name: str

    @property
    def id(self) -> ObjectId:
        """Identity within the database."""
        return ObjectId("schema", "", self.name)


class Role(SchemaObject):
    """A role of the whole server.

    `verifier_fingerprint` is the SHA-256 of the SCRAM verifier last set: the verifier itself never enters a
    definition, a script or the registry.
    """

    kind: ClassVar[ObjectKind] = "role"

    name: str
    login: bool = False
    inherit: bool = True
    member_of: tuple[str, ...] = ()
    verifier_fingerprint: str | None = None

    @property
    def id(self) -> ObjectId:
        """Identity within the server."""
        return ObjectId("role", "", self.name)


class SchemaGrant(SchemaObject):
    """USAGE of one schema for one role."""

    kind: ClassVar[ObjectKind] = "schema_grant"

    schema_name: str
    role: str

    @property
    def id(self) -> ObjectId:
        """Identity within the database; named by the role, in the schema."""
        return ObjectId("schema_grant", self.schema_name, self.role)
