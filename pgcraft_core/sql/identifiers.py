"""Identifiers: quoted as Postgres quotes them, and derived names that always fit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

MAX_IDENTIFIER_BYTES = 63
"""`NAMEDATALEN` - 1: what Postgres keeps of a name, in bytes of UTF-8; beyond that it would cut it off silently."""

KEYWORDS = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both
    case cast char character check coalesce collate collation column concurrently constraint create cross
    current_catalog current_date current_role current_schema current_time current_timestamp current_user dec
    decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign
    freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect
    interval into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query
    json_scalar json_serialize json_table json_value lateral leading least left like limit localtime
    localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset on
    only or order out outer overlaps overlay placing position precision primary real references returning right
    row select session_user setof similar smallint some substring symmetric system_user table tablesample then
    time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when
    where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi
    xmlroot xmlserialize xmltable
    """.split()  # noqa: SIM905 - a word list reads better than 164 string literals
)
"""All keywords of Postgres 15 to 18 that are not UNRESERVED (`pg_get_keywords()`, `catcode <> 'U'`)."""

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_HASH_DIGITS = 8


def quote_identifier(name: str) -> str:
    """Return `name` as SQL, quoted only where Postgres's `quote_identifier` quotes it.

    Raises:
        ValueError: `name` is empty, holds a NUL character or is longer than 63 bytes.
    """
    if not name:
        raise ValueError("a Postgres name cannot be empty")
    if "\x00" in name:
        raise ValueError(f"a Postgres name cannot hold a NUL character: {name!r}")
    if (length := len(name.encode())) > MAX_IDENTIFIER_BYTES:
        raise ValueError(f"{name!r} is {length} bytes long; a Postgres name has at most {MAX_IDENTIFIER_BYTES}")
    if _PLAIN.match(name) and name not in KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def qualify(schema: str, name: str) -> str:
    """Return `schema.name`, each part quoted where needed. Raises ValueError as `quote_identifier` does."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"


def column_list(names: Iterable[str]) -> str:
    """Return `a, b, c`, quoted where needed, without parentheses. Raises ValueError as `quote_identifier` does."""
    return ", ".join(quote_identifier(name) for name in names)


def primary_key_name(table: str) -> str:
    """Return the name of a table's primary key: `<table>_pkey`."""
    return _within_limit(f"{table}_pkey")


def unique_name(table: str, *columns: str) -> str:
    """Return the name of an unnamed unique constraint: `<table>_<columns>_key`."""
    return _within_limit("_".join((table, *columns, "key")))


def check_name(table: str, column: str) -> str:
    """Return the name of a column's check: `<table>_<column>_check`."""
    return _within_limit(f"{table}_{column}_check")


def foreign_key_name(table: str, column: str) -> str:
    """Return the name of a column's foreign key: `<table>_<column>_fkey`."""
    return _within_limit(f"{table}_{column}_fkey")


def named(table: str, name: str) -> str:
    """Return the name of what an author named within a table (unique, check, foreign key, index): `<table>_<name>`."""
    return _within_limit(f"{table}_{name}")


def _within_limit(name: str) -> str:
    """Return `name`, or when too long its head and a hash of all of it, so that long names stay distinct."""
    encoded = name.encode()
    if len(encoded) <= MAX_IDENTIFIER_BYTES:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]
    head = encoded[: MAX_IDENTIFIER_BYTES - _HASH_DIGITS - 1]
    return f"{head.decode(errors='ignore')}_{digest}"  # ignore: the bytes of a character cut in two
