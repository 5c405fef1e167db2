"""What a database actually holds, as immutable values read in bulk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pgcraft_core.schema.base import QualifiedName

ConstraintType = Literal["p", "u", "c", "f", "x", "n"]
"""`pg_constraint.contype`: primary key, unique, check, foreign key, exclusion, not null (a row of its own from 18)."""


@dataclass(frozen=True, slots=True, order=True)
class AccessGrant:
    """One privilege of one grantee (`PUBLIC` for everyone); `column` is empty for the whole object."""

    grantee: str
    privilege: str
    column: str = ""
    grantable: bool = False


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """A column as Postgres renders it (`format_type`, `pg_get_expr`).

    `generated` is the expression of a generated column, stored unless `virtual`; `collation` is named only where it is
    not the type's own.
    """

    name: str
    type: str
    nullable: bool
    default: str | None
    identity: bool
    generated: str | None
    comment: str | None
    virtual: bool = False
    collation: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogConstraint:
    """A constraint as `pg_get_constraintdef` renders it."""

    name: str
    type: ConstraintType
    definition: str
    validated: bool
    comment: str | None


@dataclass(frozen=True, slots=True)
class CatalogIndex:
    """An index that is no constraint's, as `pg_get_indexdef` renders it."""

    name: str
    definition: str
    valid: bool
    comment: str | None


@dataclass(frozen=True, slots=True)
class CatalogTrigger:
    """A trigger that is no constraint's, as `pg_get_triggerdef` renders it; `enabled` is `pg_trigger.tgenabled`."""

    name: str
    definition: str
    enabled: str
    comment: str | None


@dataclass(frozen=True, slots=True)
class CatalogPartition:
    """A table that is attached to another as a partition, with its bounds as `pg_get_expr` renders them.

    `triggers` are those of its own, without the ones it has from that table.
    """

    name: str
    bounds: str
    triggers: tuple[CatalogTrigger, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """A table.

    `rows` is the planner's estimate (-1 where never analysed), `size` the bytes of its heap when last vacuumed or
    analysed: both are read without touching the table. `options` are its reloptions, sorted. Its partitions are
    tables of their own besides.
    """

    oid: int
    schema: str
    name: str
    kind: str
    owner: str
    rows: float
    size: int
    comment: str | None
    row_security: bool
    columns: tuple[CatalogColumn, ...] = ()
    constraints: tuple[CatalogConstraint, ...] = ()
    indexes: tuple[CatalogIndex, ...] = ()
    grants: tuple[AccessGrant, ...] = ()
    triggers: tuple[CatalogTrigger, ...] = ()
    options: tuple[str, ...] = ()
    partitions: tuple[CatalogPartition, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogView:
    """A view as `pg_get_viewdef` renders it; `options` are its reloptions, sorted."""

    oid: int
    schema: str
    name: str
    owner: str
    definition: str
    options: tuple[str, ...]
    comment: str | None
    columns: tuple[CatalogColumn, ...] = ()
    grants: tuple[AccessGrant, ...] = ()
    triggers: tuple[CatalogTrigger, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogFunction:
    """One function, procedure or aggregate of a name, which several of other `arguments` may share.

    `arguments` identify it (`pg_get_function_identity_arguments`), `definition` is as `pg_get_functiondef` renders it,
    None for an aggregate. `grants` are those in effect: where nobody ever granted or revoked, PUBLIC has EXECUTE.
    """

    oid: int
    schema: str
    name: str
    owner: str
    arguments: str
    definition: str | None
    comment: str | None
    grants: tuple[AccessGrant, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogSchema:
    """A schema, its owner and who may use it."""

    name: str
    owner: str
    grants: tuple[AccessGrant, ...] = ()

    def may_create(self, role: str) -> bool:
        """Whether a role may make objects here, as owner or by its own grants; memberships are not followed."""
        held = {grant.privilege for grant in self.grants if grant.grantee in {role, "PUBLIC"}}
        return self.owner == role or {"USAGE", "CREATE"} <= held


@dataclass(frozen=True, slots=True)
class CatalogRole:
    """A role of the server; `member_of` are the roles it may become or inherit from."""

    name: str
    login: bool
    inherit: bool
    superuser: bool
    create_role: bool
    comment: str | None
    member_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalog:
    """One consistent reading of a database, restricted to the schemas and roles asked for.

    `relations` names every relation of those schemas by kind letter (`pg_class.relkind`), also those that are neither
    table nor view; `functions` holds all functions of a name. `dependants` names the views, materialised views and
    tables with rules, of any schema, that select from a relation of those schemas; `row_functions` the functions that
    take or return its rows or name it in a body Postgres has parsed; `callers` the relations (by a view, trigger,
    default, constraint, index or policy of theirs) and functions that call a function of those schemas.
    """

    server_version: int
    database: str
    login: str
    superuser: bool
    schemas: Mapping[str, CatalogSchema] = field(default_factory=dict)
    roles: Mapping[str, CatalogRole] = field(default_factory=dict)
    tables: Mapping[QualifiedName, CatalogTable] = field(default_factory=dict)
    views: Mapping[QualifiedName, CatalogView] = field(default_factory=dict)
    relations: Mapping[QualifiedName, str] = field(default_factory=dict)
    functions: Mapping[QualifiedName, tuple[CatalogFunction, ...]] = field(default_factory=dict)
    dependants: Mapping[QualifiedName, tuple[QualifiedName, ...]] = field(default_factory=dict)
    row_functions: Mapping[QualifiedName, tuple[QualifiedName, ...]] = field(default_factory=dict)
    callers: Mapping[QualifiedName, tuple[QualifiedName, ...]] = field(default_factory=dict)

    def holds_column(self, table: QualifiedName, column: str) -> bool:
        """Whether a table has a column of that name."""
        found = self.tables.get(table)
        return found is not None and any(item.name == column for item in found.columns)
