"""Attributes written into the open column though they are declared go into their columns."""

from __future__ import annotations

from pgcraft_core.plugins.eav.attribute_sql import each_attribute
from pgcraft_core.plugins.eav.bookkeeping import BOOKKEEPING, OPEN_COLUMN
from pgcraft_core.plugins.eav.open_changes import attribute_names
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Trigger
from pgcraft_core.sql.identifiers import MAX_IDENTIFIER_BYTES
from pgcraft_core.sql.literals import quote_literal


def moving(subject: Subject, declared: tuple[str, ...], generated: tuple[str, ...]) -> tuple[Function, Trigger]:
    """Return what moves declared attributes out of the open column, and the trigger that fires it where it holds any.

    `declared` are the attributes that are logged, `generated` those that Postgres computes. What a statement itself
    writes into the open column moves at once. What stood there before waits for the migration that moves it, so that no
    value which does not fit keeps its row from being written; and who sets the column has the last word.
    """
    name = subject.derived("move_attributes")
    refusal = f"%s is a column of {subject.name} that takes no value from {OPEN_COLUMN}"
    too_long = f"an attribute of {subject.name} has a name of at most {MAX_IDENTIFIER_BYTES} bytes, not %s…"
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
            attribute_names(subject),
            f""";
  held pg_catalog.jsonb := '{{}}';
  assigned pg_catalog.text[] := '{{}}';
  moved pg_catalog.jsonb;
  refused pg_catalog.text;
BEGIN
  IF jsonb_typeof(NEW.{OPEN_COLUMN}) IS DISTINCT FROM 'object' THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    held := OLD.{OPEN_COLUMN};
  END IF;
  IF NEW.{OPEN_COLUMN} <> held THEN
    -- Such a name could never be declared, and would not fit into the index of the log.
    SELECT key INTO refused
    FROM jsonb_object_keys(NEW.{OPEN_COLUMN}) AS key
    WHERE octet_length(key) > {MAX_IDENTIFIER_BYTES} AND NOT held ? key
    LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION USING
        ERRCODE = 'name_too_long',
        MESSAGE = format({quote_literal(too_long)}, left(refused, 40)),
        HINT = 'Name the attribute shorter.';
    END IF;
  END IF;
  IF NOT NEW.{OPEN_COLUMN} ?| (reserved || columns) THEN
    RETURN NEW;
  END IF;
  -- A column that is no longer declared, but still there, is not filled: it waits for its removal.
  SELECT given.key INTO refused
  FROM jsonb_each(NEW.{OPEN_COLUMN}) AS given
  WHERE given.key = ANY (reserved || columns) AND given.key <> ALL (declared)
    AND given.value IS DISTINCT FROM held -> given.key
  ORDER BY given.key
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING
      ERRCODE = 'invalid_parameter_value',
      MESSAGE = format({quote_literal(refusal)}, refused),
      HINT = 'Name the attribute otherwise.';
  END IF;
  IF TG_OP = 'UPDATE' THEN
    assigned := array_remove(ARRAY[""",
            each_attribute(
                subject,
                "\n      CASE WHEN record_image_ne(ROW(NEW.{name}), ROW(OLD.{name})) THEN {literal} END",
                ",",
            ),
            f"""
    ]::pg_catalog.text[], NULL);
    -- Only a migration sends statements as the owner role; foreign keys act as that within a trigger.
    IF current_user = {quote_literal(subject.owner)} AND pg_trigger_depth() = 1 THEN
      held := '{{}}';
    END IF;
  END IF;
  SELECT jsonb_object_agg(given.key, given.value) INTO moved
  FROM jsonb_each(NEW.{OPEN_COLUMN}) AS given
  WHERE given.key = ANY (declared) AND given.key <> ALL (assigned) AND given.value IS DISTINCT FROM held -> given.key;
  IF moved IS NOT NULL THEN
    NEW := jsonb_populate_record(NEW, moved);
    assigned := assigned || ARRAY(SELECT jsonb_object_keys(moved));
  END IF;
  NEW.{OPEN_COLUMN} := NEW.{OPEN_COLUMN} - assigned;
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
