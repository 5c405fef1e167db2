"""What is known of built-in types, by canonical name without modifiers; for all others, the safe thing is done."""

from __future__ import annotations

import re

_MODIFIERS = re.compile(r"\([^)]*\)")

EXACT_TYPES = frozenset(
    {
        *("boolean", "smallint", "integer", "bigint", "oid", "uuid", "bytea", "text", "character varying"),
        *("date", "time without time zone", "timestamp without time zone", "timestamp with time zone"),
        *("inet", "cidr", "macaddr", "macaddr8", '"char"', "name", "money", "bit", "bit varying"),
    }
)
"""Types whose values are equal only where they are the same to the bit, and whose operator tells faster than images do.

Of the others, some have no equality (`json`, `point`), and to some it is coarser: numeric 1.0 = 1.00, interval
'1 day' = '24 hours'.
"""

SENT_TYPES = {
    "numeric": "numeric_send",
    "real": "float4send",
    "double precision": "float8send",
    "interval": "interval_send",
}
"""Functions that give the image of a value, for types whose equality is coarser; an image of a row takes longer."""

PLAIN_TEXT_TYPES = frozenset(
    {
        *("boolean", "smallint", "integer", "bigint", "numeric", "oid", "uuid", "inet", "cidr", "macaddr", "macaddr8"),
        *("text", "character varying", "character", "bpchar", '"char"', "name", "json", "jsonb", "xml"),
        *("bit", "bit varying", "time without time zone", "tsvector", "tsquery"),
    }
)
"""Types whose text follows no setting of a session, and whose cast to text is Postgres's own."""


def without_modifiers(type_: str) -> str:
    """Return a type's name without what stands in parentheses."""
    return _MODIFIERS.sub("", type_)


def is_qualified(type_: str) -> bool:
    """Whether a type, by canonical name, is one that somebody made: built-in ones alone are named without a schema."""
    return "." in type_
