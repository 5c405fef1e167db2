"""One writer a database: a session advisory lock, held by the very connection that executes."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from sqlalchemy.engine import Connection

from pgcraft_core.catalog.session import driver_of
from pgcraft_core.migrate.connect import execute, is_open, roll_back
from pgcraft_core.migrate.errors import AnotherWriterError

LOCK_KEY = int.from_bytes(hashlib.sha256(b"pgcraft.io/migrations").digest()[:8], signed=True)
"""The same in every release: two releases must not write at once either."""


@contextmanager
def only_writer(connection: Connection) -> Generator[None]:
    """Hold the migration lock of the database while the block runs.

    Tried and never waited for: a session that waits holds a snapshot, which CREATE INDEX CONCURRENTLY waits for.

    Raises:
        AnotherWriterError: another session holds it; the message names its application and process.
    """
    got = execute(connection, "SELECT pg_try_advisory_lock(%(key)s)", {"key": LOCK_KEY})[0][0]
    if not got:
        holder = _holder(connection)
        roll_back(connection)
        raise AnotherWriterError(f"another session is migrating this database ({holder}); it is tried again")
    driver_of(connection).commit()
    try:
        yield
    finally:
        # A connection that is gone has lost the lock with it.
        if is_open(connection):
            driver = driver_of(connection)
            try:
                driver.rollback()
                driver.execute("SELECT pg_advisory_unlock(%(key)s)", {"key": LOCK_KEY})
                driver.commit()
            except psycopg.Error:
                driver.close()


def check_lock(connection: Connection) -> None:
    """Check that this session still holds the lock.

    Raises:
        AnotherWriterError: it does not, for example because a pooler stands between us and the database.
    """
    held = execute(
        connection,
        """
        SELECT EXISTS (
          SELECT FROM pg_locks
          WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
            AND ((classid::bigint << 32) | objid::bigint) = %(key)s AND objsubid = 1
        )
        """,
        {"key": LOCK_KEY},
    )[0][0]
    if not held:
        raise AnotherWriterError(
            "the migration lock was lost; connect to the database directly, not through a connection pooler"
        )


def _holder(connection: Connection) -> str:
    rows = execute(
        connection,
        """
        SELECT activity.application_name, lock.pid
        FROM pg_locks AS lock
        LEFT JOIN pg_stat_activity AS activity USING (pid)
        WHERE lock.locktype = 'advisory' AND lock.granted
          AND ((lock.classid::bigint << 32) | lock.objid::bigint) = %(key)s AND lock.objsubid = 1
        """,
        {"key": LOCK_KEY},
    )
    return f"{rows[0][0] or 'unknown application'}, process {rows[0][1]}" if rows else "it has just ended"
