"""Every version there is or was, as one relation."""

from __future__ import annotations

from pgcraft_core.plugins.append_only.history_table import HISTORY, VERSION_COLUMNS, declared_columns
from pgcraft_core.plugins.history.stamp import VERSION
from pgcraft_core.schema.table import Column, Table
from pgcraft_core.schema.view import View, ViewColumn
from pgcraft_core.sql.identifiers import named, qualify, quote_identifier

VERSIONS = "versions"

_COMMENTS = {
    "valid_to": "When the version was closed; empty while it stands.",
    "operation": "What closed the version: UPDATE or DELETE; empty while it stands.",
}


def versions_view(table: Table) -> View:
    """Return `name_versions`: the current table, then its history, in the same columns.

    The key comes first and the declared columns last, so that one that is added later only appends to the view.
    """
    key, declared = _parts(table)
    return View(
        schema_name=table.schema_name,
        name=named(table.name, VERSIONS),
        base_schema=table.schema_name,
        base_name=table.name,
        columns=tuple(
            ViewColumn(name=column.name, comment=_COMMENTS.get(column.name, column.comment))
            for column in (*key, *VERSION_COLUMNS, *declared)
        ),
        query=f"{standing_versions(table)}\nUNION ALL\n{closed_versions(table)}",
        comment=f"Versions of {table.qualified_name}: those that stand and those that were closed",
    )


def standing_versions(table: Table) -> str:
    """Return the query for the versions that stand, in the columns of the view."""
    versions = [
        column.name if column.name in VERSION.names else f"NULL::{_qualified(column.type)} AS {column.name}"
        for column in VERSION_COLUMNS
    ]
    return _select(table, versions, table.name)


def closed_versions(table: Table) -> str:
    """Return the query for the versions that were closed, in the columns of the view."""
    return _select(table, [column.name for column in VERSION_COLUMNS], named(table.name, HISTORY))


def _select(table: Table, versions: list[str], relation: str) -> str:
    keys, values = ([quote_identifier(column.name) for column in part] for part in _parts(table))
    columns = ",\n".join(f"  {expression}" for expression in (*keys, *versions, *values))
    return f"SELECT\n{columns}\nFROM {qualify(table.schema_name, relation)}"


def _parts(table: Table) -> tuple[list[Column], list[Column]]:
    """Return the columns of the key, and the others that are declared."""
    names = table.primary_key.columns if table.primary_key else ()
    declared = declared_columns(table)
    return [column for column in declared if column.name in names], [
        column for column in declared if column.name not in names
    ]


def _qualified(type_: str) -> str:
    """Return the type of a bookkeeping column so that no other can be meant; one of several words is known by them."""
    return type_ if " " in type_ else f"pg_catalog.{type_}"
