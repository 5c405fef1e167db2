"""The server, the API role, and the subjects of one type and size side by side on it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.dimension_types.ours import make_ours
from benchmarks.dimension_types.peer import make_peer
from benchmarks.dimension_types.plain import make_plain
from benchmarks.dimension_types.subject import DimensionType, Subject
from playground.postgres import EmbeddedPostgres, PostgresServer

ROLE, LOGIN, OWNER = "bench_editor", "bench_login", "bench_owner"
_PASSWORD = "only-on-loopback"

SETTINGS = {
    "autovacuum": "off",  # the preparation vacuums; nothing else is to run beside a slice
    "checkpoint_timeout": "1d",
    "max_parallel_workers_per_gather": "0",  # how many workers there are to be had would differ from slice to slice
    "max_wal_size": "16GB",
    "shared_buffers": "1GB",
}
"""Beside those of the playground, which turn fsync and full_page_writes off: waiting for the disk at every commit
would be added to both sides and bring each ratio nearer to 1."""


@dataclass(frozen=True, slots=True)
class World:
    """Subjects with the same rows, and an instant at which the second change stood and the third had not begun."""

    subjects: Sequence[Subject]
    instant: datetime


@contextmanager
def open_server(settings: Mapping[str, str]) -> Generator[PostgresServer]:
    """Give an embedded Postgres 18 with the roles of the benchmark; `settings` overrule ours."""
    with EmbeddedPostgres(settings={**SETTINGS, **settings}) as server:
        server.create_login(LOGIN, _PASSWORD, createrole=False)
        with psycopg.connect(server.url, autocommit=True) as connection:
            for statement in (f"CREATE ROLE {ROLE}", f"CREATE ROLE {OWNER}", f"GRANT {ROLE} TO {LOGIN}"):
                connection.execute(_text(statement))
        yield server


@contextmanager
def open_world(
    server: PostgresServer, dimension_type: DimensionType, size: int, peer_python: Path | None
) -> Generator[World]:
    """Give the subjects of a type, loaded with `size` entities; their databases are dropped afterwards."""
    names = [f"{whose}_{dimension_type.lower()}_{size}" for whose in ("ours", "plain", "peer")]
    urls = [(server.url_for(LOGIN, _PASSWORD, name), server.superuser_url(name)) for name in names]
    try:
        for name in names:
            server.create_database(name)
        ours, times = make_ours(*urls[0], dimension_type, size, OWNER, ROLE)
        subjects = [make_plain(*urls[1], dimension_type, size, times, ROLE), ours]
        if peer_python is not None:
            subjects.append(make_peer(peer_python, *urls[2], dimension_type, size, ROLE))
        yield World(subjects, times.instant)
    finally:
        with psycopg.connect(server.url, autocommit=True) as connection:
            for name in names:
                connection.execute(_text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


def _text(statement: str) -> Any:
    """Return a statement that was put together here; the driver's types would have literals only."""
    return statement
