"""Run one planned migration: one transaction, recorded in the same transaction, tried again while others hold locks."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.engine import Connection

from pgcraft_core.catalog.read import read_catalog
from pgcraft_core.migrate.alembic_operations import VERIFIERS_OPTION
from pgcraft_core.migrate.batches import run_backfill
from pgcraft_core.migrate.connect import execute, transaction
from pgcraft_core.migrate.errors import LockTimeoutError, MigrationCancelledError
from pgcraft_core.migrate.history import check_unchanged, record_changes
from pgcraft_core.migrate.lock import check_lock
from pgcraft_core.migrate.record import Applied, record_migration
from pgcraft_core.migrate.script import ScriptBody, set_role, write_body
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.migrate.verify import verify_changes
from pgcraft_core.plan.model import PlannedMigration, RegistryChange
from pgcraft_core.plan.operations.backfill import Backfill
from pgcraft_core.plan.operations.base import Actor, Operation
from pgcraft_core.plan.operations.function import CreateFunction
from pgcraft_core.plan.operations.view import CreateView

LOCK_ATTEMPTS = 5
"""How often a migration is tried before others of the database get their turn; whoever asked comes back later."""
RELOAD = "NOTIFY pgrst, 'reload schema'"


def run_migration(
    connection: Connection,
    migration: PlannedMigration,
    settings: SessionSettings,
    verifiers: Mapping[str, str],
    stopping: threading.Event,
) -> Applied:
    """Apply a migration on a connection that holds the migration lock.

    A backfill, which is always a migration of its own, runs in batches, all else in one transaction. A statement that
    waits longer than the lock timeout for a table is given up with its whole transaction, so that nobody queues behind
    it, and tried again after a random pause.

    Raises:
        LockTimeoutError: others held the locks through all attempts; nothing was changed.
        MigrationError: as each statement says; nothing was changed.
    """
    backfill = next((step.operation for step in migration.operations if isinstance(step.operation, Backfill)), None)
    if backfill is not None:
        return run_backfill(connection, migration, backfill, settings, stopping)
    body = write_body(migration, settings.owner_role)
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            return _run_once(connection, migration, body, settings, verifiers, stopping)
        except LockTimeoutError as error:
            if attempt == LOCK_ATTEMPTS:
                raise LockTimeoutError(f"gave up after {attempt} attempts: {error}") from error
            # Longer than what we waited, by a random amount: whoever we got in the way of goes first.
            pause = settings.lock_timeout_ms / 1000 * random.uniform(0.5, min(attempt, 5))  # noqa: S311
            if stopping.wait(pause):
                raise MigrationCancelledError("stopped while waiting for locks; nothing was changed") from error
    raise AssertionError("the last attempt returns or raises")


def _run_once(
    connection: Connection,
    migration: PlannedMigration,
    body: ScriptBody,
    settings: SessionSettings,
    verifiers: Mapping[str, str],
    stopping: threading.Event,
) -> Applied:
    started_at = datetime.now(UTC)
    operations = [planned.operation for planned in migration.operations]
    # The lock timeout is well below deadlock_timeout (1 s), past which it is the client that is told of a deadlock.
    with transaction(connection, lock_timeout_ms=settings.lock_timeout_ms):
        check_lock(connection)
        execute(connection, set_role("owner", settings.owner_role))
        check_unchanged(connection, migration.changes)
        _invoke(connection, operations, settings, verifiers, stopping)
        execute(connection, set_role("owner", settings.owner_role))
        execute(connection, RELOAD)
        revision = record_migration(connection, migration, body, started_at, settings)
        catalog = read_catalog(connection, *_touched(migration.changes))
        made = {operation.target for operation in operations if isinstance(operation, CreateView | CreateFunction)}
        verify_changes(migration.changes, made, catalog, settings.owner_role)
        record_changes(connection, migration.changes, catalog, revision, settings)
    return Applied(revision, started_at, datetime.now(UTC), len(body.upgrade_statements))


def _invoke(
    connection: Connection,
    operations: Sequence[Operation],
    settings: SessionSettings,
    verifiers: Mapping[str, str],
    stopping: threading.Event,
) -> None:
    """Run the operations through Alembic, as whoever has to run each."""
    context = MigrationContext.configure(connection, opts={VERIFIERS_OPTION: verifiers})
    alembic = Operations(context)
    actor: Actor = "owner"
    for operation in operations:
        if stopping.is_set():  # between two statements there is nothing that a cancel could reach
            raise MigrationCancelledError("stopped between two statements; nothing was changed")
        if operation.actor != actor:
            actor = operation.actor
            execute(connection, set_role(actor, settings.owner_role))
        alembic.invoke(operation)


def _touched(changes: Sequence[RegistryChange]) -> tuple[set[str], set[str], set[str]]:
    """Return the schemas, the roles and the names within schemas whose rendering a migration can have changed."""
    named = [change.id for change in changes if change.id.kind in {"table", "view", "function"}]
    schemas = {change.id.schema for change in changes if change.id.schema}
    schemas |= {change.id.name for change in changes if change.id.kind == "schema"}
    roles = {change.id.name for change in changes if change.id.kind in {"role", "schema_grant"}}
    return schemas, roles, {identity.name for identity in named}
