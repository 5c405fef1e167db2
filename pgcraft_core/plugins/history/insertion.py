"""What an INSERT could not know: whether the row that had its key ended after it was stamped.

Defaults stamp a new row, for no trigger is as fast. One condition, which Postgres evaluates right after the row went in
and without calling anything, finds those that waited before that, and those with a stamp that is not of now. Postgres
reads a condition anew for every statement, which costs more than to evaluate it: it is as short as can be.
"""

from __future__ import annotations

from pgcraft_core.plugins.history.stamp import Stamp
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Trigger

PATIENCE = "interval '50 microseconds'"
"""How long a row takes at most from its default to its place in the indexes when it does not wait; a slower one can
afford a look into the past."""


def settle_trigger(subject: Subject, stamp: Stamp) -> Trigger:
    """Return the trigger that hardly ever fires."""
    return Trigger(
        name=subject.derived("settle_insert"),
        timing="AFTER",
        events=("INSERT",),
        level="ROW",
        function_schema=subject.schema,
        function_name=subject.derived("settle_insert"),
        when=f"NEW.{stamp.time} NOT BETWEEN clock_timestamp() - {PATIENCE} AND clock_timestamp()",
    )


def settle_function(subject: Subject, stamp: Stamp, past: str) -> Function:
    """Return what begins a row anew that waited, or whose stamp is not of now.

    `past` is the suffix of the table of the past, which has the key and `valid_to`.
    """
    return Function(
        schema_name=subject.schema,
        name=subject.derived("settle_insert"),
        security_definer=True,
        body=(
            f"""
<<settle>>
DECLARE
  ended timestamp with time zone;
BEGIN
  -- The row was stamped before it waited for the one that had its key; that one may have ended later.
  -- Only READ COMMITTED sees what was committed meanwhile: elsewhere the row begins now, whatever ended, and is found
  -- by its place, for what ended still shows under the key. A stamp of another time than the statement's is not
  -- the database's.
  IF current_setting('transaction_isolation') = 'read committed'
     AND NEW.{stamp.time} BETWEEN statement_timestamp() AND clock_timestamp()
  THEN
    SELECT max(past.valid_to) INTO settle.ended
    FROM {subject.sql()} AS inserted
    JOIN {subject.sql(past)} AS past ON {subject.same_key("past", "inserted")}
    WHERE inserted.ctid = NEW.ctid AND past.valid_to > NEW.{stamp.time};
    IF settle.ended IS NULL THEN
      RETURN NULL;
    END IF;
  END IF;
  UPDATE {subject.sql()} AS inserted
  SET {stamp.time} = greatest(clock_timestamp(), settle.ended)
  WHERE inserted.ctid = NEW.ctid;
  RETURN NULL;
END
""",
        ),
        comment=f"Begins a row of {subject.name} after the one that had its key, where its INSERT waited for that",
    )
