"""The trigger functions that write the log, once a statement, from the rows as they were and as they are."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import assert_never

from pgcraft_core.plugins.eav.attribute_sql import attribute_text, changed_attributes, each_attribute
from pgcraft_core.plugins.eav.bookkeeping import OPEN_COLUMN
from pgcraft_core.plugins.eav.canonical_text import CANONICAL_TEXT
from pgcraft_core.plugins.eav.log_table import LOG
from pgcraft_core.plugins.eav.open_changes import attribute_names, changed_in_open
from pgcraft_core.plugins.history.actor import ACTOR_IN_BODY, SESSION
from pgcraft_core.plugins.history.backfill import backfill_in_body, unless_backfill
from pgcraft_core.plugins.history.foreign_keys import follows
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import EachColumn, Function
from pgcraft_core.schema.table import ForeignKey, Trigger
from pgcraft_core.sql.identifiers import column_list, quote_identifier
from pgcraft_core.sql.literals import quote_literal

_PLANNING = (("enable_nestloop", "off"), ("enable_seqscan", "off"), ("jit", "off"))
"""Plans are made once a session, maybe for one row and while the log is empty: still old and new rows are to be hashed,
and the log's index to be used, however many there are later."""

# What is the same for all rows is asked for once, in a SELECT of its own. A variable would be a parameter, for which
# Postgres plans anew the first five times.
_INSTANT = "(SELECT clock_timestamp())"
_MICROSECOND = "interval '1 microsecond'"
_ONE_INSTANT = """
  WITH reading AS MATERIALIZED (SELECT clock_timestamp() AS instant)"""

Body = tuple[str | EachColumn, ...]


class _Changes(Enum):
    """How often one statement may change one row, and so how its changes are told apart."""

    ONCE = "each row once"
    """Rows as they were and as they are belong together by their key."""

    REPEATED = "a row again"
    """Where foreign keys change rows by themselves: both are in the sets in the order of the changes."""

    OVERTAKEN = "a row again, and then it goes"
    """Where one key may set a default and another then delete the row: Postgres may fire the trigger of the DELETE
    first, so that only a trigger of each row logs in order, at many times the price for many rows. It is not paid for
    keys that cascade both ways: to change some parents and delete others at once takes a statement made for it."""

    @classmethod
    def of(cls, foreign_keys: Iterable[ForeignKey]) -> _Changes:
        """Return what the foreign keys of a table make possible."""
        keys = tuple(foreign_keys)
        setting = [key for key in keys if "SET DEFAULT" in (key.on_delete, key.on_update)]
        if any(deleting.on_delete == "CASCADE" and deleting != key for key in setting for deleting in keys):
            return cls.OVERTAKEN
        return cls.REPEATED if any(map(follows, keys)) else cls.ONCE


def logging_functions(
    subject: Subject, foreign_keys: Iterable[ForeignKey], *, is_open: bool
) -> tuple[Function, Function]:
    """Return what logs an UPDATE and what logs a DELETE; `foreign_keys` are those of the table."""
    changes = _Changes.of(foreign_keys)
    return (
        _function(subject, "log_update", "an UPDATE", _update_body(subject, changes, is_open=is_open)),
        _function(subject, "log_delete", "a DELETE", _delete_body(subject, is_open=is_open)),
    )


def logging_triggers(subject: Subject, foreign_keys: Iterable[ForeignKey]) -> tuple[Trigger, Trigger]:
    """Return the triggers that fire those functions.

    What a migration fills in is no change. The function tells so itself, faster than a condition of the trigger would,
    but not from what a foreign key changes when the owner deletes rows of another table.
    """
    changes = _Changes.of(foreign_keys)
    name = subject.derived("log_delete")
    delete = Trigger(
        name=name,
        timing="AFTER",
        events=("DELETE",),
        level="STATEMENT",
        function_schema=subject.schema,
        function_name=name,
        old_rows="old_rows",
    )
    by_row = changes is _Changes.OVERTAKEN
    update = Trigger(
        name=subject.derived("log_update"),
        timing="AFTER",
        events=("UPDATE",),
        level="ROW" if by_row else "STATEMENT",
        function_schema=subject.schema,
        function_name=subject.derived("log_update"),
        when=None if changes is _Changes.ONCE else unless_backfill(subject.owner),
        old_rows=None if by_row else "old_rows",
        new_rows=None if by_row else "new_rows",
    )
    return update, delete


def _function(subject: Subject, suffix: str, statement: str, body: Body) -> Function:
    return Function(
        schema_name=subject.schema,
        name=subject.derived(suffix),
        security_definer=True,
        settings=(*CANONICAL_TEXT, *_PLANNING),
        body=body,
        comment=f"Logs the values of {subject.name} that {statement} ends",
    )


def _update_body(subject: Subject, changes: _Changes, *, is_open: bool) -> Body:
    """Return what logs each attribute that differs between a row as it was and as it is."""
    return (
        "\nBEGIN",
        _unless_backfill(subject) if changes is _Changes.ONCE else "",
        _ONE_INSTANT if changes is _Changes.REPEATED else "",
        _head(subject),
        *_values(subject, is_open=is_open),
        _repeated_period() if changes is _Changes.REPEATED else _period("UPDATE", _INSTANT),
        """
  FROM (
    SELECT
      old_row.*,
      unnest(array_remove(ARRAY[""",
        changed_attributes(subject, is_open=is_open),
        """
      ]::pg_catalog.text[], NULL)""",
        *(changed_in_open(subject) if is_open else ()),
        """) AS attribute""",
        _pairs(subject, changes),
        """
  ) AS ended""",
        _last_entry(subject),
        _turns(subject) if changes is _Changes.REPEATED else "",
        _TAIL,
    )


def _delete_body(subject: Subject, *, is_open: bool) -> Body:
    """Return what logs each value of a row that is gone."""
    held = "old_row.{name} IS DISTINCT FROM NULL"
    if is_open:
        held += f" AND NOT old_row.{OPEN_COLUMN} ? {{literal}}"
    return (
        "\nBEGIN",
        _head(subject),
        *_values(subject, is_open=is_open),
        # A statement may also make the row again: then the values end before that.
        _period("DELETE", f"least({_INSTANT}, again.created_at)"),
        """
  FROM (
    SELECT
      old_row.*,
      unnest(array_remove(ARRAY[""",
        each_attribute(subject, f"\n        CASE WHEN {held} THEN {{literal}} END", ","),
        """
      ]::pg_catalog.text[], NULL)""",
        f" || ARRAY(SELECT jsonb_object_keys(old_row.{OPEN_COLUMN}))" if is_open else "",
        """) AS attribute
    FROM old_rows AS old_row
  ) AS ended""",
        _last_entry(subject),
        f"""
  LEFT JOIN LATERAL (
    SELECT present.created_at
    FROM {subject.sql()} AS present
    WHERE {subject.same_key("present", "ended")}
    LIMIT 1
  ) AS again ON true""",
        _TAIL,
    )


def _unless_backfill(subject: Subject) -> str:
    """Return what ends the function where a migration fires it, by the role that took: it runs as the owner anyway."""
    return f"""
  IF {backfill_in_body()}
     AND current_setting('role') = {quote_literal(subject.owner)} THEN
    RETURN NULL;
  END IF;"""


def _head(subject: Subject) -> str:
    key = column_list(subject.key)
    return f"""
  INSERT INTO {subject.sql(LOG)} (
    {key}, attribute, value, open,
    valid_from, valid_to, operation, changed_by, changed_via, closed_by, closed_via
  )
  SELECT
    {", ".join(f"ended.{quote_identifier(column)}" for column in subject.key)},
    ended.attribute,"""


def _pairs(subject: Subject, changes: _Changes) -> str:
    """Return each row as it was with the same as it is."""
    match changes:
        case _Changes.ONCE:
            return f"""
    FROM old_rows AS old_row
    JOIN new_rows AS new_row ON {subject.same_key("new_row", "old_row")}"""
        case _Changes.REPEATED:
            return """
    -- Foreign keys may change one row twice in one statement: rows are paired by their order.
    FROM (SELECT row_number() OVER (), * FROM old_rows) AS old_row
    JOIN (SELECT row_number() OVER (), * FROM new_rows) AS new_row USING (row_number)"""
        case _Changes.OVERTAKEN:
            return """
    FROM (SELECT OLD.*) AS old_row
    CROSS JOIN (SELECT NEW.*) AS new_row"""
        case _:
            assert_never(changes)


def _values(subject: Subject, *, is_open: bool) -> Body:
    """Return the columns `value` and `open`."""
    text = attribute_text(subject, "ended.attribute", "ended")
    if not is_open:
        return "\n    ", text, ",\n    false,"
    return (
        f"""
    CASE WHEN ended.{OPEN_COLUMN} ? ended.attribute
      THEN (ended.{OPEN_COLUMN} -> ended.attribute)::pg_catalog.text
      ELSE """,
        text,
        f"\n    END,\n    ended.{OPEN_COLUMN} ? ended.attribute OR ended.attribute <> ALL (",
        attribute_names(subject),
        "),",
    )


def _period(operation: str, instant: str) -> str:
    """Return since when and until when a value stood, and who began and ended that."""
    since = "coalesce(entry.valid_to, ended.created_at)"
    return f"""
    {since},
    greatest({instant}, {since} + {_MICROSECOND}),
    '{operation}',
    coalesce(entry.closed_by, ended.created_by),
    coalesce(entry.closed_via, ended.created_via),
    (SELECT {ACTOR_IN_BODY}),
    {SESSION}"""


def _repeated_period() -> str:
    """Return the same where one statement may change an attribute again: its values follow one another by its turns."""
    since = "coalesce(entry.valid_to, ended.created_at)"
    turn = "row_number() OVER turns"
    until = f"greatest((SELECT instant FROM reading), {since} + {_MICROSECOND}) + ({turn} - 1) * {_MICROSECOND}"
    first = f"CASE WHEN {turn} = 1 THEN"
    return f"""
    {first} {since} ELSE {until} - {_MICROSECOND} END,
    {until},
    'UPDATE',
    {first} coalesce(entry.closed_by, ended.created_by) ELSE (SELECT {ACTOR_IN_BODY}) END,
    {first} coalesce(entry.closed_via, ended.created_via) ELSE {SESSION} END,
    (SELECT {ACTOR_IN_BODY}),
    {SESSION}"""


def _turns(subject: Subject) -> str:
    """Return the window of the changes of one attribute of one row, in their order."""
    key = ", ".join(f"ended.{quote_identifier(column)}" for column in subject.key)
    return f"""
  WINDOW turns AS (PARTITION BY {key}, ended.attribute ORDER BY ended.row_number)"""


def _last_entry(subject: Subject) -> str:
    """Return what is joined to tell since when a value stood: the end of the one before, in this life of its row."""
    return f"""
  LEFT JOIN LATERAL (
    SELECT log.valid_to, log.closed_by, log.closed_via
    FROM {subject.sql(LOG)} AS log
    WHERE {subject.same_key("log", "ended")} AND log.attribute = ended.attribute AND log.valid_to > ended.created_at
    ORDER BY log.valid_to DESC
    LIMIT 1
  ) AS entry ON true"""


_TAIL = """;
  RETURN NULL;
END
"""
