"""The rows as they were at an instant."""

from __future__ import annotations

from pgcraft_core.plugins.append_only.versions import VERSIONS, closed_versions, standing_versions
from pgcraft_core.plugins.history.stamp import TIME_TYPE
from pgcraft_core.schema.function import Argument, Function
from pgcraft_core.schema.table import Table
from pgcraft_core.sql.identifiers import named, qualify, quote_identifier

AS_OF = "as_of"


def as_of(table: Table, schema: str, name: str, columns: tuple[str, ...] | None) -> Function:
    """Return `name_as_of(at)`: versions of the table, or rows of the relation `name` where it has just these `columns`.

    It is plain SELECTs, which Postgres puts in the place of the call, so that filters reach the tables. What stands and
    what was closed are asked for apart, for one condition over both would keep Postgres from either's index. They are
    parsed in the session of whoever asks, so every operator is qualified.
    """
    versions = named(name, VERSIONS)
    function = named(name, AS_OF)
    rows_of = versions if columns is None else name
    at = f"{quote_identifier(function)}.at"
    begun, closed_later = f"valid_from OPERATOR(pg_catalog.<=) {at}", f"valid_to OPERATOR(pg_catalog.>) {at}"
    if columns is None:
        standing, closed = standing_versions(table), closed_versions(table)
    else:
        listed = ", ".join(quote_identifier(column) for column in columns)
        standing = f"SELECT {listed}\nFROM {qualify(schema, name)}"
        closed = f"SELECT {listed}\nFROM {qualify(schema, versions)}"
    return Function(
        schema_name=schema,
        name=function,
        arguments=(Argument(name="at", type=TIME_TYPE),),
        returns=f"SETOF {qualify(schema, rows_of)}",
        rows_of_schema=schema,
        rows_of_name=rows_of,
        language="sql",
        volatility="STABLE",
        body=(f"\n{standing}\nWHERE {begun}\nUNION ALL\n{closed}\nWHERE {begun} AND {closed_later}\n",),
        comment=f"The rows of {schema}.{name} as they were at an instant",
    )
