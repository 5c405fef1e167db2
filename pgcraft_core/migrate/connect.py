"""Open the one connection of a session, and run statements on it as they are."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
import sqlalchemy
import sqlalchemy.exc
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from pgcraft_core.catalog.session import driver_of
from pgcraft_core.migrate.errors import InsufficientPrivilegeError
from pgcraft_core.migrate.translate import translate_error
from pgcraft_core.sql.identifiers import quote_identifier

_WITHOUT_EFFECT = {"01007", "01006"}
"""`privilege_not_granted` and `privilege_not_revoked`."""

_PARAMETERS: Mapping[str, Any] = {
    "connect_timeout": 10,
    # A peer that vanished is noticed within a minute, on both sides, so that its lock on the database goes.
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # Authors' expressions see pg_catalog only: what is elsewhere is named with its schema.
    "options": "-c search_path=pg_catalog -c standard_conforming_strings=on -c statement_timeout=0"
    " -c idle_in_transaction_session_timeout=60s",
}


def connect(url: str, application_name: str) -> Connection:
    """Open a connection to a database.

    Raises:
        DatabaseUnavailableError: it does not answer, or refuses the login (CredentialsRefusedError).
    """
    try:
        engine = sqlalchemy.create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(url, application_name=application_name, **_PARAMETERS),
            poolclass=NullPool,
        )
        connection = engine.connect()
        _notice_lost_client(driver_of(connection))
    except (psycopg.Error, sqlalchemy.exc.DBAPIError) as error:
        raise translate_error(error) from error
    return connection


def _notice_lost_client(driver: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Have the server end a statement soon after we are gone; not every platform's server can."""
    try:
        driver.execute("SET client_connection_check_interval = '2s'")
        driver.commit()
    except psycopg.errors.InvalidParameterValue:
        driver.rollback()


def is_open(connection: Connection) -> bool:
    """Whether statements can still be sent; SQLAlchemy gives up a connection that the server has ended."""
    return not connection.invalidated and not driver_of(connection).closed


def execute(connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
    """Run one statement and return its rows, none where it gives none; a percent sign without parameters is itself.

    Raises:
        InsufficientPrivilegeError: a GRANT or REVOKE did nothing, of which Postgres only warns.
        MigrationError: as `translate_error` says, with the statement.
    """
    driver = driver_of(connection)
    warnings: list[str] = []

    def keep(notice: psycopg.errors.Diagnostic) -> None:
        if notice.sqlstate in _WITHOUT_EFFECT:  # read here: afterwards the notice is empty
            warnings.append(notice.message_primary or "")

    driver.add_notice_handler(keep)
    try:
        cursor = driver.execute(cast("Any", statement), parameters)
        rows = cursor.fetchall() if cursor.description is not None else ()
    except psycopg.Error as error:
        raise translate_error(error, statement) from error
    finally:
        driver.remove_notice_handler(keep)
    if warnings:
        raise InsufficientPrivilegeError(f"{warnings[0]}, in: {statement}")
    return rows


@contextmanager
def transaction(
    connection: Connection, role: str | None = None, *, lock_timeout_ms: int = 0, one_snapshot: bool = False
) -> Generator[None]:
    """Run the block in a transaction, as `role` where given; commit at its end, roll back on any error.

    No statement waits longer than `lock_timeout_ms` (0: for ever) for a lock; with `one_snapshot` all of them see the
    same state.

    Raises:
        MigrationError: the commit failed, or a reading of the catalog in the block, as `translate_error` says.
    """
    driver = driver_of(connection)
    try:
        if one_snapshot:
            execute(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if lock_timeout_ms:
            execute(connection, f"SET LOCAL lock_timeout = '{lock_timeout_ms}ms'")
        if role is not None:
            execute(connection, f"SET LOCAL ROLE {quote_identifier(role)}")
        yield
        driver.commit()
    except (psycopg.Error, sqlalchemy.exc.DBAPIError) as error:
        roll_back(connection)
        raise translate_error(error) from error
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: Connection) -> None:
    """Roll back whatever is open; a connection that is gone has done so itself."""
    if is_open(connection):
        driver = driver_of(connection)
        try:
            driver.rollback()
        except psycopg.Error:
            driver.close()
