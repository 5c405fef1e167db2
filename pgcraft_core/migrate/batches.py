"""Run a change of many rows in batches, each a transaction of its own, so that no writer waits for more than one."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.engine import Connection

from pgcraft_core.migrate.connect import execute, is_open, transaction
from pgcraft_core.migrate.errors import LockTimeoutError, MigrationCancelledError, MigrationError, StatementFailedError
from pgcraft_core.migrate.history import read_registry
from pgcraft_core.migrate.lock import check_lock
from pgcraft_core.migrate.record import Applied, record_migration
from pgcraft_core.migrate.script import set_role, write_body
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.plan import ddl
from pgcraft_core.plan.model import PlannedMigration
from pgcraft_core.plan.operations.backfill import Backfill

BATCH_ROWS = 1000
"""Rows a transaction changes: some tens of milliseconds, after which whoever waits for one of them has its turn."""

FRUITLESS_PASSES = 5
"""How often in a row nothing could be done because others held the rows; whoever asked comes back later."""

MOST_REFUSALS = 10
"""From so many refused rows on, a batch that is refused is not searched for the rows to blame any more."""

_CURSOR = "pgcraft_backfill"


@dataclass(frozen=True, slots=True)
class _Run:
    """A backfill on a connection that holds the migration lock."""

    connection: Connection
    operation: Backfill
    settings: SessionSettings
    stopping: threading.Event


def run_backfill(
    connection: Connection,
    migration: PlannedMigration,
    operation: Backfill,
    settings: SessionSettings,
    stopping: threading.Event,
) -> Applied:
    """Change the rows that are left to do until there are none, and record the migration.

    The rows are found once a pass, by their place: a search for each batch would wade through what is done already.
    Rows that others hold are passed over, and left to a further pass. Whatever ends it, what was done stays done, and
    the next plan goes on with the rest.

    Raises:
        LockTimeoutError: others held the rows that are left, or the table, through all passes.
        MigrationCancelledError: it was told to stop.
        StatementFailedError: Postgres refuses some rows; all others are done.
        MigrationError: what was to come before is not there, or as Postgres says.
    """
    started_at = datetime.now(UTC)
    run = _Run(connection, operation, settings, stopping)
    _check_start(run, migration)
    body = write_body(migration, settings.owner_role)
    fruitless = 0
    while _is_left(run):
        fruitless = 0 if _run_pass(run) else fruitless + 1
        if fruitless == FRUITLESS_PASSES:
            raise LockTimeoutError(
                f"{operation.describe()}: other sessions hold the rows that are left; the others are done"
            )
        if fruitless and stopping.wait(settings.lock_timeout_ms / 1000 * random.uniform(0.5, fruitless)):  # noqa: S311
            raise _stopped(operation)
    with _batch(run):
        revision = record_migration(connection, migration, body, started_at, settings)
    return Applied(revision, started_at, datetime.now(UTC), len(body.upgrade_statements))


def _check_start(run: _Run, migration: PlannedMigration) -> None:
    """Check that the table is what the plan takes it for: what was to come before may have failed.

    Raises:
        MigrationError: it is not.
    """
    with _batch(run):
        entries = read_registry(run.connection).entries
    for change in migration.changes:
        entry = entries.get(change.id)
        if entry is None or entry.fingerprint != change.before:
            raise MigrationError(f"{run.operation.describe()}: {change.id} is not yet what it has to be for this")


def _is_left(run: _Run) -> bool:
    operation = run.operation
    statement = f"SELECT EXISTS (SELECT FROM {ddl.qualified(operation.table)} WHERE {operation.remaining})"
    with _batch(run):
        execute(run.connection, "SET LOCAL enable_seqscan = off")  # where there is an index, none is found at once
        return bool(execute(run.connection, statement)[0][0])


def _run_pass(run: _Run) -> int:
    """Change the rows that are left now and that nobody holds, and return how many.

    Raises:
        StatementFailedError: Postgres refused some rows, each tried by itself; all others are done.
    """
    changed = 0
    refusals: list[StatementFailedError] = []
    try:
        with _found_rows(run):
            while places := _next_places(run):
                changed += _change(run, places, refusals)
    except LockTimeoutError:
        pass  # somebody holds the table: nothing is lost, and the next pass finds what is left
    if refusals:
        raise refusals[0]
    return changed


@contextmanager
def _found_rows(run: _Run) -> Generator[None]:
    """Hold the places of all rows that are left in a cursor, which outlives the transactions of the batches."""
    operation = run.operation
    query = f"SELECT ctid FROM {ddl.qualified(operation.table)} WHERE {operation.remaining}"
    with _batch(run):
        execute(run.connection, f"DECLARE {_CURSOR} NO SCROLL CURSOR WITH HOLD FOR {query}")
    try:
        yield
    finally:
        if is_open(run.connection):
            with transaction(run.connection):
                execute(run.connection, f"CLOSE {_CURSOR}")


def _next_places(run: _Run) -> Sequence[str]:
    """Return where the next rows of the cursor were found, nothing at its end."""
    with _batch(run):
        return [place for (place,) in execute(run.connection, f"FETCH {BATCH_ROWS} FROM {_CURSOR}")]


def _change(run: _Run, places: Sequence[str], refusals: list[StatementFailedError]) -> int:
    """Change the rows of these places and return how many; those that Postgres refuses are left, and what it says kept.

    One bad row is found by halves, and keeps no other from being done.
    """
    try:
        return _run_batch(run, places)
    except StatementFailedError as error:
        if len(places) == 1:
            refusals.append(error)
        if len(places) == 1 or len(refusals) >= MOST_REFUSALS:
            return 0
    middle = len(places) // 2
    return _change(run, places[:middle], refusals) + _change(run, places[middle:], refusals)


def _run_batch(run: _Run, places: Sequence[str]) -> int:
    """Change the rows of these places in a transaction, and return how many.

    Whoever wrote one of them since it was found has put another row in its place, which is looked at again.
    """
    if run.stopping.is_set():
        raise _stopped(run.operation)
    table, remaining = ddl.qualified(run.operation.table), run.operation.remaining
    found = ", ".join(ddl.quote_literal(place) for place in places)
    with _batch(run):
        ((changed, left),) = execute(
            run.connection,
            f"WITH changed AS (\n"
            f"  UPDATE {table} SET {run.operation.assignment}\n"
            f"  WHERE ctid = ANY (ARRAY(\n"
            f"    SELECT ctid FROM {table}\n"
            f"    WHERE ctid = ANY (ARRAY[{found}]::tid[]) AND {remaining}\n"
            f"    FOR UPDATE SKIP LOCKED\n"
            f"  ))\n"
            f"  RETURNING {remaining} AS is_left\n"
            f")\n"
            f"SELECT count(*), count(*) FILTER (WHERE is_left) FROM changed",
        )
        if left:
            raise MigrationError(f"{run.operation.describe()}: {left} rows of a batch stay as they are; it was undone")
    return changed


@contextmanager
def _batch(run: _Run) -> Generator[None]:
    """Run the block in a transaction of its own as the owner role, with the migration lock still held."""
    with transaction(run.connection, lock_timeout_ms=run.settings.lock_timeout_ms):
        check_lock(run.connection)
        execute(run.connection, set_role("owner", run.settings.owner_role))
        yield


def _stopped(operation: Backfill) -> MigrationCancelledError:
    return MigrationCancelledError(f"stopped between two batches of: {operation.describe()}; what is done stays done")
