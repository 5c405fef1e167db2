"""The lexer and Postgres agree: what is accepted as one expression never becomes anything else inside parentheses."""

import itertools

import psycopg

from pgcraft_core.sql.expressions import ExpressionError, require_single_expression
from playground.postgres import PostgresServer

FRAGMENTS = [
    "'",
    "''",
    '"',
    "$$",
    "$a$",
    "E'",
    "U&'",
    "x'",
    "\\",
    "\n",
    "1",
    "a1",
    "_0",
    ")",
    "--",
    "/*",
    "*/",
    " ",
    ";",
]
SENTINEL = "sentinel"


def test_an_accepted_text_cannot_reach_beyond_its_parentheses(any_postgres: PostgresServer) -> None:
    """Each accepted combination of quoting fragments is run with an attack behind it: `) AS evil …`.

    Postgres must either refuse the statement or give the two columns that were written around the text.
    """
    accepted = 0
    succeeded = 0
    with psycopg.connect(any_postgres.url, autocommit=True) as connection:
        for combination in itertools.product(FRAGMENTS, repeat=3):
            for text in ("".join(combination) + "1) AS evil, (2", "'x' || " + "".join(combination) + ") AS evil, ('"):
                try:
                    require_single_expression(text)
                except ExpressionError:
                    continue
                accepted += 1
                try:
                    cursor = connection.execute(f"SELECT ({text}) AS outcome, 77 AS {SENTINEL}".encode())
                except psycopg.errors.Error:
                    continue
                succeeded += 1
                columns = [column.name for column in cursor.description or ()]
                assert columns == ["outcome", SENTINEL], text
    assert accepted > 20
    assert succeeded > 5
