"""API roles and logins have what was declared for them, and passwords show nowhere."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from pgcraft_core.migrate.errors import MigrationError
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.spec.dimension import Dimension
from playground.postgres import PostgresServer, ScratchDatabase
from tests.corpus.world import (
    FINGERPRINTS,
    VERIFIER,
    dimension,
    login_of,
    postgrest,
    said,
)
from tests.postgres.attack_world import CODE, LOGIN, apply, plan, query, session_on


def test_the_verifier_is_kept_nowhere_but_in_the_login(
    any_database: ScratchDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api = postgrest(schemas=["api"], authenticator={"name": LOGIN})
    with session_on(any_database) as session:
        shown = apply(session, api, **login_of(api)).migrations[0]
        (rotation,) = plan(session, api, **login_of(api, FINGERPRINTS[1])).migrations
        query(any_database, f"DROP ROLE {LOGIN}")
        with pytest.raises(MigrationError) as failure:
            session.apply(rotation, dict.fromkeys(FINGERPRINTS, VERIFIER))
    secret = VERIFIER.split("$")[2]
    dump = query(
        any_database, "SELECT objects::text FROM pgcraft.objects UNION ALL SELECT r::text FROM pgcraft.revisions r"
    )
    told = [
        shown.sql,
        shown.message,
        repr(shown),
        str(failure.value),
        repr(failure.value),
        caplog.text,
        *map(str, dump),
    ]
    assert [text for text in told if secret in text] == []
    assert FINGERPRINTS[0] in str(dump)


EVERY_PRIVILEGE = ["select", "insert", "update", "delete", "truncate", "references", "trigger"]


def privileges(database: ScratchDatabase, role: str) -> dict[str, set[str]]:
    """Return all that a role may do with relations outside Postgres's own schemas."""
    rows = query(
        database,
        f"""
        SELECT c.oid::regclass::text, p FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN unnest(ARRAY{EVERY_PRIVILEGE}) AS p
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'v', 'm', 'p', 'S')
           AND CASE c.relkind WHEN 'S' THEN p IN ('select', 'update') AND has_sequence_privilege('{role}', c.oid, p)
                    ELSE has_table_privilege('{role}', c.oid, p) OR (p <> ALL ('{{delete,truncate,trigger}}')
                         AND has_any_column_privilege('{role}', c.oid, p)) END
        """,
    )
    return {name: {privilege for found, privilege in rows if found == name} for name, _ in rows}


def usable_schemas(database: ScratchDatabase, role: str) -> set[tuple[str, str]]:
    rows = query(
        database,
        f"""
        SELECT nspname, p FROM pg_namespace CROSS JOIN unnest(ARRAY['usage', 'create']) AS p
         WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND has_schema_privilege('{role}', oid, p)
        """,
    )
    return set(rows) - {("public", "usage")}


def test_roles_have_what_is_declared_and_lose_what_is_not(any_database: ScratchDatabase) -> None:
    api = postgrest(schemas=["api"], anonymousRole={"name": "anon"}, roles=[{"name": "editor"}])

    def granted(**grants: Sequence[str]) -> Dimension:
        given = [{"role": role, "privileges": list(names)} for role, names in grants.items()]
        return dimension("victim", CODE, api={"schema": "api", "grants": given})

    every = ["select", "insert", "update", "delete"]
    with session_on(any_database) as session:
        for grants in (
            {"anon": ["select"], "editor": every},
            {"anon": every, "editor": ["select"]},
            {"anon": ["select"]},
            {"editor": ["insert"]},
            {},
        ):
            apply(session, api, granted(**grants))
            for role in ("anon", "editor"):
                assert privileges(any_database, role) == ({"api.victim": set(grants[role])} if role in grants else {})
                assert usable_schemas(any_database, role) == {("api", "usage")}
        apply(session, api, granted(anon=every))
        apply(session, api)
        assert privileges(any_database, "anon") == {}
        apply(session, granted())
        assert usable_schemas(any_database, "anon") == set()
        assert query(any_database, "SELECT has_schema_privilege('anon', 'pgcraft', 'usage')") == [(False,)]


def test_a_login_keeps_the_password_of_the_api_that_holds_it(database: ScratchDatabase) -> None:
    """Two APIs that claim one login: the second is refused, and its password goes nowhere."""
    mine = postgrest("api", schemas=["api"], authenticator={"name": LOGIN})
    thief = postgrest("thief", schemas=["api"], authenticator={"name": LOGIN})
    with session_on(database) as session:
        apply(session, mine, **login_of(mine))
        both = {"verifier_fingerprints": {**login_of(mine)["verifier_fingerprints"], CLAIM: FINGERPRINTS[1]}}
        planned = apply(session, mine, thief, **both)
    assert planned.is_empty
    assert "already declared" in said(planned)


CLAIM = Claimant("PostgREST", "platform", "thief")


def test_a_server_that_logs_ddl_does_not_log_the_verifier(postgres: PostgresServer, database: ScratchDatabase) -> None:
    query(database, f'ALTER DATABASE "{database.name}" SET log_statement = ddl')
    query(database, f'ALTER DATABASE "{database.name}" SET log_min_messages = log')
    api = postgrest("api", schemas=["api"], authenticator={"name": LOGIN})
    before = len(postgres.log)
    with session_on(database) as session:
        apply(session, api, **login_of(api))
    logged = postgres.log[before:]
    assert "CREATE ROLE" in logged
    assert VERIFIER not in logged
