"""Schemas, tables, types and roles that a namespace was not given stay out of its reach."""

from __future__ import annotations

from typing import Any

import pytest

from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.load import load_resource
from playground.postgres import ScratchDatabase
from tests.corpus.world import (
    API,
    compiled,
    dimension,
    login_of,
    postgrest,
    said,
)
from tests.postgres.attack_world import CODE, DATABASE, EVIL, LOGIN, OWNER, apply, evil, plan, query, session_on, victim

BEYOND: dict[str, dict[str, Any]] = {
    "schema": {"schema": "sea"},
    "schema that does not exist": {"schema": "elsewhere"},
    "API schema": {"api": {"schema": "sea"}},
    "superuser": {"api": {"schema": "api", "grants": [{"role": "postgres", "privileges": ["select"]}]}},
    "owner": {"api": {"schema": "api", "grants": [{"role": OWNER, "privileges": ["select"]}]}},
    "authenticator": {"api": {"schema": "api", "grants": [{"role": LOGIN, "privileges": ["select"]}]}},
    "PUBLIC as a name": {"api": {"schema": "api", "grants": [{"role": "PUBLIC", "privileges": ["select"]}]}},
    "hidden API": {"api": {"expose": False, "grants": [{"role": "postgres", "privileges": ["select"]}]}},
    "table": {"columns": [CODE | {"references": {"table": {"schema": "sea", "name": "secret"}, "column": "code"}}]},
    "table that does not exist": {
        "columns": [CODE | {"references": {"table": {"schema": "sea", "name": "nothing"}, "column": "code"}}]
    },
    "dimension": {
        "columns": [{"name": "r", "type": "bigint", "references": {"dimension": "deep", "namespace": "team-sea"}}]
    },
    "dimension, by several columns": {
        "columns": [{"name": "r", "type": "bigint"}],
        "foreignKeys": [{"name": "f", "columns": ["r"], "references": {"dimension": "deep", "namespace": "team-sea"}}],
    },
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_was_not_given_is_denied_by_name_alone(database: ScratchDatabase, name: str) -> None:
    query(database, "CREATE SCHEMA sea; GRANT ALL ON SCHEMA sea TO PUBLIC; CREATE TABLE sea.secret (code text UNIQUE)")
    spec = dict(BEYOND[name])
    columns: list[dict[str, Any]] = spec.pop("columns", [CODE])
    with session_on(database) as session:
        deep = dimension("deep", CODE, namespace="team-sea", schema="sea")
        planned = apply(session, evil(*columns, **spec), deep)
    assert {finding.reason for finding in planned.diagnostics[EVIL]} == {"PolicyDenied"}
    assert planned.diagnostics.keys() == {EVIL}
    assert query(database, "SELECT to_regclass('geo.evil')") == [(None,)]


@pytest.mark.parametrize("type_", ["sea.mood", "sea.mood[]", "information_schema.sql_identifier"])
def test_types_of_other_schemas_are_denied(database: ScratchDatabase, type_: str) -> None:
    query(database, "CREATE SCHEMA sea; CREATE TYPE sea.mood AS ENUM ('calm'); GRANT USAGE ON SCHEMA sea TO PUBLIC")
    with session_on(database) as session:
        apply(session, victim())
        planned = apply(session, evil({"name": "m", "type": type_}), victim())
    assert "may not be used by this dimension" in said(planned)
    assert planned.diagnostics.keys() == {EVIL}


@pytest.mark.parametrize(
    "spec",
    [
        {"schema": "pgcraft"},
        {"schema": "pg_catalog"},
        {"schema": "information_schema"},
        {"api": {"schema": "pgcraft"}},
        {"api": {"grants": [{"role": "public", "privileges": ["select"]}]}},
        {"api": {"grants": [{"role": "pg_read_all_data", "privileges": ["select"]}]}},
        {"columns": [CODE | {"references": {"table": {"schema": "pgcraft", "name": "objects"}, "column": "name"}}]},
        {"columns": [{"name": "tableoid", "type": "oid"}]},
        {"columns": [{"name": "a\x00b", "type": "text"}]},
        {"columns": [{"name": "a\nb", "type": "text"}]},
        {"columns": [{"name": "é" * 32, "type": "text"}]},
        {"columns": [CODE], "comment": "\x00"},
        {"columns": [CODE | {"check": "\x00"}]},
        {"plugins": [{"name": "table", "config": {"sql": "drop"}}]},
    ],
)
def test_what_is_nobodys_is_refused_before_any_database_is_asked(spec: dict[str, Any]) -> None:
    loaded = load_resource(
        {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": "Dimension",
            "metadata": {"name": "evil", "namespace": "platform"},
            "spec": {"databaseRef": {"name": "warehouse", "namespace": "platform"}, **spec},
        }
    )
    if isinstance(loaded, Dimension):
        (unit,) = compiled(loaded, database=DATABASE)
        loaded = list(unit.diagnostics)
    assert isinstance(loaded, list)
    assert loaded


@pytest.mark.parametrize("namespace", ["team-geo", "platform"])
@pytest.mark.parametrize(
    "spec",
    [
        {"authenticator": {"name": OWNER}},
        {"roles": [{"name": OWNER}]},
        {"roles": [{"name": OWNER, "create": False}]},
        {"roles": [{"name": "writer2", "inherits": [OWNER]}]},
        {"anonymousRole": {"name": OWNER, "create": False}},
    ],
)
def test_no_request_ever_runs_as_the_owner(database: ScratchDatabase, namespace: str, spec: dict[str, Any]) -> None:
    """The owner role carries our mark, so it would not be a stranger's either."""
    with session_on(database) as session:
        apply(session, victim())
        api = postgrest("mine", namespace=namespace, schemas=["geo"], **spec)
        planned = apply(session, api, victim(), **login_of(api))
    assert "PolicyDenied" in {finding.reason for found in planned.diagnostics.values() for finding in found}
    assert query(
        database,
        f"""
        SELECT rolcanlogin, rolpassword, (SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
                                           WHERE m.roleid = a.oid AND r.rolname <> '{database.owner}')
          FROM pg_authid a WHERE rolname = '{OWNER}'
        """,
    ) == [(False, None, 0)]


def test_a_role_that_was_not_given_becomes_nobodys_login(database: ScratchDatabase) -> None:
    """A released role keeps what it may do elsewhere; its name is not to be had by asking first."""
    finance = postgrest("api", schemas=["api"], roles=[{"name": "finance"}])
    with session_on(database) as session:
        apply(session, finance)
        apply(session)
        mine = postgrest("mine", namespace="team-geo", schemas=["geo"], authenticator={"name": "finance"})
        planned = apply(session, mine, **login_of(mine))
    assert "may not use role finance" in said(planned)
    assert query(database, "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'finance'") == [
        (False, None)
    ]


TAKEN: dict[str, dict[str, Any]] = {
    "the table": {"table": "victim"},
    "the view's name": {"api": {**API, "name": "victim"}},
    "a view in the table's place": {"api": {**API, "schema": "geo", "name": "victim"}},
    "a table in the view's place": {"schema": "api", "table": "victim"},
    "a table in its index's place": {"table": "victim_pkey"},
    "a table in its sequence's place": {"table": "victim_id_seq"},
}


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("gone", [False, True], ids=["", "deleted"])
def test_what_another_has_cannot_be_taken(database: ScratchDatabase, name: str, gone: bool) -> None:
    with session_on(database) as session:
        apply(session, victim())
        query(database, "INSERT INTO geo.victim (code) VALUES ('mine')")
        if gone:
            apply(session)
        others = [] if gone else [victim()]
        planned = plan(session, evil(**TAKEN[name]), *others)
        if gone and "view's" in name:  # a view holds nothing, and its name is free again
            assert not planned.diagnostics
        else:
            assert [finding.reason for finding in planned.diagnostics[EVIL]] == ["Conflict"]
            assert not planned.migrations
        apply(session, evil(**TAKEN[name]), *others)
    assert query(database, "SELECT code FROM geo.victim") == [("mine",)]


@pytest.mark.parametrize("former", ["tableoid", "ctid", "victim.code", 'code"; DROP TABLE geo.victim; --'])
def test_renamed_from_reaches_own_columns_only(database: ScratchDatabase, former: str) -> None:
    with session_on(database) as session:
        apply(session, victim(), evil())
        assert not said(apply(session, victim(), evil(CODE, {"name": "x", "type": "text", "renamedFrom": former})))
    assert query(database, "SELECT code, x FROM geo.evil UNION ALL SELECT code, code FROM geo.victim") == []
