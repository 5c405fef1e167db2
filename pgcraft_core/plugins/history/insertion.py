"""What an INSERT could not know: whether the row that had its key ended after it was stamped.

Defaults stamp a new row, for no trigger is as fast. One condition, which Postgres evaluates right after the row went in
and without calling anything, finds those that waited before that, and those with a stamp that is not of now. Postgres
reads a condition anew for every statement, which costs more than to evaluate it: it is as short as can be.
"""

from __future__ import annotations

from pgcraft_core.plugins.history.actor import ACTOR_IN_BODY, SESSION
from pgcraft_core.plugins.history.stamp import Stamp
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Trigger

PATIENCE = "interval '50 microseconds'"
"""How long a row takes at most from its default to its place in the indexes when it does not wait; a slower one can
afford a look into the past."""

DELETED_AT = f"greatest(statement_timestamp(), clock_timestamp() - {PATIENCE})"
"""When a DELETE ends its rows, for its function to ask before it writes anything.

It is so far back that whoever was stamped before it, and inserts the key again once the DELETE is committed, has waited
for longer than `PATIENCE` by then, and is settled. It is not before the statement: a row that was seen was there.
"""


def settle_trigger(subject: Subject, stamp: Stamp) -> Trigger:
    """Return the trigger that hardly ever fires."""
    return Trigger(
        name=subject.derived("settle_insert"),
        timing="AFTER",
        events=("INSERT",),
        level="ROW",
        function_schema=subject.schema,
        function_name=subject.derived("settle_insert"),
        when=f"NEW.{stamp.time} NOT BETWEEN clock_timestamp() - {PATIENCE} AND clock_timestamp() "
        f"OR NEW.{stamp.via} <> {SESSION}",
    )


def settle_function(subject: Subject, stamp: Stamp, past: str) -> Function:
    """Return what begins a row anew that waited, or whose stamp is not of now.

    `past` is the suffix of the table of the past, which has the key, `valid_from` and `valid_to`.
    """
    began_here = (
        f"{subject.same_key('past_row', 'NEW')} AND past_row.valid_from = NEW.{stamp.time}\n"
        "    AND past_row.valid_to > statement_timestamp()"
    )
    return Function(
        schema_name=subject.schema,
        name=subject.derived("settle_insert"),
        security_definer=True,
        body=(
            f"""
<<settle>>
DECLARE
  ended timestamp with time zone;
  changed timestamp with time zone;
  begun timestamp with time zone;
  actor pg_catalog.text;
BEGIN
  -- The row was stamped before it waited for the one that had its key; that one may have ended later.
  SELECT max(past_row.valid_to) INTO settle.ended
  FROM {subject.sql(past)} AS past_row
  WHERE {subject.same_key("past_row", "NEW")} AND past_row.valid_to > NEW.{stamp.time};
  -- Only READ COMMITTED sees what was committed meanwhile: elsewhere the row begins now, whatever ended. A stamp of
  -- another time than the statement's, or of another session, is not the database's.
  IF settle.ended IS NULL
     AND current_setting('transaction_isolation') = 'read committed'
     AND NEW.{stamp.time} BETWEEN statement_timestamp() AND clock_timestamp()
     AND NEW.{stamp.via} = {SESSION}
  THEN
    RETURN NULL;
  END IF;
  settle.actor := {ACTOR_IN_BODY};
  -- What the statement itself has changed already, in another trigger, began just before that.
  SELECT min(past_row.valid_to) INTO settle.changed
  FROM {subject.sql(past)} AS past_row
  WHERE {began_here};
  settle.begun := coalesce(
    settle.changed - interval '1 microsecond',
    greatest(clock_timestamp(), settle.ended)
  );
  -- The beginning tells the row from the one that had its key, which stricter levels still see.
  UPDATE {subject.sql()} AS inserted
  SET {stamp.time} = settle.begun, {stamp.by} = settle.actor, {stamp.via} = {SESSION}
  WHERE {subject.same_key("inserted", "NEW")} AND inserted.{stamp.time} = NEW.{stamp.time};
  IF settle.changed IS NOT NULL THEN
    UPDATE {subject.sql(past)} AS past_row
    SET valid_from = settle.begun, changed_by = settle.actor, changed_via = {SESSION}
    WHERE {began_here};
  END IF;
  RETURN NULL;
END
""",
        ),
        comment=f"Begins a row of {subject.name} after the one that had its key, where its INSERT waited for that",
    )
