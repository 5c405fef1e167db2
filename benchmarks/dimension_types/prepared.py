"""Prepared statements with next to no client in between: libpq's PQexecPrepared, called in a tight loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self, assert_never

import psycopg
from psycopg import pq

from benchmarks.dimension_types.draw import Parameters

_NAME = b"measured"
_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


Clock = Literal["wall", "cpu"]
"""Time that passed, or time that the client and its backend were on a core: what else runs there does not count."""


class StatementError(Exception):
    """A measured statement failed; the message is Postgres's."""


class Prepared:
    """One statement, prepared on a connection of its own as the API role; every execution is a transaction."""

    def __init__(self, url: str, role: str, statement: str, clock: Clock, timeout_ms: int) -> None:
        """`timeout_ms`: how long one execution may take; 0 for ever."""
        self._clock: Clock = clock
        self._connection = psycopg.connect(url, autocommit=True)
        for name, value in (
            ("role", role),
            ("request.jwt.claims", f'{{"role": "{role}", "sub": "benchmark"}}'),
            ("statement_timeout", str(timeout_ms)),
        ):
            self._connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        self._connection.execute("DEALLOCATE ALL")
        result = self._connection.pgconn.prepare(_NAME, statement.encode())
        if result.status not in _DONE:
            self._connection.close()
            raise StatementError(result.get_error_message())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def seconds(self, calls: Sequence[Parameters]) -> float:
        """Execute the statement once for each set of parameters and return how long that took.

        Raises `StatementError` at the first that fails.
        """
        execute = self._connection.pgconn.exec_prepared
        started = self._now()
        for parameters in calls:
            result = execute(_NAME, parameters)  # ty: ignore[invalid-argument-type]
            if result.status not in _DONE:
                raise StatementError(result.get_error_message())
        return self._now() - started

    def answer(self, parameters: Parameters) -> list[tuple[bytes | None, ...]]:
        """Return the rows of one execution, in a fixed order."""
        result = self._connection.pgconn.exec_prepared(_NAME, parameters)  # ty: ignore[invalid-argument-type]
        if result.status not in _DONE:
            raise StatementError(result.get_error_message())
        columns = range(result.nfields)
        rows = [tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)]
        return sorted(rows, key=lambda row: [(value is None, value or b"") for value in row])

    def _now(self) -> float:
        """Return seconds since some fixed moment, by the clock."""
        match self._clock:
            case "wall":
                return time.perf_counter()
            case "cpu":
                nanoseconds, *_ = Path(f"/proc/{self._connection.info.backend_pid}/schedstat").read_text().split()
                return time.thread_time() + int(nanoseconds) / 1e9
            case _:
                assert_never(self._clock)
