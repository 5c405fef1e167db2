"""Revision scripts: valid Python that runs exactly the SQL that ran, whatever is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlglot

from pgcraft_core.migrate.format import format_sql
from pgcraft_core.migrate.render import render_call
from pgcraft_core.migrate.script import revision_id, upgrade_statements, write_body, write_script
from tests.corpus.world import API, compiled, dimension, planned, postgrest

CODE = {"name": "code", "type": "text"}
LITERALS = [
    "plain",
    "it''s",
    "50%",
    "%s %(name)s",
    ":name",
    "back\\slash\\n",
    'quoted """ three times',
    "ends with \\",
    "two\nlines",
    "windows\r\nline",
    "tab\t",
    "form\x0cfeed \x1c \x85 \u2028 \u2029",
    "{braces} {{doubled}}",
    "größe 大きさ 🙂",
    "-- no comment",
    "/* none either */",
    "$$ $1 $a$",
]


def executed(call: str) -> list[str]:
    found: list[str] = []
    exec(compile(call, "script.py", "exec"), {"execute": found.append})
    return found


def tokens(sql: str) -> list[tuple[Any, str]]:
    return [(token.token_type, token.text) for token in sqlglot.tokenize(sql, read="postgres")]


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize("padding", ["", "x" * 120], ids=["short", "long"])
def test_literals_come_out_as_they_went_in(literal: str, padding: str) -> None:
    escaped = literal.replace("\\", "\\\\")
    named = literal.replace('"', '""')
    for before, text, after in (
        ("COMMENT ON TABLE a IS '", literal, "'"),
        ("CREATE TABLE a (\n  b text DEFAULT ('", literal, "'),\n  c text\n)"),
        ("CREATE TABLE a (\n  b text DEFAULT (E'", escaped, "'),\n  c text\n)"),
        ('CREATE TABLE a (\n  "', named, '" text\n)'),
        ("ALTER TABLE a ADD CONSTRAINT b CHECK (c <> '", literal, "' AND\nd)"),
    ):
        (found,) = executed(render_call(f"{before}{padding}{text}{after}"))
        assert f"{before.split()[-1][-1]}{padding}{text}{after[0]}" in found
        assert "".join(found.split()).upper() == "".join(f"{before}{padding}{text}{after}".split()).upper()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE a (b text DEFAULT ($$one\n  'two$$), c int)",
        "CREATE TABLE a (b text DEFAULT (E'it\\'s\n  here'), c int)",
        "CREATE TABLE a (b text DEFAULT ('one'\n  'two'), c int)",
        "CREATE INDEX a ON b USING btree ((c @> '{1}'), (d <% 'x'))",
        "CREATE TABLE a (b int, CONSTRAINT c CHECK (b IS DISTINCT FROM 1 AND (b !~ 'x' OR b ~* 'Y')))",
        "CREATE VIEW a WITH (security_invoker = false) AS SELECT b FROM c",
    ],
)
def test_layout_never_changes_what_it_lays_out(statement: str) -> None:
    (found,) = executed(render_call(statement))
    essence = [text.upper() for _, text in tokens(statement)]
    assert [text.upper() for _, text in tokens(found)] == essence
    for inner in ("one\n  'two", "it\\'s\n  here", "'one'\n"):
        assert (inner in statement) == (inner in found)


def test_layout_is_sqlglots_where_nothing_is_lost() -> None:
    statement = "ALTER TABLE a ADD CONSTRAINT b CHECK (c > 0 AND d)"
    assert format_sql(statement).split() == statement.split()
    assert format_sql("CREATE VIEW a AS SELECT b, c FROM d").splitlines() == [
        "CREATE VIEW a AS",
        "SELECT",
        "  b,",
        "  c",
        "FROM d",
    ]


def test_script_is_a_module_that_alembic_can_read() -> None:
    units = compiled(
        dimension("things", CODE, comment='"""\\ {x} %s', api=API), postgrest(anonymousRole={"name": "anon"})
    )
    (migration,) = planned(units)[0]
    body = write_body(migration, "The Owner")
    script = write_script(migration, body, "abc", None, datetime(2026, 1, 2, tzinfo=UTC))
    names: dict[str, Any] = {}
    exec(compile(script, "abc.py", "exec"), names)
    assert (names["revision"], names["down_revision"], names["branch_labels"]) == ("abc", None, None)
    found: list[str] = []
    names["execute"] = found.append
    names["upgrade"]()
    operations = [step.operation for step in migration.operations]
    statements = upgrade_statements(operations, "The Owner")
    assert [tokens(sql.upper()) for sql in found] == [tokens(sql.upper()) for sql in statements]
    assert found[0] == 'SET LOCAL ROLE "The Owner"' or found[0].startswith("CREATE ROLE")
    assert found[-1] == "SET LOCAL ROLE NONE"
    assert migration.plan_hash in names["__doc__"]


def test_revision_depends_on_the_plan_and_on_what_it_follows() -> None:
    assert len({revision_id("a", None), revision_id("a", "x"), revision_id("b", None)}) == 3
    assert len(revision_id("a", None)) == 12


def test_a_table_is_laid_out_with_its_types_as_postgres_names_them() -> None:
    statement = "CREATE TABLE geo.t (i integer, v character varying(8), n numeric(10,2), t timestamp with time zone)"

    assert format_sql(statement).splitlines() == [
        "CREATE TABLE geo.t (",
        "  i INTEGER,",
        "  v CHARACTER VARYING(8),",
        "  n NUMERIC(10, 2),",
        "  t TIMESTAMP WITH TIME ZONE",
        ")",
    ]
