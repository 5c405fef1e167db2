"""SQL as Python text in a revision script."""

from __future__ import annotations

from pgcraft_core.migrate.format import format_sql

_ONE_LINE = 100


def render_call(statement: str) -> str:
    """Return the Python that runs a statement, with its SQL laid out for people.

    `execute` is a function of the script that sends SQL as it is: Alembic's own would take `:name` for a parameter.
    """
    sql = format_sql(statement)
    if ("\n" not in sql and len(sql) <= _ONE_LINE) or _breaks_a_quote(sql):
        return f"execute({sql!r})"
    escaped = sql.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return "\n".join(['execute("""', *(f"    {line}" for line in escaped.splitlines()), '""")'])


def _breaks_a_quote(sql: str) -> bool:
    """Whether a line of the statement ends within quotes, where indenting the next would change the text."""
    within = ""
    for character in sql:
        if within:
            if character == within:
                within = ""
            elif character == "\n":
                return True
        elif character in "'\"$":
            within = character
    return bool(within)
