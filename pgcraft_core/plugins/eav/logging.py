"""The trigger functions that write the log, once a statement, from the rows as they were and as they are."""

from __future__ import annotations

from collections.abc import Iterable

from pgcraft_core.plugins.eav.attribute_sql import changed_attributes, each_attribute
from pgcraft_core.plugins.eav.bookkeeping import OPEN_COLUMN
from pgcraft_core.plugins.eav.canonical_text import CANONICAL_TEXT
from pgcraft_core.plugins.eav.log_table import LOG
from pgcraft_core.plugins.history.actor import ACTOR_IN_BODY, SESSION
from pgcraft_core.plugins.history.backfill import backfill_in_body, unless_backfill
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

Body = tuple[str | EachColumn, ...]


def logging_functions(
    subject: Subject, foreign_keys: Iterable[ForeignKey], *, is_open: bool
) -> tuple[Function, Function]:
    """Return what logs an UPDATE and what logs a DELETE; `foreign_keys` are those of the table."""
    repeats = _any_follows(foreign_keys)
    return (
        _function(subject, "log_update", "an UPDATE", _update_body(subject, is_open=is_open, repeats=repeats)),
        _function(subject, "log_delete", "a DELETE", _delete_body(subject, is_open=is_open)),
    )


def logging_triggers(subject: Subject, foreign_keys: Iterable[ForeignKey]) -> tuple[Trigger, Trigger]:
    """Return the triggers that fire those functions.

    What a migration fills in is no change. The function tells so itself, faster than a condition of the trigger would,
    but not from what a foreign key changes when the owner deletes rows of another table.
    """
    update = Trigger(
        name=subject.derived("log_update"),
        timing="AFTER",
        events=("UPDATE",),
        level="STATEMENT",
        function_schema=subject.schema,
        function_name=subject.derived("log_update"),
        when=unless_backfill(subject.owner) if _any_follows(foreign_keys) else None,
        old_rows="old_rows",
        new_rows="new_rows",
    )
    name = subject.derived("log_delete")
    return update, update.model_copy(
        update={"name": name, "function_name": name, "events": ("DELETE",), "when": None, "new_rows": None}
    )


def _any_follows(foreign_keys: Iterable[ForeignKey]) -> bool:
    """Whether a foreign key changes rows by itself."""
    return any(
        key.on_delete in ("SET NULL", "SET DEFAULT") or key.on_update in ("CASCADE", "SET NULL", "SET DEFAULT")
        for key in foreign_keys
    )


def _function(subject: Subject, suffix: str, statement: str, body: Body) -> Function:
    return Function(
        schema_name=subject.schema,
        name=subject.derived(suffix),
        security_definer=True,
        settings=(*CANONICAL_TEXT, *_PLANNING),
        body=body,
        comment=f"Logs the values of {subject.name} that {statement} ends",
    )


def _update_body(subject: Subject, *, is_open: bool, repeats: bool) -> Body:
    """Return what logs each attribute that differs between a row as it was and as it is."""
    return (
        "\nBEGIN",
        "" if repeats else _unless_backfill(subject),
        _head(subject),
        *_values(subject, is_open=is_open),
        _period("UPDATE", _INSTANT),
        """
  FROM (
    SELECT
      old_row.*,
      unnest(array_remove(ARRAY[""",
        changed_attributes(subject, is_open=is_open),
        """
      ]::pg_catalog.text[], NULL)""",
        *(_changed_keys(subject) if is_open else ()),
        """) AS attribute""",
        _pairs(subject, repeats=repeats),
        *(_moved(subject) if is_open else ()),
        """
  ) AS ended""",
        _last_entry(subject),
        _TAIL,
    )


def _delete_body(subject: Subject, *, is_open: bool) -> Body:
    """Return what logs each value of a row that is gone."""
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
        each_attribute(subject, "\n        CASE WHEN old_row.{name} IS DISTINCT FROM NULL THEN {literal} END", ","),
        """
      ]::pg_catalog.text[], NULL)""",
        *(_keys(subject) if is_open else ()),
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


def _pairs(subject: Subject, *, repeats: bool) -> str:
    """Return each row as it was with the same as it is.

    Where foreign keys change rows by themselves, two of them may change one row in one statement. Then it is there
    twice, and rows are paired by the order in which Postgres put both into their sets.
    """
    if not repeats:
        return f"""
    FROM old_rows AS old_row
    JOIN new_rows AS new_row ON {subject.same_key("new_row", "old_row")}"""
    return """
    -- Foreign keys may change one row twice in one statement: rows are paired by their order.
    FROM (SELECT row_number() OVER (), * FROM old_rows) AS old_row
    JOIN (SELECT row_number() OVER (), * FROM new_rows) AS new_row USING (row_number)"""


def _values(subject: Subject, *, is_open: bool) -> Body:
    """Return the columns `value` and `open`."""
    text = each_attribute(
        subject,
        "\n      WHEN {literal} THEN ended.{name}::pg_catalog.text",
        "",
        opening="CASE ended.attribute",
        closing="\n    END",
        empty="NULL",
    )
    if not is_open:
        return "\n    ", text, ",\n    false,"
    return (
        f"""
    CASE WHEN ended.{OPEN_COLUMN} ? ended.attribute
      THEN (ended.{OPEN_COLUMN} -> ended.attribute)::pg_catalog.text
      ELSE """,
        text,
        f"\n    END,\n    ended.{OPEN_COLUMN} ? ended.attribute OR ended.attribute <> ALL (",
        _names(subject),
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


def _names(subject: Subject) -> EachColumn:
    return each_attribute(subject, "{literal}", ", ", opening="ARRAY[", closing="]", empty="ARRAY[]::pg_catalog.text[]")


def _changed_keys(subject: Subject) -> Body:
    """Return the names of undeclared attributes that changed, appended to those of the declared ones."""
    old, new = f"old_row.{OPEN_COLUMN}", f"new_row.{OPEN_COLUMN}"
    return (
        f""" || CASE WHEN record_image_ne(ROW({old}), ROW({new})) THEN ARRAY(
        SELECT key FROM jsonb_object_keys({old} || {new}) AS key
        WHERE ({old} -> key)::pg_catalog.text IS DISTINCT FROM ({new} -> key)::pg_catalog.text AND key <> ALL (""",
        _names(subject),
        """)
      ) END""",
    )


def _keys(subject: Subject) -> Body:
    """Return the names of undeclared attributes, appended to those of the declared ones."""
    return (
        f""" || ARRAY(
        SELECT key FROM jsonb_object_keys(old_row.{OPEN_COLUMN}) AS key
        WHERE key <> ALL (""",
        _names(subject),
        """) OR to_jsonb(old_row) ->> key IS NULL
      )""",
    )


def _moved(subject: Subject) -> Body:
    """Return what is joined to tell whether a value has only moved into the column that is declared for it."""
    old, new = f"old_row.{OPEN_COLUMN}", f"new_row.{OPEN_COLUMN}"
    return (
        f"""
    LEFT JOIN LATERAL (
      SELECT * FROM jsonb_populate_record(NULL::{subject.sql()}, {old})
      WHERE record_image_ne(ROW({old}), ROW({new})) AND {old} ?| """,
        _names(subject),
        """
    ) AS moved ON true""",
    )
