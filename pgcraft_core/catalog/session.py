"""The conditions under which catalogs are read: one snapshot where possible, every name rendered with its schema."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import Connection

_SEARCH_PATH = "pg_catalog"


@contextmanager
def consistent_reading(connection: Connection) -> Generator[None]:
    """Run the block in one repeatable-read, read-only transaction, or in the caller's where one has begun.

    What a running transaction of the caller already changed is seen as changed; how consistent the reading is, is then
    the caller's choice of isolation level.
    """
    driver = _driver_connection(connection)
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
    """Let Postgres render every name outside pg_catalog with its schema while the block runs, in a transaction."""
    before = fetch(connection, "SELECT current_setting('search_path')")[0][0]
    if before == _SEARCH_PATH:
        yield
        return
    _set_search_path(connection, _SEARCH_PATH)
    yield
    _set_search_path(connection, before)  # not after an error: the transaction is lost, and the setting with it


def fetch(
    connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None
) -> Sequence[Sequence[Any]]:
    """Run a query as it stands, without SQLAlchemy's reading of colons, and return all its rows."""
    result = connection.exec_driver_sql(statement, dict(parameters) if parameters is not None else None)
    return cast("Sequence[Sequence[Any]]", result.fetchall())


def _set_search_path(connection: Connection, value: str) -> None:
    connection.exec_driver_sql("SELECT set_config('search_path', %(value)s, true)", {"value": value})


def _driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.dbapi_connection
    # SQLAlchemy's adapter for asyncpg-like drivers would be something else; psycopg is the one driver we support.
    assert isinstance(driver, psycopg.Connection), driver  # noqa: S101
    return driver
