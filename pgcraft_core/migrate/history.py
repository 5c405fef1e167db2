"""The history in the database: revisions, Alembic's version, and the registry of every object we own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy.engine import Connection

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.registry import Registry, RegistryEntry
from pgcraft_core.catalog.rendering import render
from pgcraft_core.catalog.session import driver_of
from pgcraft_core.migrate.connect import execute
from pgcraft_core.migrate.errors import RegistryConflictError
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.migrate.translate import translate_error
from pgcraft_core.plan.model import RegistryChange
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.objects import parse_definition
from pgcraft_core.schema.unit import Claimant


@dataclass(frozen=True, slots=True)
class Revision:
    """One row of the history, as it is written when its migration commits."""

    revision: str
    down_revision: str | None
    message: str
    plan_hash: str
    script: str
    upgrade_sql: str
    downgrade_sql: str
    duration: timedelta


def read_registry(connection: Connection) -> Registry:
    """Return all entries, and the head revision; an empty registry where nothing was ever applied."""
    if execute(connection, "SELECT to_regclass('pgcraft.objects')")[0][0] is None:
        return Registry()
    rows = execute(
        connection,
        """
        SELECT kind, schema, name, owner_id, resource_kind, resource_namespace, resource_name,
               state, definition, fingerprint, rendering, revision
        FROM pgcraft.objects
        """,
    )
    entries = [
        RegistryEntry(
            id=ObjectId(row[0], row[1], row[2]),
            owner_id=row[3],
            claimant=Claimant(row[4], row[5], row[6]),
            state=row[7],
            object=parse_definition(row[0], row[8]),
            fingerprint=row[9],
            rendering=row[10],
            revision=row[11],
        )
        for row in rows
    ]
    return Registry({entry.id: entry for entry in entries}, read_head(connection), installed=True)


def read_head(connection: Connection) -> str | None:
    """Return the revision the database is at, None before the first."""
    rows = execute(connection, "SELECT version_num FROM pgcraft.alembic_version")
    return rows[0][0] if rows else None


def check_unchanged(connection: Connection, changes: Iterable[RegistryChange]) -> None:
    """Check that the registry still says what the plan was made from, and keep others from changing it meanwhile.

    Raises:
        RegistryConflictError: it does not; plan again.
    """
    execute(connection, "LOCK TABLE pgcraft.objects IN SHARE ROW EXCLUSIVE MODE")
    rows = execute(connection, "SELECT kind, schema, name, fingerprint FROM pgcraft.objects")
    recorded = {ObjectId(row[0], row[1], row[2]): row[3] for row in rows}
    for change in changes:
        if recorded.get(change.id) != change.before:
            raise RegistryConflictError(f"{change.id} was changed by somebody else since the plan was made; plan again")


def record_revision(connection: Connection, revision: Revision, settings: SessionSettings) -> None:
    """Write a revision and move Alembic's version to it."""
    execute(
        connection,
        """
        INSERT INTO pgcraft.revisions
          (revision, down_revision, owner_id, message, plan_hash, script,
           upgrade_sql, downgrade_sql, applied_by, duration)
        VALUES
          (%(revision)s, %(down_revision)s, %(owner_id)s, %(message)s, %(plan_hash)s, %(script)s, %(upgrade_sql)s,
           %(downgrade_sql)s, %(applied_by)s, %(duration)s)
        """,
        {
            "revision": revision.revision,
            "down_revision": revision.down_revision,
            "owner_id": settings.owner_id,
            "message": revision.message,
            "plan_hash": revision.plan_hash,
            "script": revision.script,
            "upgrade_sql": revision.upgrade_sql,
            "downgrade_sql": revision.downgrade_sql,
            "applied_by": settings.actor,
            "duration": revision.duration,
        },
    )
    execute(connection, "DELETE FROM pgcraft.alembic_version")
    execute(
        connection,
        "INSERT INTO pgcraft.alembic_version (version_num) VALUES (%(revision)s)",
        {"revision": revision.revision},
    )


def record_changes(
    connection: Connection,
    changes: Iterable[RegistryChange],
    catalog: Catalog,
    revision: str,
    settings: SessionSettings,
) -> None:
    """Bring the registry to what it says after a migration, with Postgres's own rendering of each object."""
    kept = [change for change in changes if change.object is not None]
    gone = [change for change in changes if change.object is None]
    try:
        with driver_of(connection).cursor() as cursor:
            cursor.executemany(
                "DELETE FROM pgcraft.objects WHERE kind = %s AND schema = %s AND name = %s",
                [(change.id.kind, change.id.schema, change.id.name) for change in gone],
            )
            cursor.executemany(_UPSERT, [_row(change, catalog, revision, settings) for change in kept])
    except psycopg.Error as error:
        raise translate_error(error, _UPSERT) from error


_UPSERT = """
    INSERT INTO pgcraft.objects
      (kind, schema, name, owner_id, resource_kind, resource_namespace, resource_name, cluster, state,
       definition, fingerprint, rendering, revision)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (kind, schema, name) DO UPDATE SET
      owner_id = excluded.owner_id,
      resource_kind = excluded.resource_kind,
      resource_namespace = excluded.resource_namespace,
      resource_name = excluded.resource_name,
      cluster = excluded.cluster,
      state = excluded.state,
      definition = excluded.definition,
      fingerprint = excluded.fingerprint,
      rendering = excluded.rendering,
      revision = excluded.revision
"""


def _row(change: RegistryChange, catalog: Catalog, revision: str, settings: SessionSettings) -> tuple[object, ...]:
    assert change.object is not None  # noqa: S101  (callers pass what stays)
    claimant = change.claimant
    return (
        change.id.kind,
        change.id.schema,
        change.id.name,
        settings.owner_id,
        claimant.kind,
        claimant.namespace,
        claimant.name,
        settings.cluster,
        change.state,
        Jsonb(change.object.definition()),
        change.after,
        Jsonb(render(catalog, change.id)),
        revision,
    )
