"""The world of the attacks: an author who was given schemas geo and api of a database, and wants more."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg

from pgcraft_core.compile.policy import allowed_schemas
from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.model import Plan
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.postgrest import PostgREST
from playground.postgres import ScratchDatabase
from tests.corpus.world import (
    API,
    FINGERPRINTS,
    READER,
    VERIFIER,
    WRITER,
    compiled,
    dimension,
    open_session,
    warehouse,
)

OWNER, LOGIN = "the_owner", "warehouse_authenticator"
DATABASE = warehouse(
    owner=OWNER,
    allowedNamespaces=[
        {"namespace": "team-geo", "schemas": ["geo", "api"], "roles": [READER, WRITER]},
        {"namespace": "team-sea", "schemas": ["geo", "api", "sea"], "roles": [READER, WRITER]},
    ],
)
CODE = {"name": "code", "type": "text"}
EVIL, VICTIM = Claimant("Dimension", "team-geo", "evil"), Claimant("Dimension", "team-sea", "victim")


def evil(*columns: dict[str, Any], **spec: Any) -> Dimension:
    return dimension("evil", *(columns or (CODE,)), namespace="team-geo", **spec)


def victim(*columns: dict[str, Any], **spec: Any) -> Dimension:
    return dimension("victim", *(columns or (CODE,)), namespace="team-sea", **{"api": API, **spec})


@contextmanager
def session_on(database: ScratchDatabase, owner: str = OWNER) -> Generator[Session]:
    with open_session(
        database, owner_role=owner, allowed_schemas=lambda claimant: allowed_schemas(claimant.namespace, DATABASE)
    ) as session:
        yield session


def plan(session: Session, *resources: Dimension | PostgREST, **given: Any) -> Plan:
    return session.plan(compiled(*resources, database=DATABASE, server_version=session.server_version, **given))


def apply(session: Session, *resources: Dimension | PostgREST, **given: Any) -> Plan:
    """Apply all that is ready, and see that nothing more is then ready."""
    planned = plan(session, *resources, **given)
    for migration in planned.migrations:
        session.apply(migration, dict.fromkeys(FINGERPRINTS, VERIFIER))
    assert plan(session, *resources, **given).migrations == ()
    return planned


def query(database: ScratchDatabase, statement: str) -> list[Any]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # ty: ignore[no-matching-overload]
        return cursor.fetchall() if cursor.description else []


CANARY = "CREATE TABLE public.canary AS SELECT 1 AS alive"
