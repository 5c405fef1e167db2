"""Record a migration as a revision: the same for one that ran in one transaction and one that ran in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.engine import Connection

from pgcraft_core.migrate.history import Revision, read_head, record_revision
from pgcraft_core.migrate.script import ScriptBody, revision_id, write_script
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.plan.model import PlannedMigration


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a migration; `statements` counts the SQL statements of its operations."""

    revision: str
    started_at: datetime
    finished_at: datetime
    statements: int


def record_migration(
    connection: Connection,
    migration: PlannedMigration,
    body: ScriptBody,
    started_at: datetime,
    settings: SessionSettings,
) -> str:
    """Write the revision of a migration on top of the one the database is at, and return it.

    Raises:
        MigrationError: as Postgres says.
    """
    down_revision = read_head(connection)
    revision = revision_id(migration.plan_hash, down_revision)
    record_revision(
        connection,
        Revision(
            revision=revision,
            down_revision=down_revision,
            message=migration.message,
            plan_hash=migration.plan_hash,
            script=write_script(migration, body, revision, down_revision, started_at),
            upgrade_sql=_as_text(body.upgrade_statements),
            downgrade_sql=_as_text(body.downgrade_statements),
            duration=datetime.now(UTC) - started_at,
        ),
        settings,
    )
    return revision


def _as_text(statements: Sequence[str]) -> str:
    return "".join(f"{statement};\n" for statement in statements)
