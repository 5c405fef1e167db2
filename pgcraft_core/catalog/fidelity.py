"""Whether a type keeps what a text says: input functions round, shorten and cut, most of them without a word."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.session import fetch

# The last row is what is left of a type after domains and arrays: its name, with modifiers and without. Modifiers of a
# domain are those of what it is a domain over.
_ELEMENT = """
WITH RECURSIVE layer (depth, oid, written, is_array) AS (
  SELECT 1, t.oid, %(type)s::text, t.typelem <> 0 AND t.typsubscript = 'array_subscript_handler'::regproc
    FROM pg_type t WHERE t.oid = to_regtype(%(type)s)
  UNION ALL
  SELECT layer.depth + 1, t.oid,
         CASE WHEN layer.is_array THEN regexp_replace(layer.written, '(\\[\\])+$', '')
              ELSE format_type(outer_type.typbasetype, outer_type.typtypmod) END,
         t.typelem <> 0 AND t.typsubscript = 'array_subscript_handler'::regproc
    FROM layer
    JOIN pg_type outer_type ON outer_type.oid = layer.oid
    JOIN pg_type t ON t.oid = CASE WHEN layer.is_array THEN outer_type.typelem ELSE outer_type.typbasetype END
)
SELECT written, format_type(oid, NULL), bool_or(is_array) OVER () FROM layer ORDER BY depth DESC LIMIT 1
"""

_SAME_MOMENT = r"""given !~* '\m(now|today|tomorrow|yesterday)\M' AND given !~ '\.[0-9]{{6}}[0-9]*[1-9]' AND {moment}"""
_CLOCK = r"""given ~* '^\s*t?[0-9:.]+\s*(am|pm)?\s*{zone}$' AND given !~ '\.[0-9]{{6}}[0-9]*[1-9]' AND {moment}"""

_SAME_NUMBER = "given::numeric = (to_jsonb(converted) #>> '{}')::numeric"
_SAME_TEXT = "given = converted::text"

_KEPT = {
    "numeric": "given::numeric = converted",
    "real": _SAME_NUMBER,
    "double precision": _SAME_NUMBER,
    "oid": "given::numeric = converted::text::numeric",
    "money": "regexp_replace(given, '[$, ]', '', 'g')::numeric = converted::numeric",
    '"char"': _SAME_TEXT,
    "name": _SAME_TEXT,
    "date": _SAME_MOMENT.format(moment="given::timestamptz = converted::timestamp AT TIME ZONE 'UTC'"),
    "timestamp without time zone": _SAME_MOMENT.format(moment="given::timestamptz = converted AT TIME ZONE 'UTC'"),
    "timestamp with time zone": _SAME_MOMENT.format(moment="given::timestamptz = converted"),
    "time without time zone": _CLOCK.format(zone="", moment="given::time = converted"),
    "time with time zone": _CLOCK.format(zone=r"(z|utc|[+-][0-9:]+)?\s*", moment="given::timetz = converted"),
    "interval": r"given !~ '\.[0-9]{6}[0-9]*[1-9]' AND given::interval::text = converted::text",
}
"""By type: whether a value still says what the text says it was made from, in whatever spelling.

Of dates and times, that includes the time of a date and the zone of a local time, unless that is UTC. Types that are
not here refuse what they do not keep; a `varchar(4)` takes more only where that is blanks.
"""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How to see that a type loses nothing: `condition` over `given`, a text, and `converted`, of type `element`."""

    element: str
    condition: str
    is_array: bool


def fidelity_of(connection: Connection, type_: str) -> Fidelity | None:
    """Return what has to hold of each value of a type, or of each element of an array; None where nothing is lost."""
    rows = fetch(connection, _ELEMENT, {"type": type_})
    if not rows or rows[0][1] not in _KEPT:
        return None
    written, name, is_array = rows[0]
    return Fidelity(written, _KEPT[name], is_array)
