"""Identity and canonical form, which every desired object has."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

ObjectKind = Literal["schema", "role", "table", "view", "function", "schema_grant"]


@dataclass(frozen=True, slots=True, order=True)
class ObjectId:
    """Identifies one object of a database; `schema` is empty for what lives outside schemas."""

    kind: ObjectKind
    schema: str
    name: str

    def __str__(self) -> str:
        """`table geo.airports`, the form used in messages."""
        kind = self.kind.replace("_", " ")
        return f"{kind} {self.schema}.{self.name}" if self.schema else f"{kind} {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class QualifiedName:
    """Schema and name of a relation, unquoted."""

    schema: str
    name: str

    def __str__(self) -> str:
        """`geo.airports`, for messages; SQL goes through the quoting helper."""
        return f"{self.schema}.{self.name}"


class SchemaModel(BaseModel):
    """Base of all parts of desired objects: immutable, closed, compared by value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def definition(self) -> dict[str, Any]:
        """Return the JSON form without defaults, so that a field added later does not change what was stored."""
        return self.model_dump(mode="json", exclude_defaults=True)


class SchemaObject(SchemaModel):
    """An object of its own: created, recorded in the registry, withdrawn."""

    kind: ClassVar[ObjectKind]

    @property
    def id(self) -> ObjectId:
        """Identity within the database."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Return the SHA-256 of the canonical definition, as 64 hexadecimal digits."""
        canonical = json.dumps(self.definition(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()
