"""Attributes written into the open column though they are declared go into their columns."""

from __future__ import annotations

from pgcraft_core.plugins.eav.attribute_sql import each_attribute
from pgcraft_core.plugins.eav.bookkeeping import BOOKKEEPING, OPEN_COLUMN
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Trigger
from pgcraft_core.sql.literals import quote_literal


def moving(subject: Subject, declared: tuple[str, ...], generated: tuple[str, ...]) -> tuple[Function, Trigger]:
    """Return what moves declared attributes out of the open column, and the trigger that fires it where it holds any.

    `declared` are the attributes that are logged, `generated` those that Postgres computes.
    """
    name = subject.derived("move_attributes")
    refusal = f"%s is a column of {subject.name} that takes no value from {OPEN_COLUMN}"
    function = Function(
        schema_name=subject.schema,
        name=name,
        settings=(("search_path", ""),),
        body=(
            f"""
DECLARE
  declared constant pg_catalog.text[] := {_array(declared)};
  reserved constant pg_catalog.text[] := {_array((*subject.key, *BOOKKEEPING, *generated))};
  columns constant pg_catalog.text[] := """,
            each_attribute(
                subject, "{literal}", ", ", opening="ARRAY[", closing="]", empty="ARRAY[]::pg_catalog.text[]"
            ),
            f""";
  refused pg_catalog.text;
BEGIN
  IF jsonb_typeof(NEW.{OPEN_COLUMN}) IS DISTINCT FROM 'object' OR NOT NEW.{OPEN_COLUMN} ?| (reserved || columns) THEN
    RETURN NEW;
  END IF;
  -- A column that is no longer declared, but still there, is not filled: it waits for its removal.
  SELECT given.key INTO refused
  FROM jsonb_each(NEW.{OPEN_COLUMN}) AS given
  WHERE given.key = ANY (reserved || columns) AND given.key <> ALL (declared)
    AND (TG_OP = 'INSERT' OR given.value IS DISTINCT FROM OLD.{OPEN_COLUMN} -> given.key)
  ORDER BY given.key
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING
      ERRCODE = 'invalid_parameter_value',
      MESSAGE = format({quote_literal(refusal)}, refused),
      HINT = 'Name the attribute otherwise.';
  END IF;
  NEW := jsonb_populate_record(NEW, (
    SELECT jsonb_object_agg(given.key, given.value)
    FROM jsonb_each(NEW.{OPEN_COLUMN}) AS given
    WHERE given.key = ANY (declared)
  ));
  NEW.{OPEN_COLUMN} := NEW.{OPEN_COLUMN} - declared;
  RETURN NEW;
END
""",
        ),
        comment=f"Moves declared attributes of {subject.name} from {OPEN_COLUMN} into their columns",
    )
    return function, Trigger(
        name=name,
        timing="BEFORE",
        events=("INSERT", "UPDATE"),
        level="ROW",
        function_schema=subject.schema,
        function_name=name,
        when=f"NEW.{OPEN_COLUMN} <> '{{}}'::jsonb",
    )


def _array(names: tuple[str, ...]) -> str:
    return f"ARRAY[{', '.join(map(quote_literal, names))}]::pg_catalog.text[]"
