"""The keys that built-in plugins, dimension types and extensions share, and what a compilation starts with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.engine.key import CollectedKey, Key
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.table import Check, Column, ForeignKey, Index, PrimaryKey, Table, Trigger, Unique
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.schema.view import View
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension


@dataclass(frozen=True, slots=True)
class CompileContext:
    """What a resource may know of the world around it.

    `dimensions` are all of the database's, by namespace and name; `server_version` is in Postgres's own form (180006);
    `verifier_fingerprints` are the SHA-256 of the SCRAM verifier of each PostgREST's login; `today` is the
    date in UTC.
    """

    database: Database
    database_name: str
    server_version: int
    dimensions: Mapping[tuple[str, str], Dimension]
    verifier_fingerprints: Mapping[Claimant, str] = field(default_factory=dict)
    today: date = field(default_factory=lambda: datetime.now(UTC).date())


@dataclass(frozen=True, slots=True)
class Origin:
    """Leads from an element of the dimension's table (`check:airports_sane`) to its path in the resource."""

    element: str
    path: str


@dataclass(frozen=True, slots=True)
class PastFunction:
    """A query of the past, which can stand beside the table and beside the API view alike.

    `build(schema, name, columns)` returns it in a schema, for the relation `name` there and the views of the past named
    after it (`named(name, suffix)`). Where `columns` are given, rows are returned in the shape of that relation, which
    has just these columns; else in the shape of the view of the past.
    """

    suffix: str
    build: Callable[[str, str, tuple[str, ...] | None], Function]


@dataclass(frozen=True, slots=True)
class Past:
    """What a type offers of the past: views beside its table by suffix (`versions`), and queries over them."""

    views: Mapping[str, View] = field(default_factory=dict)
    functions: tuple[PastFunction, ...] = ()


# What a run starts with.
DIMENSION = Key[Dimension]("dimension")
CONTEXT = Key[CompileContext]("context")

# The parts of the dimension's table.
KEY_COLUMNS = CollectedKey[Column]("key columns")
COLUMNS = CollectedKey[Column]("columns")
PRIMARY_KEY = Key[PrimaryKey]("primary key")
UNIQUES = CollectedKey[Unique]("unique constraints")
CHECKS = CollectedKey[Check]("check constraints")
FOREIGN_KEYS = CollectedKey[ForeignKey]("foreign keys")
INDEXES = CollectedKey[Index]("indexes")
TRIGGERS = CollectedKey[Trigger]("triggers")
TABLE = Key[Table]("table")
PAST = CollectedKey[Past]("views and queries of the past")

# What a run ends with.
OBJECTS = CollectedKey[AnyObject]("objects")
SCHEMAS = CollectedKey[str]("required schemas")
ROLES = CollectedKey[str]("required roles")
REFERENCES = CollectedKey[ObjectId]("referenced tables")
ORIGINS = CollectedKey[Origin]("origins")
DIAGNOSTICS = CollectedKey[Diagnostic]("diagnostics")
