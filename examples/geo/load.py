"""Put every row of the geo dimensions in, through the PostgREST API or through COPY.

    python examples/geo/load.py --api http://127.0.0.1:3000 --token-file editor.jwt
    python examples/geo/load.py --database postgresql://postgres@127.0.0.1/warehouse

Rows that are there already are updated by their natural key: a second load ends with the same rows, and finishes one
that broke off.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
from rich.console import Console

from examples.geo.progress import Track, show_progress
from examples.geo.rows import Table, load_tables
from examples.geo.stores import ApiStore, DatabaseStore, LoadError, Store

REQUEST_SECONDS = 60.0
CONNECT_RETRIES = 3


@dataclass(frozen=True, slots=True)
class Loaded:
    """One table's outcome: rows this load sent, rows there after it, and seconds of sending."""

    name: str
    sent: int
    present: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 when every row is in, 1 when some were refused."""
    options = parse_arguments(arguments)
    try:
        started = time.monotonic()
        with open_store(options) as store, show_progress(Console()) as track:
            loaded = [load_table(store, table, track) for table in load_tables()]
        print_summary(loaded, time.monotonic() - started)
    except LoadError as error:
        print(f"load: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; ends the process with a usage message when neither or both targets are given."""
    parser = argparse.ArgumentParser(
        description="Load the geo example: countries, currencies, subdivisions, airports and facts about them."
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--api", metavar="URL", help="root of a PostgREST API; rows go in by bulk upsert")
    target.add_argument("--database", metavar="URL", help="a Postgres database (or DATABASE_URL); rows go in by COPY")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="with --api: a JWT of a role that may insert")
    parser.add_argument("--schema", default="geo", help="with --database: the schema of the tables (default: geo)")
    options = parser.parse_args(arguments)
    if options.api is None and options.database is None:
        options.database = os.environ.get("DATABASE_URL")
        if options.database is None:
            parser.error("say where the rows go: --api URL, --database URL or DATABASE_URL")
    if options.token_file is not None and options.api is None:
        parser.error("--token-file goes with --api")
    return options


@contextmanager
def open_store(options: argparse.Namespace) -> Generator[Store, None, None]:
    """Open the API or the database, the latter in one transaction for the whole load; LoadError when out of reach."""
    if options.api is not None:
        transport = httpx.HTTPTransport(retries=CONNECT_RETRIES)
        headers = read_authorization(options.token_file)
        with httpx.Client(
            base_url=options.api, headers=headers, transport=transport, timeout=REQUEST_SECONDS
        ) as client:
            yield ApiStore(client)
        return
    try:
        with psycopg.connect(options.database, application_name="pgcraft geo example") as connection:
            yield DatabaseStore(connection, options.schema)
    except psycopg.Error as error:
        message = f"the database: {error}"
        raise LoadError(message) from error


def read_authorization(token_file: Path | None) -> dict[str, str]:
    """Return the header that a token file gives, none without a file; LoadError when it cannot be read."""
    if token_file is None:
        return {}
    try:
        return {"Authorization": f"Bearer {token_file.read_text(encoding='ascii').strip()}"}
    except (OSError, UnicodeDecodeError) as error:
        message = f"the token file {token_file}: {error}"
        raise LoadError(message) from error


def load_table(store: Store, table: Table, track: Track) -> Loaded:
    """Write one table's rows, showing how far it is."""
    started = time.monotonic()
    sent = 0
    with track(table.name, len(table.rows)) as advance:
        for count in store.write(table):
            sent += count
            advance(count)
    seconds = time.monotonic() - started
    return Loaded(table.name, sent, store.count(table), seconds)


def print_summary(loaded: Sequence[Loaded], seconds: float) -> None:
    """Print a line a table and one for all, times in seconds; `present` is counted where the rows now are."""
    for table in loaded:
        print(f"{table.name:<14}{table.sent:>8,} sent {table.present:>8,} present {table.seconds:>7.2f} s")
    total = sum(table.sent for table in loaded)
    print(f"{'in all':<14}{total:>8,} sent {sum(table.present for table in loaded):>8,} present {seconds:>7.2f} s")


if __name__ == "__main__":
    sys.exit(main())
