"""What a dimension becomes is written down, and is what a real Postgres then holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgcraft_core.spec.dimension import Dimension
from playground.postgres import ScratchDatabase
from tests.corpus.corpus import FILES, FOLDER, expected_of, read_states, setup_of, write_sql
from tests.corpus.world import deploy, open_session, sql


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_sql_is_as_written_down(file: Path) -> None:
    assert write_sql(file) == expected_of(file).read_text()


def test_no_sql_is_left_over() -> None:
    known = {expected_of(file) for file in FILES} | {file.with_suffix(".before.sql") for file in FILES}
    assert set(FOLDER.glob("*.sql")) <= known


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_applied_it_is_what_was_declared_and_a_second_plan_is_empty(any_database: ScratchDatabase, file: Path) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        eye.execute(sql(setup_of(file)))
        for state in read_states(file):
            deploy(session, *state)
            for dimension in state:
                assert columns_of(eye, dimension) == declared_columns(dimension)
                assert comment_of(eye, dimension) == dimension.spec.comment
                assert grants_of(eye, dimension) == declared_grants(dimension)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_recorded_script_makes_the_same_again(database: ScratchDatabase, file: Path) -> None:
    """Downgrades and upgrades by the recorded scripts alone lead back to the very same catalog."""
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as eye:
        eye.execute(sql(setup_of(file)))
        for state in read_states(file):
            deploy(session, *state)
        held = everything(eye)
        query = "SELECT revision, script FROM pgcraft.revisions"
        scripts = {revision: load_script(text) for revision, text in eye.execute(sql(query)).fetchall()}
        with psycopg.connect(database.owner_url, autocommit=True, options="-c search_path=pg_catalog") as connection:
            chain = _in_order(scripts)
            for script in reversed(chain):
                run(script["downgrade"], script, connection)
            assert everything(eye)["columns"] == []
            for script in chain:
                run(script["upgrade"], script, connection)
        assert everything(eye) == held


def declared_columns(dimension: Dimension) -> dict[str, tuple[bool, str | None]]:
    key = dimension.spec.primary_key.columns or () if dimension.spec.primary_key else ()
    declared = {
        column.name: (not column.nullable or column.name in key, column.comment) for column in dimension.spec.columns
    }
    return declared | ({dimension.spec.generated_key: (True, None)} if dimension.spec.generated_key else {})


def columns_of(eye: psycopg.Connection[Any], dimension: Dimension) -> dict[str, tuple[bool, str | None]]:
    rows = eye.execute(
        """
        SELECT attname, attnotnull, col_description(attrelid, attnum)
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname = %s AND relname = %s AND attnum > 0 AND NOT attisdropped AND attname = ANY (%s)
        """,
        [dimension.spec.schema_, dimension.table_name, list(declared_columns(dimension))],
    )
    return {name: (not_null, comment) for name, not_null, comment in rows.fetchall()}


def comment_of(eye: psycopg.Connection[Any], dimension: Dimension) -> str | None:
    row = eye.execute(
        "SELECT obj_description(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = %s AND relname = %s",
        [dimension.spec.schema_, dimension.table_name],
    ).fetchone()
    assert row is not None
    return row[0]


def declared_grants(dimension: Dimension) -> set[tuple[str, str]]:
    api = dimension.spec.api
    if api is None or not api.expose:
        return set()
    return {(grant.role, privilege.upper()) for grant in api.grants for privilege in grant.privileges}


def grants_of(eye: psycopg.Connection[Any], dimension: Dimension) -> set[tuple[str, str]]:
    schema, name = dimension.api_view or ("", "")
    rows = eye.execute(
        """
        SELECT a.grantee::regrole::text, a.privilege_type
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace, aclexplode(relacl) a
        WHERE nspname = %s AND relname = %s AND a.grantee <> relowner
        """,
        [schema, name],
    )
    return set(rows.fetchall())


def load_script(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, "revision.py", "exec"), names)
    return names


def run(step: Any, names: dict[str, Any], connection: psycopg.Connection[Any]) -> None:
    names["execute"] = connection.execute
    with connection.transaction():
        step()


def _in_order(scripts: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    after = {script["down_revision"]: script for script in scripts.values()}
    chain: list[dict[str, Any]] = []
    while (following := after.get(chain[-1]["revision"] if chain else None)) is not None:
        chain.append(following)
    return chain


def everything(eye: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """Return columns, constraints, indexes, views, comments and grants of all that was made, as Postgres has them."""
    ours = "(SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^pgcraft$|^legacy$')"
    return {
        "columns": eye.execute(
            sql(f"""
            SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
                   attgenerated, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE relnamespace IN {ours} AND relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2
            """)
        ).fetchall(),
        "constraints": eye.execute(
            sql(f"""
            SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), obj_description(oid)
            FROM pg_constraint WHERE connamespace IN {ours} AND contypid = 0 ORDER BY 1, 2
            """)
        ).fetchall(),
        "relations": eye.execute(
            sql(f"""
            SELECT oid::regclass::text, relkind, relacl::text, obj_description(oid), reloptions,
                   CASE relkind WHEN 'i' THEN pg_get_indexdef(oid) WHEN 'v' THEN pg_get_viewdef(oid) END
            FROM pg_class WHERE relnamespace IN {ours} AND relkind IN ('r', 'v', 'i') ORDER BY 1
            """)
        ).fetchall(),
    }
