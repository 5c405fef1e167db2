"""Loading entities batch by batch, so that no statement of the preparation outgrows the memory."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.dimension_types.columns import NAME_LIST, VERSIONS, assignments, values

BATCH = 50_000  # rows


@dataclass(frozen=True, slots=True)
class Times:
    """When each version began, and an instant at which version 2 stood for every entity."""

    began: tuple[datetime, ...]
    instant: datetime


def load_versions(connection: psycopg.Connection, table: str, size: int) -> Times:
    """Insert entities 1 to `size` into a table and change each of them four times; return when."""
    began: list[datetime] = []
    instant: datetime | None = None
    for version in range(VERSIONS):
        began.append(clock(connection))
        for first, last in batches(size):
            if version == 0:
                execute(
                    connection,
                    f"INSERT INTO {table} ({NAME_LIST}) SELECT {values('n', '0')} FROM generate_series(%s, %s) AS n",
                    first,
                    last,
                )
            else:
                execute(
                    connection,
                    f"UPDATE {table} SET {assignments('id', str(version))} WHERE id BETWEEN %s AND %s",
                    first,
                    last,
                )
        execute(connection, f"VACUUM ANALYZE {table}")
        if version == 2:
            instant = clock(connection)
    assert instant is not None
    return Times(tuple(began), instant)


def batches(size: int) -> Generator[tuple[int, int]]:
    """Give the first and last number of each batch of 1 to `size`."""
    for first in range(1, size + 1, BATCH):
        yield first, min(first + BATCH - 1, size)


def clock(connection: psycopg.Connection) -> datetime:
    """Return the server's time of this moment."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]


def execute(connection: psycopg.Connection, statement: str, *parameters: object) -> None:
    """Run a statement whose every `%s` becomes a literal of the parameter in its place; any other `%` is itself."""
    literals = [sql.Literal(parameter).as_string(connection) for parameter in parameters]
    pieces = statement.split("%s") if parameters else [statement]
    text: Any = "".join(piece + literal for piece, literal in zip(pieces, [*literals, ""], strict=True))
    connection.execute(text)
