"""What a table holds at planning time: the evidence beside a hazard."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.session import fetch
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.sql.identifiers import qualify, quote_identifier

_SIZES = """
SELECT n.nspname, c.relname, c.reltuples::bigint, pg_total_relation_size(c.oid)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN unnest(%(schemas)s::text[], %(names)s::text[]) AS asked (schema, name)
    ON asked.schema = n.nspname AND asked.name = c.relname
 WHERE c.relkind IN ('r', 'p')
"""

_ESTIMATES = """
SELECT asked.name, greatest(c.reltuples, 1) * (1 - coalesce(s.null_frac, 0))
  FROM unnest(%(columns)s::text[]) AS asked (name)
 CROSS JOIN pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = asked.name
 WHERE n.nspname = %(schema)s AND c.relname = %(name)s
"""

_EXISTENCE_CHECKS_PER_QUERY = 200


@dataclass(frozen=True, slots=True)
class TableEvidence:
    """Whether a table holds any row (exact), the planner's estimate of how many (-1: never analysed), and its bytes.

    `size` counts the heap, its indexes and its TOAST table.
    """

    empty: bool
    rows: int
    size: int


def read_evidence(connection: Connection, tables: Collection[QualifiedName]) -> Mapping[QualifiedName, TableEvidence]:
    """Return the evidence of each of these tables that exists; the login needs SELECT on them.

    Raises:
        sqlalchemy.exc.DBAPIError: a table may not be read, or is locked for longer than the session waits.
    """
    parameters = {"schemas": [table.schema for table in tables], "names": [table.name for table in tables]}
    sizes = {QualifiedName(row[0], row[1]): row[2:] for row in fetch(connection, _SIZES, parameters)}
    filled = _filled(connection, sorted(sizes))
    return {
        table: TableEvidence(empty=not filled[table], rows=max(rows, -1), size=size)
        for table, (rows, size) in sizes.items()
    }


def count_non_null(connection: Connection, table: QualifiedName, columns: Sequence[str]) -> Mapping[str, int]:
    """Return how many rows hold a value in each column, exactly: one scan of the whole table.

    Raises:
        sqlalchemy.exc.DBAPIError: table or column does not exist, or may not be read.
    """
    if not columns:
        return {}
    counts = ", ".join(f"count({quote_identifier(column)})" for column in columns)
    row = fetch(connection, f"SELECT {counts} FROM {qualify(table.schema, table.name)}")[0]
    return dict(zip(columns, row, strict=True))


def estimate_non_null(connection: Connection, table: QualifiedName, columns: Sequence[str]) -> Mapping[str, int]:
    """Return about how many rows hold a value in each column, from the planner's statistics, without reading a row.

    A column that was never analysed counts as filled in every row, which errs towards caution.
    """
    parameters = {"schema": table.schema, "name": table.name, "columns": list(columns)}
    return {column: round(rows) for column, rows in fetch(connection, _ESTIMATES, parameters)}


def _filled(connection: Connection, tables: Sequence[QualifiedName]) -> dict[QualifiedName, bool]:
    """Return which tables hold a row. A query locks all tables it names, so each names a bounded number."""
    filled: dict[QualifiedName, bool] = {}
    for start in range(0, len(tables), _EXISTENCE_CHECKS_PER_QUERY):
        group = tables[start : start + _EXISTENCE_CHECKS_PER_QUERY]
        checks = ", ".join(f"EXISTS (SELECT FROM {qualify(table.schema, table.name)})" for table in group)
        filled.update(zip(group, fetch(connection, f"SELECT ARRAY[{checks}]")[0][0], strict=True))
    return filled
