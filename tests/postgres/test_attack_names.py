"""Names and comments are only ever themselves, in whatever they are written."""

from __future__ import annotations

import ast

import psycopg
import pytest

from playground.postgres import ScratchDatabase
from tests.corpus.world import (
    API,
    said,
)
from tests.postgres.attack_world import CANARY, apply, evil, query, session_on

HOSTILE_NAMES = [
    'a"; DROP TABLE public.canary; --',
    "a'; DROP TABLE public.canary; --",
    'a") CASCADE; DROP TABLE public.canary; /*',
    "$$; DROP TABLE public.canary; $$",
    "*/ DROP TABLE public.canary; /*",
    "back\\'slash\\",
    'U&"\\0061"',
    '"""); import os #',
    "%s %(x)s %%",
    ":p {0} {x!r}",
    "line\u2028separator\u0085",
    "ŉé🜁" + "x" * 54,
    "x" * 63,
    "select",
    "pg_class",
    "public",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_or_comment_is_only_ever_itself(database: ScratchDatabase, name: str) -> None:
    resource = evil(
        {"name": name, "type": "text", "comment": name, "unique": True, "default": "'d'"},
        table=name,
        comment=name,
        checks=[{"name": name, "expression": "true", "comment": name}],
        indexes=[{"name": f"{name[:9]}i", "columns": [name], "comment": name}],
        api={**API, "name": name},
    )
    query(database, CANARY)
    with session_on(database) as session:
        assert not said(apply(session, resource))
    read = """
        SELECT n.nspname, c.relname, obj_description(c.oid, 'pg_class'),
               ARRAY(SELECT a.attname || coalesce(col_description(c.oid, a.attnum), '') FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum),
               ARRAY(SELECT pg_get_constraintdef(k.oid) || coalesce(obj_description(k.oid, 'pg_constraint'), '')
                       FROM pg_constraint k WHERE k.conrelid = c.oid ORDER BY k.conname),
               ARRAY(SELECT coalesce(obj_description(i.indexrelid, 'pg_class'), '') FROM pg_index i
                      WHERE i.indrelid = c.oid ORDER BY 1)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('geo', 'api') AND c.relkind IN ('r', 'v') ORDER BY 1
    """
    made = query(database, read)
    assert [(row[0], row[1], row[2]) for row in made] == [("api", name, name), ("geo", name, name)]
    assert made[1][3] == ["id", name + name]
    assert query(database, "SELECT alive FROM public.canary") == [(1,)]

    # The script on record says the same: what ran can run again from it, and makes the same.
    scripts = query(database, "SELECT script FROM pgcraft.revisions ORDER BY applied_at")
    query(database, "DROP SCHEMA geo, api CASCADE")
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in (found for (script,) in scripts for found in statements_of(script)):
            connection.execute(statement)  # ty: ignore[no-matching-overload]
    assert query(database, read) == made
    assert query(database, "SELECT alive FROM public.canary") == [(1,)]


def statements_of(script: str) -> list[str]:
    """Return what a script's upgrade() sends, and see that it does nothing else."""
    module = ast.parse(script)
    (upgrade,) = (item for item in module.body if isinstance(item, ast.FunctionDef) and item.name == "upgrade")
    found: list[str] = []
    for line in upgrade.body:
        assert isinstance(line, ast.Expr)
        assert isinstance(line.value, ast.Call)
        assert isinstance(line.value.func, ast.Name)
        assert line.value.func.id == "execute"
        found.append(ast.literal_eval(line.value.args[0]))
    return [statement for statement in found if not statement.startswith("SET LOCAL ROLE")]
