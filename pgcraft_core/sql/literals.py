"""String literals for SQL that takes no parameters: DDL, and bodies of functions."""

from __future__ import annotations


def quote_literal(text: str) -> str:
    """Return `text` as a string constant, as Postgres's `quote_literal` writes it.

    A body of a function is read in the session of whoever calls it, which may have turned
    `standard_conforming_strings` off: a backslash would then begin an escape, and could end the string. Written with
    `E`, it is the same under both settings.

    Raises:
        ValueError: `text` holds a NUL character, which Postgres cannot store.
    """
    if "\x00" in text:
        raise ValueError("a Postgres string cannot hold a NUL character")
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
