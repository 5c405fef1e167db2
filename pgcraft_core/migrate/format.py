"""Lay SQL out for people, without changing a token of it."""

from __future__ import annotations

import re
from functools import lru_cache

import sqlglot
from sqlglot.errors import SqlglotError

# What sqlglot parses; it knows roles, comments and most of ALTER TABLE as opaque text only, and those are short.
_PARSED = re.compile(r"CREATE (UNIQUE )?INDEX |CREATE TABLE |CREATE (OR REPLACE )?VIEW |ALTER TABLE .* ADD CONSTRAINT ")

_ESCAPED = {sqlglot.TokenType.BYTE_STRING, sqlglot.TokenType.UNICODE_STRING}
"""`E'…'` and `U&'…'`: how their escapes are written is not in the token's text, so it could not be compared."""


@lru_cache(maxsize=4096)
def format_sql(statement: str) -> str:
    """Return the statement laid out by sqlglot, or as it is where that would change more than white space and case.

    sqlglot rewords some SQL and breaks a few operators, so its text is kept only if its tokens are the same.
    """
    if not _PARSED.match(statement):
        return statement
    try:
        if any(token.token_type in _ESCAPED for token in sqlglot.tokenize(statement, read="postgres")):
            return statement
        formatted = sqlglot.transpile(statement, read="postgres", write="postgres", pretty=True)
        if len(formatted) == 1 and _tokens(formatted[0]) == _tokens(statement):
            return formatted[0]
    except SqlglotError:
        pass
    return statement


def _tokens(statement: str) -> list[tuple[object, str]]:
    """Return the tokens; what is quoted keeps its case, words and keywords do not count theirs."""
    quoted = {sqlglot.TokenType.STRING, sqlglot.TokenType.IDENTIFIER, sqlglot.TokenType.HEREDOC_STRING}
    return [
        (token.token_type, token.text if token.token_type in quoted else token.text.upper())
        for token in sqlglot.tokenize(statement, read="postgres")
    ]
