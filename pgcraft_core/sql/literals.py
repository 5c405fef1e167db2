"""String literals for statements that take no parameters (COMMENT, NOTIFY, ALTER ROLE)."""

from __future__ import annotations


def quote_literal(text: str) -> str:
    """Return `text` as a standard-conforming string constant.

    Every session of ours runs with `standard_conforming_strings = on`, so a backslash is an ordinary character.

    Raises:
        ValueError: `text` holds a NUL character, which Postgres cannot store.
    """
    if "\x00" in text:
        raise ValueError("a Postgres string cannot hold a NUL character")
    return "'" + text.replace("'", "''") + "'"
