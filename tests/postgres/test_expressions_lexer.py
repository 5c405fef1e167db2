"""The lexer and Postgres agree: what is accepted as one expression never becomes anything else inside parentheses."""

import itertools

import psycopg

from pgcraft_core.sql.expressions import ExpressionError, require_single_expression
from playground.postgres import PostgresServer

BREAKOUT = ") AS evil, (1"
OPENINGS = [
    *(
        "",
        "||'",
        "||E'",
        "||U&'",
        "||x'",
        "||$$",
        "||$a$",
        '||"',
        "'",
        "''",
        '"',
        "$$",
        "$a$",
        "\\",
        "\\'",
        "\n",
        "\n'",
    ),
    *("||'\\'", "||E'\\'", "||E''\n'\\'||'", "||''\n'\\'", "||E''\n\n '\\'||'", "||E'\\\\'", "||E''\\'", '||"\\"'),
    *("||$$'$$", "||$a$'$$'$a$", "||$A$'$a$", "||1$$'$$", "_0$$'$$", "a$$'$$", "||/*", "--", "*/", "||"),
]
"""What may make the lexer and Postgres disagree on whether the breakout stands within a quote."""
ENDINGS = ["", "/*'*/+1", '/*"*/+1', "/*$$*/+1", "/*$a$*/+1", "--'\n+1", "'", "||''", "$$", '"', "||'", "*/+1"]
"""What would close that quote for the lexer, yet mean nothing to Postgres."""


def accepted_texts() -> list[str]:
    """Return those of all combinations that the lexer accepts."""
    accepted = set()
    for first, second, ending in itertools.product(OPENINGS, OPENINGS, ENDINGS):
        text = f"1{first}{second}{BREAKOUT}{ending}"
        try:
            require_single_expression(text)
        except ExpressionError:
            continue
        accepted.add(text)
    return sorted(accepted)


def test_an_accepted_text_cannot_reach_beyond_its_parentheses(any_postgres: PostgresServer) -> None:
    """Postgres must either refuse the statement or give the two columns that were written around the text."""
    accepted = accepted_texts()
    assert len(accepted) > 500
    succeeded = 0
    with psycopg.connect(any_postgres.url, autocommit=True) as connection:
        for text in accepted:
            try:
                cursor = connection.execute(f"SELECT ({text}) AS outcome, 77 AS sentinel".encode())
            except psycopg.errors.Error:
                continue
            succeeded += 1
            assert [column.name for column in cursor.description or ()] == ["outcome", "sentinel"], text
    assert succeeded > 20
