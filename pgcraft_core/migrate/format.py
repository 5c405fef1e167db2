"""Lay SQL out for people, without changing a token of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

# What sqlglot parses; it knows roles, comments and most of ALTER TABLE as opaque text only, and those are short.
_PARSED = re.compile(r"CREATE (UNIQUE )?INDEX |CREATE TABLE |CREATE (OR REPLACE )?VIEW |ALTER TABLE .* ADD CONSTRAINT ")

_ESCAPED = {TokenType.BYTE_STRING, TokenType.UNICODE_STRING}
"""`E'…'` and `U&'…'`: how their escapes are written is not in the token's text, so it could not be compared."""

_QUOTED = {TokenType.STRING, TokenType.IDENTIFIER, TokenType.HEREDOC_STRING, TokenType.NATIONAL_STRING}
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}


class _AsPostgresSays(Postgres):
    """Postgres with type names as `format_type` gives them, where sqlglot writes INT and VARCHAR."""

    class Generator(Postgres.Generator):
        TYPE_MAPPING: ClassVar = {
            **Postgres.Generator.TYPE_MAPPING,
            exp.DType.CHAR: "CHARACTER",
            exp.DType.DECIMAL: "NUMERIC",
            exp.DType.DOUBLE: "DOUBLE PRECISION",
            exp.DType.INT: "INTEGER",
            exp.DType.TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE",
            exp.DType.VARCHAR: "CHARACTER VARYING",
        }


_POSTGRES = _AsPostgresSays()

_LONGEST = 50_000
_DEEPEST = 8
"""How long what sqlglot parses may be, in characters, and how deep brackets may lie in each other: each further one of
an array takes it twice as long, and an author may nest hundreds."""


@lru_cache(maxsize=4096)
def format_sql(statement: str) -> str:
    """Return the statement laid out by sqlglot, or as it is where that would change more than white space and case.

    sqlglot rewords some SQL and breaks a few operators, so its text is kept only if its tokens are the same.
    """
    if not _PARSED.match(statement) or len(statement) > _LONGEST:
        return statement
    try:
        tokens = _POSTGRES.tokenize(statement)
        if any(token.token_type in _ESCAPED for token in tokens) or _nesting(tokens) > _DEEPEST:
            return statement
        (parsed,) = _POSTGRES.parser().parse(tokens, statement)
        formatted = _POSTGRES.generate(parsed, pretty=True) if parsed is not None else statement
        return formatted if _essence(_POSTGRES.tokenize(formatted)) == _essence(tokens) else statement
    except (SqlglotError, ValueError, RecursionError):
        return statement


def _essence(tokens: Iterable[Token]) -> list[tuple[object, str]]:
    """Return what counts of tokens; what is quoted keeps its case, words and keywords do not count theirs."""
    return [(token.token_type, token.text if token.token_type in _QUOTED else token.text.upper()) for token in tokens]


def _nesting(tokens: Iterable[Token]) -> int:
    """Return how many brackets are open at once at most."""
    steps = ((token.token_type in _OPENING) - (token.token_type in _CLOSING) for token in tokens)
    return max(accumulate(steps), default=0)
