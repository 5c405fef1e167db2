"""The conditions under which catalogs are read: one snapshot where possible, every name rendered with its schema."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import Connection

_PINNED = {
    "search_path": "pg_catalog, pg_temp",  # named last, pg_temp hides nothing: a scratch table called `date`, for one
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}
_AS_IT_STANDS = {"no_parameters": True}


def driver_of(connection: Connection) -> psycopg.Connection[tuple[Any, ...]]:
    """Return psycopg's connection, for statements that are to be sent exactly as they are written."""
    driver = connection.connection.dbapi_connection
    # SQLAlchemy's adapter for asyncpg-like drivers would be something else; psycopg is the one driver we support.
    assert isinstance(driver, psycopg.Connection), driver  # noqa: S101
    return driver


@contextmanager
def consistent_reading(connection: Connection) -> Generator[None]:
    """Run the block in one repeatable-read, read-only transaction, or in the caller's where one has begun.

    What a running transaction of the caller already changed is seen as changed; how consistent the reading is, is then
    the caller's choice of isolation level.
    """
    driver = driver_of(connection)
    if driver.info.transaction_status != TransactionStatus.IDLE:
        with qualified_names(connection):
            yield
        return
    was_begun = connection.in_transaction()
    begin = "BEGIN" if driver.autocommit else "SET TRANSACTION"  # the driver itself sends a BEGIN before the latter
    connection.exec_driver_sql(f"{begin} ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        with qualified_names(connection):
            yield
    finally:
        driver.rollback()
        if not was_begun:
            connection.rollback()


@contextmanager
def qualified_names(connection: Connection) -> Generator[None]:
    """Pin the settings that decide how Postgres reads and renders SQL, while the block runs inside a transaction.

    Every name outside pg_catalog is then rendered with its schema, and a constant does not depend on the session.
    """
    names = list(_PINNED)
    before = fetch(connection, "SELECT name, setting FROM pg_settings WHERE name = ANY (%(names)s)", {"names": names})
    changed: dict[str, str] = {name: setting for name, setting in before if setting != _PINNED[name]}
    _configure(connection, {name: _PINNED[name] for name in changed})
    yield
    _configure(connection, changed)  # not after an error: the transaction is lost, and the settings with it


@contextmanager
def discarded(connection: Connection) -> Generator[None]:
    """Run the block in a savepoint that is always rolled back, also when the block raises."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


def execute(connection: Connection, statement: str) -> None:
    """Run SQL as it stands: neither SQLAlchemy's colons nor the driver's percent signs mean anything in it."""
    connection.exec_driver_sql(statement, execution_options=_AS_IT_STANDS)


def fetch(
    connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None
) -> Sequence[Sequence[Any]]:
    """Run a query and return all its rows; without parameters it is run as it stands."""
    if parameters is None:
        result = connection.exec_driver_sql(statement, execution_options=_AS_IT_STANDS)
    else:
        result = connection.exec_driver_sql(statement, dict(parameters))
    return cast("Sequence[Sequence[Any]]", result.fetchall())


def _configure(connection: Connection, settings: Mapping[str, str]) -> None:
    """Set parameters until the transaction, or the savepoint around the caller, ends."""
    if settings:
        fetch(
            connection,
            "SELECT set_config(s.n, s.v, true) FROM unnest(%(names)s::text[], %(values)s::text[]) AS s (n, v)",
            {"names": list(settings), "values": list(settings.values())},
        )
