"""Pieces of SQL that stand once for each attribute: which changed, and the text of each.

Attributes are the columns a table will have when it is applied, retained ones included.
"""

from __future__ import annotations

from pgcraft_core.plugins.eav.bookkeeping import BOOKKEEPING, OPEN_COLUMN
from pgcraft_core.plugins.eav.canonical_text import pinned_text_of
from pgcraft_core.plugins.eav.column_types import EXACT_TYPES, SENT_TYPES, without_modifiers
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import EachColumn
from pgcraft_core.schema.table import Column, Table
from pgcraft_core.sql.identifiers import quote_identifier
from pgcraft_core.sql.literals import quote_literal


class EachAttribute(EachColumn):
    """A piece of SQL that stands once for each attribute of a table, between `opening` and `closing`."""

    opening: str = ""
    closing: str = ""
    empty: str = ""
    """What stands there instead where a table has no attribute."""

    def render(self, table: Table) -> str:
        """Return the SQL for the attributes the table has."""
        rendered = super().render(table)
        return f"{self.opening}{rendered}{self.closing}" if rendered else self.empty


class ChangedAttributes(EachAttribute):
    """For each attribute its name where it differs between `old_row` and `new_row`, and NULL where it does not.

    Images are compared, or what is as exact, so that no change of any type goes unnoticed. Where the table is open,
    what its open column still holds is the attribute's value, not what is in its column.
    """

    text: str = ""
    is_open: bool

    def render(self, table: Table) -> str:
        """Return a CASE for each attribute the table has, on a line of its own."""
        return ",".join(
            f"\n        CASE WHEN {self._differs(column)} THEN {quote_literal(column.name)} END"
            for column in table.columns
            if column.name not in self.besides and column.generated is None
        )

    def _differs(self, column: Column) -> str:
        name = quote_identifier(column.name)
        changed = _differs(column.type, f"old_row.{name}", f"new_row.{name}")
        return f"{changed} AND NOT old_row.{OPEN_COLUMN} ? {quote_literal(column.name)}" if self.is_open else changed


class AttributeTexts(EachAttribute):
    """For each attribute a branch of a CASE, with the text of its value in the row `row`."""

    text: str = ""
    row: str

    def render(self, table: Table) -> str:
        """Return a branch for each attribute the table has, on a line of its own, between `opening` and `closing`."""
        branches = "".join(
            f"\n      WHEN {quote_literal(column.name)} THEN {pinned_text_of(column, self.row)}"
            for column in table.columns
            if column.name not in self.besides and column.generated is None
        )
        return f"{self.opening}{branches}{self.closing}" if branches else self.empty


def _differs(type_: str, old: str, new: str) -> str:
    """Return the condition that two values of a type differ in any bit; never NULL."""
    name = without_modifiers(type_)
    if name in EXACT_TYPES:
        return f"{old} IS DISTINCT FROM {new}"
    if name in SENT_TYPES:
        return f"{SENT_TYPES[name]}({old}) IS DISTINCT FROM {SENT_TYPES[name]}({new})"
    return f"record_image_ne(ROW({old}), ROW({new}))"


def each_attribute(
    subject: Subject, text: str, separator: str, *, opening: str = "", closing: str = "", empty: str = ""
) -> EachAttribute:
    """Return a piece of SQL for each attribute of a table."""
    return EachAttribute(
        schema_name=subject.schema,
        table=subject.table,
        text=text,
        separator=separator,
        besides=(*subject.key, *BOOKKEEPING),
        generated=False,
        opening=opening,
        closing=closing,
        empty=empty,
    )


def changed_attributes(subject: Subject, *, is_open: bool) -> ChangedAttributes:
    """Return the name of each attribute that changed between `old_row` and `new_row`, NULL for the others."""
    return ChangedAttributes(
        schema_name=subject.schema,
        table=subject.table,
        besides=(*subject.key, *BOOKKEEPING),
        is_open=is_open,
    )


def attribute_text(subject: Subject, attribute: str, row: str) -> AttributeTexts:
    """Return the text of the value that a row, by alias, has in the column that `attribute` names; NULL for no column.

    It has one collation, though columns may have several.
    """
    return AttributeTexts(
        schema_name=subject.schema,
        table=subject.table,
        besides=(*subject.key, *BOOKKEEPING),
        opening=f"CASE {attribute}",
        closing='\n    END COLLATE pg_catalog."default"',
        empty="NULL::pg_catalog.text",
        row=row,
    )
