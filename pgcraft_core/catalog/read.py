"""Reading a database's schemas, roles, relations and functions in a fixed number of bulk queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from pgcraft_core.catalog import queries
from pgcraft_core.catalog.model import (
    AccessGrant,
    Catalog,
    CatalogColumn,
    CatalogConstraint,
    CatalogFunction,
    CatalogIndex,
    CatalogPartition,
    CatalogRole,
    CatalogSchema,
    CatalogTable,
    CatalogTrigger,
    CatalogView,
)
from pgcraft_core.catalog.session import consistent_reading, fetch
from pgcraft_core.schema.base import QualifiedName

Row = Sequence[Any]
Part = TypeVar("Part")
_TABLE_KINDS = frozenset("rp")
_VIEW_KIND = "v"
_VIRTUAL = "v"


def read_catalog(
    connection: Connection, schemas: Collection[str], roles: Collection[str], names: Collection[str] | None = None
) -> Catalog:
    """Return what the database holds of these schemas and roles, read as one snapshot.

    Where `names` are given, relations and functions of other names are left out.

    Names that do not exist are simply absent from the result. Runs in the caller's transaction where one has begun,
    else in a read-only one of its own. Needs no privileges on the objects.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away, or a lock on a table of a view was not had in time.
    """
    with consistent_reading(connection):
        asked = {
            "schemas": sorted(schemas),
            "roles": sorted(roles),
            "names": sorted(names) if names is not None else None,
        }
        return _read(connection, asked)


def _read(connection: Connection, asked: Mapping[str, list[str] | None]) -> Catalog:
    def rows(statement: str) -> Sequence[Row]:
        return fetch(connection, statement, asked)

    version, database, login, superuser = rows(queries.SERVER)[0]
    schema_grants = _grouped(rows(queries.SCHEMA_GRANTS), lambda row: AccessGrant(*row))
    function_grants = _grouped(rows(queries.FUNCTION_GRANTS), lambda row: AccessGrant(*row))
    functions = [
        CatalogFunction(*row, grants=tuple(sorted(function_grants.get(row[0], ())))) for row in rows(queries.FUNCTIONS)
    ]
    relations = rows(queries.RELATIONS)
    parts = _Parts(
        columns=_grouped(rows(queries.COLUMNS), _column),
        constraints=_grouped(rows(queries.CONSTRAINTS), lambda row: CatalogConstraint(*row)),
        indexes=_grouped(rows(queries.INDEXES), lambda row: CatalogIndex(*row)),
        triggers=_grouped(rows(queries.TRIGGERS), lambda row: CatalogTrigger(*row)),
        grants=_grouped(rows(queries.RELATION_GRANTS), lambda row: AccessGrant(*row)),
        partitions=_grouped(rows(queries.PARTITIONS), _partition),
    )
    return Catalog(
        server_version=version,
        database=database,
        login=login,
        superuser=superuser,
        schemas={
            name: CatalogSchema(name, owner, tuple(sorted(schema_grants.get(name, ()))))
            for name, owner in rows(queries.SCHEMAS)
        },
        roles={row[0]: CatalogRole(*row[:6], member_of=tuple(row[6])) for row in rows(queries.ROLES)},
        tables={QualifiedName(row[1], row[2]): _table(row, parts) for row in relations if row[3] in _TABLE_KINDS},
        views={QualifiedName(row[1], row[2]): _view(row, parts) for row in relations if row[3] == _VIEW_KIND},
        relations={QualifiedName(row[1], row[2]): row[3] for row in relations},
        functions=_by_name(functions),
        dependants=_grouped_names(rows(queries.DEPENDANTS)),
        row_functions=_grouped_names(rows(queries.ROW_FUNCTIONS)),
        callers=_grouped_names(rows(queries.CALLERS)),
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """What belongs to relations, by the relation's OID."""

    columns: Mapping[int, tuple[CatalogColumn, ...]]
    constraints: Mapping[int, tuple[CatalogConstraint, ...]]
    indexes: Mapping[int, tuple[CatalogIndex, ...]]
    triggers: Mapping[int, tuple[CatalogTrigger, ...]]
    grants: Mapping[int, tuple[AccessGrant, ...]]
    partitions: Mapping[int, tuple[CatalogPartition, ...]]


def _table(row: Row, parts: _Parts) -> CatalogTable:
    oid, schema, name, kind, owner, estimate, size, comment, row_security, options, _ = row
    return CatalogTable(
        oid=oid,
        schema=schema,
        name=name,
        kind=kind,
        owner=owner,
        rows=estimate,
        size=size,
        comment=comment,
        row_security=row_security,
        columns=parts.columns.get(oid, ()),
        constraints=parts.constraints.get(oid, ()),
        indexes=parts.indexes.get(oid, ()),
        grants=tuple(sorted(parts.grants.get(oid, ()))),
        triggers=parts.triggers.get(oid, ()),
        options=tuple(sorted(options or ())),
        partitions=parts.partitions.get(oid, ()),
    )


def _view(row: Row, parts: _Parts) -> CatalogView:
    oid, schema, name, _, owner, _, _, comment, _, options, definition = row
    return CatalogView(
        oid=oid,
        schema=schema,
        name=name,
        owner=owner,
        definition=definition,
        options=tuple(sorted(options or ())),
        comment=comment,
        columns=parts.columns.get(oid, ()),
        grants=tuple(sorted(parts.grants.get(oid, ()))),
        triggers=parts.triggers.get(oid, ()),
    )


def _column(row: Row) -> CatalogColumn:
    name, type_name, nullable, expression, identity, generated, collation, comment = row
    default, computed = (None, expression) if generated else (expression, None)
    # By position: there are tens of thousands of these, and keywords take twice the time.
    return CatalogColumn(
        name, type_name, nullable, default, identity, computed, comment, generated == _VIRTUAL, collation
    )


def _partition(row: Row) -> CatalogPartition:
    name, bounds, triggers = row
    return CatalogPartition(name, bounds, tuple(CatalogTrigger(*trigger) for trigger in triggers or ()))


def _by_name(functions: Iterable[CatalogFunction]) -> dict[QualifiedName, tuple[CatalogFunction, ...]]:
    groups: defaultdict[QualifiedName, list[CatalogFunction]] = defaultdict(list)
    for function in functions:
        groups[QualifiedName(function.schema, function.name)].append(function)
    return {name: tuple(group) for name, group in groups.items()}


def _grouped(rows: Sequence[Row], build: Callable[[Row], Part]) -> dict[Any, tuple[Part, ...]]:
    """Return what `build` makes of each row but its first value, by that first value, in the order of the rows."""
    groups: defaultdict[Any, list[Part]] = defaultdict(list)
    for key, *rest in rows:
        groups[key].append(build(rest))
    return {key: tuple(group) for key, group in groups.items()}


def _grouped_names(rows: Sequence[Row]) -> dict[QualifiedName, tuple[QualifiedName, ...]]:
    groups: defaultdict[QualifiedName, list[QualifiedName]] = defaultdict(list)
    for schema, name, dependant_schema, dependant_name in rows:
        groups[QualifiedName(schema, name)].append(QualifiedName(dependant_schema, dependant_name))
    return {name: tuple(dependants) for name, dependants in groups.items()}
