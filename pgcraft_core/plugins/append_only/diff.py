"""Which columns changed from version to version, when and by whom."""

from __future__ import annotations

from pgcraft_core.plugins.append_only.versions import VERSIONS
from pgcraft_core.plugins.history.stamp import TIME_TYPE, VERSION
from pgcraft_core.schema.function import Argument, Function
from pgcraft_core.schema.table import Column
from pgcraft_core.sql.identifiers import named, qualify, quote_identifier
from pgcraft_core.sql.literals import quote_literal

DIFF = "diff"

_CHANGES = (
    f'TABLE (changed_at {TIME_TYPE}, operation text, "column" text, old_value text, new_value text, '
    "changed_by text, changed_via text)"
)


def diff(schema: str, name: str, columns: tuple[str, ...], key: tuple[Column, ...]) -> Function:
    """Return `name_diff(entity)`: one row a value that an event gave, took or changed, of these columns.

    The first version of each life lists what it began with, a DELETE what it ended with. A key of several columns is
    given as one argument each, `entity_<column>`. The body is parsed in the session of whoever calls it: every name in
    it is qualified, and rows are named as `v.*`, which no column can be called.
    """
    function, versions = named(name, DIFF), qualify(schema, named(name, VERSIONS))
    arguments = {column.name: "entity" if len(key) == 1 else named("entity", column.name) for column in key}
    entity = " AND ".join(
        f"v.{quote_identifier(column.name)} {_equals(column)} "
        f"{quote_identifier(function)}.{quote_identifier(arguments[column.name])}"
        for column in key
    )
    values = ",\n".join(
        f"  ({position}, {quote_literal(column)}, (e.old).{quoted}::pg_catalog.text, (e.new).{quoted}::pg_catalog.text)"
        for position, column in enumerate((name for name in columns if name not in VERSION.names), start=1)
        if (quoted := quote_identifier(column))
    )
    return Function(
        schema_name=schema,
        name=function,
        arguments=tuple(Argument(name=arguments[column.name], type=column.type) for column in key),
        returns=_CHANGES,
        language="sql",
        volatility="STABLE",
        body=(
            f"""
WITH steps AS (
  SELECT v.*::{versions} AS version, pg_catalog.lag(v.*) OVER (ORDER BY v.valid_from) AS previous
  FROM {versions} AS v
  WHERE {entity}
), events AS (
  SELECT
    (version).valid_from AS happened_at, 'UPDATE' AS operation, previous AS old, version AS new,
    (version).changed_by AS actor, (version).changed_via AS via
  FROM steps
  WHERE (previous).operation OPERATOR(pg_catalog.=) 'UPDATE'
  UNION ALL
  SELECT (version).valid_from, 'INSERT', NULL, version, (version).changed_by, (version).changed_via
  FROM steps
  WHERE coalesce((previous).operation OPERATOR(pg_catalog.<>) 'UPDATE', true)
  UNION ALL
  SELECT (version).valid_to, 'DELETE', version, NULL, (version).closed_by, (version).closed_via
  FROM steps
  WHERE (version).operation OPERATOR(pg_catalog.=) 'DELETE'
)
SELECT e.happened_at, e.operation, c.name, c.old_value, c.new_value, e.actor, e.via
FROM events AS e
CROSS JOIN LATERAL (VALUES
{values}
) AS c (position, name, old_value, new_value)
WHERE pg_catalog.num_nulls(c.old_value, c.new_value) OPERATOR(pg_catalog.=) 1
  OR c.old_value OPERATOR(pg_catalog.<>) c.new_value
ORDER BY e.happened_at, e.operation, c.position
""",
        ),
        comment=f"What changed in one row of {schema}.{name}, value by value",
    )


def _equals(column: Column) -> str:
    """Return the equality of a key column; only types of Postgres itself are known to have theirs in `pg_catalog`."""
    return "=" if "." in column.type else "OPERATOR(pg_catalog.=)"
