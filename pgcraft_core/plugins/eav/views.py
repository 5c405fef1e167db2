"""The views that show attributes as rows: those that stand, and every one that ever stood."""

from __future__ import annotations

from collections.abc import Sequence

from pgcraft_core.plugins.eav.bookkeeping import OPEN_COLUMN
from pgcraft_core.plugins.eav.canonical_text import text_of
from pgcraft_core.plugins.eav.log_table import LOG
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.table import Column
from pgcraft_core.schema.view import View, ViewColumn
from pgcraft_core.sql.identifiers import quote_identifier
from pgcraft_core.sql.literals import quote_literal

ATTRIBUTES = "attributes"
ATTRIBUTE_HISTORY = "attribute_history"

_VALUE = (
    ViewColumn(name="attribute", comment="Name of the attribute"),
    ViewColumn(name="value", comment="Its value as text"),
)
_PERIOD = (
    ViewColumn(name="valid_from", comment="Since when it had the value"),
    ViewColumn(name="valid_to", comment="Until when it had the value; empty while it stands"),
    ViewColumn(name="changed_by", comment="Who gave it the value"),
    ViewColumn(name="changed_via", comment="Through which database user"),
    ViewColumn(name="closed_by", comment="Who took the value away; empty while it stands"),
    ViewColumn(name="closed_via", comment="Through which database user"),
)


def attributes_view(subject: Subject, key: tuple[Column, ...], attributes: Sequence[Column], *, is_open: bool) -> View:
    """Return the view of the attributes that have a value, one a row."""
    return View(
        schema_name=subject.schema,
        name=subject.derived(ATTRIBUTES),
        base_schema=subject.schema,
        base_name=subject.table,
        columns=(*_key_columns(key), *_VALUE),
        query=f"""\
SELECT {_key(subject, "entity")}, held.attribute, held.value
FROM {subject.sql()} AS entity
CROSS JOIN LATERAL {_held(subject, attributes, is_open=is_open)}
WHERE held.value IS NOT NULL""",
        comment=f"Attributes of {subject.name} that have a value, one a row",
    )


def attribute_history_view(
    subject: Subject, key: tuple[Column, ...], attributes: Sequence[Column], *, is_open: bool
) -> View:
    """Return the view of all values that attributes ever had, one a row.

    A column that is no longer declared leaves it, as it leaves all other views, until its removal is approved or it is
    declared again. What was logged as undeclared stays.
    """
    names = ", ".join(quote_literal(column.name) for column in attributes)
    declared = f"log.attribute = ANY (ARRAY[{names}]::text[])"
    if is_open:
        logged, shown = (
            f"CASE WHEN log.open THEN {_json_text('log.value::jsonb')} ELSE log.value END",
            f"(log.open OR {declared})",
        )
    else:
        logged, shown = "log.value", declared
    return View(
        schema_name=subject.schema,
        name=subject.derived(ATTRIBUTE_HISTORY),
        base_schema=subject.schema,
        base_name=subject.table,
        columns=(*_key_columns(key), *_VALUE, *_PERIOD),
        query=f"""\
SELECT
  {_key(subject, "entity")}, held.attribute, held.value,
  coalesce(entry.valid_to, entity.created_at) AS valid_from, NULL::timestamp with time zone AS valid_to,
  coalesce(entry.closed_by, entity.created_by) AS changed_by,
  coalesce(entry.closed_via, entity.created_via) AS changed_via,
  NULL::text AS closed_by, NULL::text AS closed_via
FROM {subject.sql()} AS entity
CROSS JOIN LATERAL {_held(subject, attributes, is_open=is_open)}
LEFT JOIN LATERAL (
  SELECT log.valid_to, log.closed_by, log.closed_via
  FROM {subject.sql(LOG)} AS log
  WHERE {subject.same_key("log", "entity")} AND log.attribute = held.attribute AND log.valid_to > entity.created_at
  ORDER BY log.valid_to DESC
  LIMIT 1
) AS entry ON true
WHERE held.value IS NOT NULL
UNION ALL
SELECT
  {_key(subject, "log")}, log.attribute, {logged},
  log.valid_from, log.valid_to, log.changed_by, log.changed_via, log.closed_by, log.closed_via
FROM {subject.sql(LOG)} AS log
WHERE log.value IS NOT NULL AND {shown}""",
        comment=f"Values that attributes of {subject.name} have and had, one a row",
    )


def _held(subject: Subject, attributes: Sequence[Column], *, is_open: bool) -> str:
    """Return the values of a row of the table, as a table expression called `held`.

    Its first row gives types, and the collation, for columns may have several. What the open column still holds of a
    declared attribute is its value until it is moved.
    """
    rows = ['(NULL::text, NULL::text COLLATE pg_catalog."default")']
    rows += [f"({quote_literal(column.name)}, {text_of(column, 'entity', subject)})" for column in attributes]
    listed = ",\n  ".join(rows)
    if not is_open:
        return f"(VALUES\n  {listed}\n) AS held (attribute, value)"
    return f"""(
  SELECT declared.attribute, declared.value FROM (VALUES
  {listed}
  ) AS declared (attribute, value)
  WHERE NOT entity.{OPEN_COLUMN} ? declared.attribute
  UNION ALL
  SELECT given.key, {_json_text("given.value")} FROM jsonb_each(entity.{OPEN_COLUMN}) AS given
) AS held (attribute, value)"""


def _json_text(value: str) -> str:
    """Return the text of a JSON value as SQL: of a string what it says, of null the word."""
    return f"coalesce({value} #>> '{{}}', 'null')"


def _key(subject: Subject, row: str) -> str:
    return ", ".join(f"{row}.{quote_identifier(column)}" for column in subject.key)


def _key_columns(key: tuple[Column, ...]) -> tuple[ViewColumn, ...]:
    return tuple(ViewColumn(name=column.name, comment=column.comment) for column in key)
