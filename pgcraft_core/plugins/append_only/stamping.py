"""What an UPDATE becomes: a version of its own if anything declared changes, else the one that stands."""

from __future__ import annotations

from pgcraft_core.plugins.history.actor import ACTOR_IN_BODY, SESSION
from pgcraft_core.plugins.history.backfill import backfill_in_body
from pgcraft_core.plugins.history.stamp import VERSION
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import EachColumn, Function
from pgcraft_core.schema.table import Trigger
from pgcraft_core.sql.identifiers import named
from pgcraft_core.sql.literals import quote_literal


def same_values(subject: Subject, left: str, right: str, indent: str = "  ") -> tuple[str | EachColumn, ...]:
    """Return the condition that two versions, by alias, have the same values, compared by their binary image.

    Every type has one, also json and point, which have no equality; and nothing changes unrecorded, not even 1.0 to
    1.00. Generated values follow the others, and are not yet known when a row is stamped.
    """
    values = [subject.each_column(f"{row}.{{name}}", besides=VERSION.names, generated=False) for row in (left, right)]
    line = f"\n{indent}"
    return f"pg_catalog.record_image_eq({line}  ROW(", values[0], f"),{line}  ROW(", values[1], f"){line})"


def stamp_trigger(subject: Subject) -> Trigger:
    """Return the trigger that stamps a row before it is updated, under its lock.

    Triggers fire by name, and this one after those that may change the row once more.
    """
    return Trigger(
        name=named(f"zzz_{subject.table}", "stamp"),
        timing="BEFORE",
        events=("UPDATE",),
        level="ROW",
        function_schema=subject.schema,
        function_name=subject.derived("stamp"),
    )


def stamp_function(subject: Subject) -> Function:
    """Return the function that decides whether there is a new version.

    It runs for every row, so it neither changes user nor search path, which would cost as much as all it does: every
    name in it is qualified instead. Nor has its trigger a condition: Postgres would read it anew for every statement.
    Sessions keep it compiled for the types its table had, and would fail on others, so its text names them.
    """
    return Function(
        schema_name=subject.schema,
        name=subject.derived("stamp"),
        body=(
            "\n-- Sessions compile it anew when a type changes, as its text does: ",
            subject.each_column("{type}", besides=VERSION.names, generated=False),
            f"""
BEGIN
  IF current_user OPERATOR(pg_catalog.=) {quote_literal(subject.owner)}
     AND {backfill_in_body()} THEN
    RETURN NEW;
  END IF;
  IF """,
            *same_values(subject, "NEW", "OLD"),
            f""" THEN
    -- The version stands, whatever the statement says; only the owner's settling of an INSERT moves its beginning.
    IF pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1
       OR current_user OPERATOR(pg_catalog.<>) {quote_literal(subject.owner)} THEN
      NEW.valid_from := OLD.valid_from;
      NEW.changed_by := OLD.changed_by;
      NEW.changed_via := OLD.changed_via;
    END IF;
    RETURN NEW;
  END IF;
  -- Versions of a row never run backwards, though clocks do.
  NEW.valid_from := greatest(
    pg_catalog.clock_timestamp(),
    OLD.valid_from OPERATOR(pg_catalog.+) interval '1 microsecond'
  );
  NEW.changed_by := {ACTOR_IN_BODY};
  NEW.changed_via := {SESSION};
  RETURN NEW;
END
""",
        ),
        comment=f"Stamps the new version of a row of {subject.name}",
    )
