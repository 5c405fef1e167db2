"""Parameters for statements: the same random keys for every subject, fresh rows for those that insert or delete."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

from benchmarks.dimension_types.columns import NAME_LIST, values
from benchmarks.dimension_types.loading import execute
from benchmarks.dimension_types.subject import Subject

Parameters = Sequence[bytes | None]
"""In the text form of their types."""

BULK = 1_000
"""Rows a bulk statement is about."""


class Draw:
    """Draws parameters for one subject; `start_over` with the same seed gives every subject the same keys."""

    def __init__(self, subject: Subject, size: int, instant: datetime) -> None:
        self.size = size
        self._subject = subject
        self._instant = instant.isoformat().encode()
        self._random = random.Random()
        self._connection = psycopg.connect(subject.admin_url, autocommit=True)
        self._next = self._one(f"SELECT max(id) FROM {subject.entities}") + 1

    def close(self) -> None:
        """Close the connection that prepares rows."""
        self._connection.close()

    def tidy(self) -> None:
        """Remove what earlier writes left behind, so that no case pays for another."""
        execute(self._connection, f"VACUUM ANALYZE {self._subject.entities}")

    def start_over(self, seed: int) -> None:
        """Draw the same keys again as after the last call with this seed."""
        self._random.seed(seed)

    def nothing(self, count: int) -> list[Parameters]:
        """Return the parameters of statements that have none."""
        return [()] * count

    def ids(self, count: int) -> list[Parameters]:
        """Return ids of entities that were loaded."""
        return [(self._id(),) for _ in range(count)]

    def pages(self, count: int) -> list[Parameters]:
        """Return how many rows to pass over: about half of them."""
        middle = self.size // 2
        return [(_text(middle + self._random.randrange(-middle // 10, middle // 10)),) for _ in range(count)]

    def countries(self, count: int) -> list[Parameters]:
        """Return values of the indexed column."""
        letters = [self._random.randrange(26**2) for _ in range(count)]
        return [(bytes((65 + letter % 26, 65 + letter // 26)),) for letter in letters]

    def changes(self, count: int) -> list[Parameters]:
        """Return a new elevation and the id of the entity it is for."""
        return [(self._elevation(), self._id()) for _ in range(count)]

    def bulk_changes(self, count: int) -> list[Parameters]:
        """Return a number to derive new values from, and the first and the last id of `BULK` entities."""
        firsts = [self._random.randrange(1, self.size - BULK) for _ in range(count)]
        return [(self._elevation(), _text(first), _text(first + BULK - 1)) for first in firsts]

    def instants(self, count: int) -> list[Parameters]:
        """Return the instant at which version 2 stood."""
        return [(self._instant,)] * count

    def instants_and_ids(self, count: int) -> list[Parameters]:
        """Return the instant and an id."""
        return [(self._instant, self._id()) for _ in range(count)]

    def instants_and_countries(self, count: int) -> list[Parameters]:
        """Return the instant and a value of the indexed column."""
        return [(self._instant, *country) for country in self.countries(count)]

    def fresh_rows(self, count: int) -> list[Parameters]:
        """Return the values of all columns of entities that are not there yet."""
        first = self._take(count)
        cursor = self._connection.cursor()
        cursor.execute(_typed(f"SELECT {values('n', '0')} FROM generate_series({first}, {first + count - 1}) AS n"))
        result = cursor.pgresult
        assert result is not None
        return [
            tuple(result.get_value(row, column) for column in range(result.nfields)) for row in range(result.ntuples)
        ]

    def fresh_ranges(self, count: int) -> list[Parameters]:
        """Return the first and the last number of `BULK` entities that are not there yet."""
        firsts = [self._take(BULK) for _ in range(count)]
        return [(_text(first), _text(first + BULK - 1)) for first in firsts]

    def fresh_ids(self, count: int) -> list[Parameters]:
        """Insert entities and return their ids."""
        first = self._take(count)
        newest = self._one(f"SELECT max(id) FROM {self._subject.entities}")
        execute(
            self._connection,
            f"INSERT INTO {self._subject.relations['current']} ({NAME_LIST}) "
            f"SELECT {values('n', '0')} FROM generate_series(%s, %s) AS n",
            first,
            first + count - 1,
        )
        rows = self._connection.execute(_typed(f"SELECT id FROM {self._subject.entities} WHERE id > {newest}"))
        return [(_text(identity),) for (identity,) in rows]

    def _id(self) -> bytes:
        return _text(self._random.randrange(1, self.size + 1))

    def _elevation(self) -> bytes:
        return _text(self._random.randrange(-400, 8000))

    def _take(self, count: int) -> int:
        first, self._next = self._next, self._next + count
        return first

    def _one(self, query: str) -> int:
        row = self._connection.execute(_typed(query)).fetchone()
        assert row is not None
        return row[0]


def _text(number: int) -> bytes:
    return str(number).encode()


def _typed(query: str) -> Any:
    """Return a query that was put together here; the driver's types would have literals only."""
    return query
