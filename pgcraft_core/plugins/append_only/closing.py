"""What an UPDATE or DELETE closes goes into the history, a whole statement's versions at once."""

from __future__ import annotations

from collections.abc import Iterable

from pgcraft_core.plugins.append_only.history_table import HISTORY
from pgcraft_core.plugins.append_only.stamping import same_values
from pgcraft_core.plugins.history.actor import ACTOR_IN_BODY, SESSION
from pgcraft_core.plugins.history.foreign_keys import follows
from pgcraft_core.plugins.history.insertion import DELETED_AT
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import ForeignKey, Trigger, TriggerEvent

OLD_ROWS, NEW_ROWS = "old_rows", "new_rows"

_NO_NESTED_LOOP = (("enable_nestloop", "off"),)
"""A session plans the join once, for as many rows as its first statement happens to change, be it one; what suits one
row would be quadratic in a million."""

_NO_SEQUENTIAL_SCAN = (("enable_seqscan", "off"),)
"""Likewise, it is planned while the tables may still be empty."""


def closing_triggers(subject: Subject) -> tuple[Trigger, Trigger]:
    """Return the triggers that fire once a statement, with all rows it changed."""
    return (
        _closing_trigger(subject, "UPDATE", NEW_ROWS),
        _closing_trigger(subject, "DELETE", None),
    )


def closing_functions(subject: Subject, foreign_keys: Iterable[ForeignKey]) -> tuple[Function, Function]:
    """Return the functions that write the history, as its owner; `foreign_keys` are those of the table."""
    return _close_updated(subject, repeats=any(map(follows, foreign_keys))), _close_deleted(subject)


def _closing_trigger(subject: Subject, event: TriggerEvent, new_rows: str | None) -> Trigger:
    name = subject.derived(f"close_{event.lower()}d")
    return Trigger(
        name=name,
        timing="AFTER",
        events=(event,),
        level="STATEMENT",
        function_schema=subject.schema,
        function_name=name,
        old_rows=OLD_ROWS,
        new_rows=new_rows,
    )


def _close_updated(subject: Subject, *, repeats: bool) -> Function:
    same_key = subject.same_key("n", "o")
    return Function(
        schema_name=subject.schema,
        name=subject.derived("close_updated"),
        security_definer=True,
        settings=_NO_NESTED_LOOP,
        body=(
            f"""
BEGIN
  -- Within a trigger it may be that an INSERT is settled, which changes nothing but the stamp.
  IF pg_trigger_depth() > 1 THEN
    IF NOT EXISTS (
      SELECT FROM {OLD_ROWS} AS o
      JOIN {NEW_ROWS} AS n ON {same_key}
      WHERE NOT """,
            *same_values(subject, "n", "o", indent="      "),
            f"""
    ) THEN
      RETURN NULL;
    END IF;
  END IF;
  INSERT INTO {subject.sql(HISTORY)} (""",
            subject.each_column("\n    {name}", separator=","),
            """,
    valid_to, operation, closed_by, closed_via
  )
  SELECT""",
            subject.each_column("\n    o.{name}", separator=","),
            f""",
    n.valid_from, 'UPDATE', n.changed_by, n.changed_via
  FROM {OLD_ROWS} AS o
  JOIN {NEW_ROWS} AS n ON {same_key} AND n.valid_from > o.valid_from{_next_only(subject) if repeats else ""};
  RETURN NULL;
END
""",
        ),
        comment=f"Puts the versions of {subject.name} that an UPDATE closed into its history",
    )


def _next_only(subject: Subject) -> str:
    """Return the condition that pairs each version with the next one alone, where a row may be there twice.

    Without it such a statement would fail on the history's key, rather than record what was not.
    """
    return f"""
  -- Foreign keys may change one row twice in one statement: each version is closed by the next one.
  WHERE NOT EXISTS (
    SELECT FROM {NEW_ROWS} AS earlier
    WHERE {subject.same_key("earlier", "o")}
      AND earlier.valid_from > o.valid_from AND earlier.valid_from < n.valid_from
  )"""


def _close_deleted(subject: Subject) -> Function:
    return Function(
        schema_name=subject.schema,
        name=subject.derived("close_deleted"),
        security_definer=True,
        settings=_NO_SEQUENTIAL_SCAN,
        body=(
            f"""
<<closing>>
DECLARE
  instant timestamp with time zone := {DELETED_AT};
  actor pg_catalog.text := {ACTOR_IN_BODY};
BEGIN
  INSERT INTO {subject.sql(HISTORY)} (""",
            subject.each_column("\n    {name}", separator=","),
            """,
    valid_to, operation, closed_by, closed_via
  )
  SELECT""",
            subject.each_column("\n    o.{name}", separator=","),
            f""",
    -- The statement may also have made the row again, and ended it again: then the version ended before all that.
    greatest(least(closing.instant, again.valid_from), o.valid_from + interval '1 microsecond'),
    'DELETE', closing.actor, {SESSION}
  FROM {OLD_ROWS} AS o
  CROSS JOIN LATERAL (
    SELECT min(later.valid_from) AS valid_from
    FROM (
      SELECT present.valid_from
      FROM {subject.sql()} AS present
      WHERE {subject.same_key("present", "o")}
      UNION ALL
      SELECT past_row.valid_from
      FROM {subject.sql(HISTORY)} AS past_row
      WHERE {subject.same_key("past_row", "o")}
        AND past_row.valid_to > o.valid_from AND past_row.valid_from > o.valid_from
    ) AS later
  ) AS again;
  RETURN NULL;
END
""",
        ),
        comment=f"Puts the versions of {subject.name} that a DELETE closed into its history",
    )
