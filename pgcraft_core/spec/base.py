"""The parts every resource shares: metadata, references to other objects, names and their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pgcraft_core.spec.annotations import Rule, SetList, add_rules

GROUP = "pgcraft.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f]*$"
NO_NUL = r"^[^\x00]*$"
OBJECT_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

NAME_FITS_POSTGRES = Rule(
    "bytes(self).size() <= 63",
    "Postgres names hold at most 63 bytes in UTF-8; shorten it.",
    lambda name: len(name.encode()) <= 63,
)
SCHEMA_IS_NOT_RESERVED = Rule(
    "!self.startsWith('pg_') && !(self in ['information_schema', 'pgcraft'])",
    "The schemas pg_*, information_schema and pgcraft are reserved; name another schema.",
    lambda name: not name.startswith("pg_") and name not in {"information_schema", "pgcraft"},
)
ROLE_IS_NOT_RESERVED = Rule(
    "!self.startsWith('pg_') && !(self in ['public', 'none'])",
    "The roles public, none and pg_* are reserved by Postgres; name another role.",
    lambda name: not name.startswith("pg_") and name not in {"public", "none"},
)
COLUMN_IS_NOT_RESERVED = Rule(
    "!(self in ['ctid', 'xmin', 'cmin', 'xmax', 'cmax', 'tableoid'])",
    "The columns ctid, xmin, cmin, xmax, cmax and tableoid belong to Postgres; name the column otherwise.",
    lambda name: name not in {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"},
)

PostgresName = Annotated[str, Field(min_length=1, max_length=63, pattern=NO_CONTROL_CHARACTERS), NAME_FITS_POSTGRES]
"""A Postgres identifier, unquoted: any characters but control characters, at most 63 bytes."""

SchemaName = Annotated[PostgresName, SCHEMA_IS_NOT_RESERVED]
RoleName = Annotated[PostgresName, ROLE_IS_NOT_RESERVED]
ColumnName = Annotated[PostgresName, COLUMN_IS_NOT_RESERVED]
ColumnNames = Annotated[tuple[PostgresName, ...], Field(min_length=1, max_length=32), SetList()]

KubernetesName = Annotated[str, Field(min_length=1, max_length=253, pattern=OBJECT_NAME)]
NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_NAME)]
Expression = Annotated[str, Field(min_length=1, max_length=4096, pattern=NO_NUL)]
Comment = Annotated[str, Field(max_length=4096, pattern=NO_NUL)]
Timestamp = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]


class SpecModel(BaseModel):
    """Base of every declared object: camelCase outside, closed against unknown fields, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True
    )
    rules: ClassVar[tuple[Rule, ...]] = ()
    """What must hold across the fields."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return add_rules(handler.resolve_ref_schema(handler(core_schema)), cls.rules)


class Metadata(BaseModel):
    """The parts of Kubernetes object metadata that pgcraft reads."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="ignore", frozen=True)

    name: KubernetesName
    namespace: NamespaceName = "default"
    uid: str = ""
    generation: int = 1
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    annotations: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    resource_version: str = ""


@dataclass(frozen=True, slots=True, order=True)
class ResourceKey:
    """Identifies a resource within its cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`Dimension team-geo/airports`, the form used in messages."""
        return f"{self.kind} {self.namespace}/{self.name}"


class Resource(BaseModel):
    """A custom resource as read from the API server or from a manifest; status is not modelled here but kept raw."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="ignore", frozen=True)
    rules: ClassVar[tuple[Rule, ...]] = ()
    """What must hold across spec, metadata.name and status."""

    api_version: Literal["pgcraft.io/v1alpha1"]
    kind: str
    metadata: Metadata
    spec: SpecModel
    status: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> ResourceKey:
        """Kind, namespace and name, which identify the resource within its cluster."""
        return ResourceKey(self.kind, self.metadata.namespace, self.metadata.name)


DATABASE_NEVER_CHANGES = Rule(
    "self == oldSelf",
    "databaseRef never changes: make a new resource for the other database, and delete this one.",
    holds=None,
    reason="FieldValueForbidden",
)


class DatabaseReference(SpecModel):
    """The Database a resource belongs to."""

    name: KubernetesName = Field(description="Name of the Database.")
    namespace: NamespaceName | None = Field(
        None, description="Namespace of the Database; the resource's own namespace where absent."
    )


class SecretKeyReference(SpecModel):
    """One key of a Secret in the resource's own namespace."""

    name: KubernetesName = Field(description="Name of the Secret.")
    key: Annotated[str, Field(min_length=1, max_length=253)] = Field(description="Key within the Secret.")
