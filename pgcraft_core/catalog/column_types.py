"""Resolving the types of columns by name, without making a table of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.session import fetch

_NAME = r'(?:"(?:[^"]|"")+"|[^".(\[ ]+)'
_QUALIFIED = re.compile(rf"(?P<schema>{_NAME})\.(?P<name>{_NAME})(?P<modifiers>\(.*\))?(?:\[\])?\Z")
_MODIFIERS = re.compile(r'("(?:[^"]|"")*")|\((?:"(?:[^"]|"")*"|[^)"])*\)')

# Names without a schema are looked up in pg_catalog alone; with one, in the catalogs, where a schema that the login may
# not use is no error.
_UNQUALIFIED_TYPES = """
SELECT asked.name, to_regtype(asked.name)::oid::bigint
  FROM unnest(%(names)s::text[]) AS asked (name)
"""

_QUALIFIED_TYPES = """
SELECT asked.position::int - 1, t.oid::bigint
  FROM unnest(%(schemas)s::text[], %(names)s::text[]) WITH ORDINALITY AS asked (schema, name, position)
  JOIN pg_namespace n ON n.nspname = asked.schema
  JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = asked.name
"""


def has_foreign_modifiers(canonical: str) -> bool:
    """Whether the type has modifiers that only the type itself can judge, such as `public.geometry(Point,4326)`."""
    match = _QUALIFIED.match(canonical)
    return match is not None and match["modifiers"] is not None


def resolve_types(connection: Connection, canonical: Collection[str]) -> Mapping[str, int | None]:
    """Return the OID of each type given in canonical form, an array's being its element's, None where there is none."""
    resolved: dict[str, int | None] = dict.fromkeys(canonical)
    qualified = [(text, match) for text in resolved if (match := _QUALIFIED.match(text))]
    unqualified = {text: _element(text) for text in resolved if not _QUALIFIED.match(text)}
    if unqualified:
        names = sorted(set(unqualified.values()))
        found = {name: oid for name, oid in fetch(connection, _UNQUALIFIED_TYPES, {"names": names})}  # noqa: C416
        resolved.update({text: found[element] for text, element in unqualified.items()})
    if qualified:
        parameters = {
            "schemas": [_unquoted(match["schema"]) for _, match in qualified],
            "names": [_unquoted(match["name"]) for _, match in qualified],
        }
        resolved.update((qualified[at][0], oid) for at, oid in fetch(connection, _QUALIFIED_TYPES, parameters))
    return resolved


def _element(canonical: str) -> str:
    """Return the type without modifiers and array suffix."""
    return _MODIFIERS.sub(lambda match: match[1] or "", canonical).removesuffix("[]")


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
