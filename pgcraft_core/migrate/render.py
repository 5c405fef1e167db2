"""SQL as Python text in a revision script."""

from __future__ import annotations

import sqlglot
from sqlglot.errors import SqlglotError

from pgcraft_core.migrate.format import format_sql

_ONE_LINE = 100


def render_call(statement: str) -> str:
    """Return the Python that runs a statement, with its SQL laid out for people.

    `execute` is a function of the script that sends SQL as it is: Alembic's own would take `:name` for a parameter.
    """
    sql = format_sql(statement)
    if ("\n" not in sql and len(sql) <= _ONE_LINE) or not _may_be_indented(sql):
        return f"execute({sql!r})"
    escaped = sql.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return "\n".join(['execute("""', *(f"    {line}" for line in escaped.splitlines()), '""")'])


def _may_be_indented(sql: str) -> bool:
    """Whether indenting its lines leaves a statement what it is; errs towards no.

    A line break within a string or a quoted name is part of it, and so is any other character that Python, or the
    indenting, takes for one.
    """
    if not all(character.isprintable() or character == "\n" for character in sql):
        return False
    if "\n" not in sql:
        return True
    try:
        return all("\n" not in token.text for token in sqlglot.tokenize(sql, read="postgres"))
    except SqlglotError:
        return False
