"""What an UPDATE changed in the open column, as the log sees it.

While the open column holds a declared attribute, that is its value; what is in its column counts from the move on.
"""

from __future__ import annotations

from pgcraft_core.plugins.eav.attribute_sql import attribute_text, each_attribute
from pgcraft_core.plugins.eav.bookkeeping import OPEN_COLUMN
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import EachColumn
from pgcraft_core.sql.literals import quote_literal


def attribute_names(subject: Subject) -> EachColumn:
    """Return the names of the attributes that have a column, as an array."""
    return each_attribute(subject, "{literal}", ", ", opening="ARRAY[", closing="]", empty="ARRAY[]::pg_catalog.text[]")


def changed_in_open(subject: Subject) -> tuple[str | EachColumn, ...]:
    """Return the names of attributes of the open column that changed, to be appended to those of the columns.

    To move into its column is no change. What a migration moves is not compared, for nothing may be converted here: a
    type's owner can have code run by that. What others put into the column themselves is compared as text.
    """
    old, new = f"old_row.{OPEN_COLUMN}", f"new_row.{OPEN_COLUMN}"
    return (
        f""" || CASE WHEN record_image_ne(ROW({old}), ROW({new})) THEN ARRAY(
        SELECT key FROM jsonb_object_keys({old} || {new}) AS key
        WHERE ({old} -> key)::pg_catalog.text IS DISTINCT FROM ({new} -> key)::pg_catalog.text
          AND NOT ({old} ? key AND NOT {new} ? key AND key = ANY (""",
        attribute_names(subject),
        f""") AND (
            ({is_move(subject)}) OR {old} ->> key IS NOT DISTINCT FROM """,
        attribute_text(subject, "key", "new_row"),
        """
          ))
      ) END""",
    )


def is_move(subject: Subject) -> str:
    """Return whether a migration moves attributes into their columns, within a trigger: its owner role sends that."""
    return (
        f"pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1 "
        f"AND pg_catalog.current_setting('role') OPERATOR(pg_catalog.=) {quote_literal(subject.owner)}"
    )
