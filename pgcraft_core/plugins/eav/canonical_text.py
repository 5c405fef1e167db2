"""The text of a value: one for each value, whatever a session is set to."""

from __future__ import annotations

from pgcraft_core.plugins.eav.column_types import PLAIN_TEXT_TYPES, is_qualified, without_modifiers
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import Argument, Function
from pgcraft_core.schema.table import Column
from pgcraft_core.sql.identifiers import quote_identifier

TEXT = "attribute_text"

CANONICAL_TEXT = (
    ("datestyle", "ISO, YMD"),
    ("intervalstyle", "postgres"),
    ("timezone", "UTC"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
)
"""Settings under which a value of any type has one text, given an empty search path too, for names of relations."""


def text_function(subject: Subject) -> Function:
    """Return what the views call for the text of values whose types follow settings; it gives nothing away."""
    return Function(
        schema_name=subject.schema,
        name=subject.derived(TEXT),
        arguments=(Argument(name="value", type="anyelement"),),
        returns="text",
        volatility="STABLE",
        settings=(("search_path", ""), *CANONICAL_TEXT),
        body=(f"\nBEGIN\n  RETURN {_written('value')};\nEND\n",),
        comment=f"The text of an attribute of {subject.name}, whatever the session is set to",
        public=True,
        in_views=True,
    )


def text_of(column: Column, row: str, subject: Subject) -> str:
    """Return the text of a column of a row, by alias, as SQL for views."""
    value = f"{row}.{quote_identifier(column.name)}"
    return f"{value}::text" if _is_plain(column.type) else f"{subject.sql(TEXT)}({value})"


def pinned_text_of(column: Column, row: str) -> str:
    """Return the same as SQL for functions that pin the settings it follows."""
    value = f"{row}.{quote_identifier(column.name)}"
    return _written(value) if is_qualified(column.type) else f"{value}::pg_catalog.text"


def _is_plain(type_: str) -> bool:
    return without_modifiers(type_) in PLAIN_TEXT_TYPES


def _written(value: str) -> str:
    """Return the text that a type's own output function gives.

    A cast would be whatever the owner of a type has made for it: code of theirs, which must not run as ours.
    """
    return f"CASE WHEN {value} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {value}) END"
