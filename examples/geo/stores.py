"""Where the rows go: a PostgREST API by bulk upsert, or Postgres itself by COPY."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from examples.geo.rows import Table, Value

BATCH_ROWS = 1_000


class LoadError(Exception):
    """The rows were refused, or where they go cannot be reached; the message says which and why."""


class Store(Protocol):
    """A place that takes a table's rows, updating those it has by the table's key."""

    def write(self, table: Table) -> Iterator[int]:
        """Write the rows, yielding how many each step wrote; LoadError when refused."""
        ...

    def count(self, table: Table) -> int:
        """Return how many rows the table holds now, of whatever origin."""
        ...


@dataclass(frozen=True, slots=True)
class ApiStore:
    """A PostgREST API; each batch is one request and one transaction."""

    client: httpx.Client

    def write(self, table: Table) -> Iterator[int]:
        """Upsert in batches; those before a refused one stay."""
        columns = table.columns
        for batch in split_batches(table.records()):
            response = self._request(
                "POST",
                table,
                params={"on_conflict": ",".join(table.key), "columns": ",".join(columns)},
                headers={"Prefer": "resolution=merge-duplicates,return=minimal"},
                json=[dict(zip(columns, record, strict=True)) for record in batch],
            )
            if not response.is_success:
                raise LoadError(explain_refusal(table, batch, response))
            yield len(batch)

    def count(self, table: Table) -> int:
        """Ask for an exact count, which comes after the slash of Content-Range."""
        response = self._request("HEAD", table, params={"select": table.key[0]}, headers={"Prefer": "count=exact"})
        if not response.is_success:
            message = f"{table.name}: counting its rows was answered with {response.status_code}"
            raise LoadError(message)
        return int(response.headers["Content-Range"].rpartition("/")[2])

    def _request(
        self,
        method: str,
        table: Table,
        *,
        params: dict[str, str],
        headers: dict[str, str],
        json: list[dict[str, Value]] | None = None,
    ) -> httpx.Response:
        try:
            return self.client.request(method, f"/{table.name}", params=params, headers=headers, json=json)
        except httpx.TransportError as error:
            message = f"{table.name}: the API at {self.client.base_url} did not answer: {error}"
            raise LoadError(message) from error


@dataclass(frozen=True, slots=True)
class DatabaseStore:
    """A schema of a Postgres database, over one connection; the caller's transaction holds all of it."""

    connection: psycopg.Connection[tuple[object, ...]]
    schema: str

    def write(self, table: Table) -> Iterator[int]:
        """COPY to a temporary table and merge from there; rows that are there unchanged stay untouched."""
        names = {
            "target": sql.Identifier(self.schema, table.name),
            "staging": sql.Identifier("pg_temp", f"load_{table.name}"),
            "columns": join_names(table.columns),
            "key": join_names(table.key),
            "assignments": sql.SQL(", ").join(
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in table.columns
            ),
            "present": join_names(table.columns, "present"),
            "excluded": join_names(table.columns, "excluded"),
        }
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql.SQL(CREATE_STAGING).format(**names))
                with cursor.copy(sql.SQL("COPY {staging} ({columns}) FROM STDIN").format(**names)) as copy:
                    for batch in split_batches(table.records()):
                        for record in batch:
                            copy.write_row(
                                [Jsonb(value) if isinstance(value, dict | list) else value for value in record]
                            )
                        yield len(batch)
                cursor.execute(sql.SQL(MERGE_STAGING).format(**names))
        except psycopg.Error as error:
            message = f"{table.name}: {error}"
            raise LoadError(message) from error

    def count(self, table: Table) -> int:
        """Count the rows."""
        query = sql.SQL("SELECT count(*)::int FROM {}").format(sql.Identifier(self.schema, table.name))
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return int(str(row[0]))


CREATE_STAGING = """
CREATE TEMPORARY TABLE {staging} ON COMMIT DROP AS
SELECT {columns} FROM {target}
WITH NO DATA
"""

MERGE_STAGING = """
INSERT INTO {target} AS present ({columns})
SELECT {columns} FROM {staging}
ON CONFLICT ({key}) DO UPDATE SET {assignments}
WHERE ({present}) IS DISTINCT FROM ({excluded})
"""


def join_names(columns: Sequence[str], relation: str | None = None) -> sql.Composed:
    """Return the columns as a quoted list, each behind its relation if one is given."""
    return sql.SQL(", ").join(
        sql.Identifier(column) if relation is None else sql.Identifier(relation, column) for column in columns
    )


def split_batches(records: Iterator[tuple[Value, ...]]) -> Iterator[list[tuple[Value, ...]]]:
    """Yield the records in lists of at most BATCH_ROWS."""
    batch: list[tuple[Value, ...]] = []
    for record in records:
        batch.append(record)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def explain_refusal(table: Table, batch: Sequence[tuple[Value, ...]], response: httpx.Response) -> str:
    """Return a sentence that names the table, the batch and what PostgREST said."""
    where = table.columns.index(table.key[0])
    rows = f"{table.name}, rows {batch[0][where]} to {batch[-1][where]}"
    try:
        body = response.json()
    except ValueError:
        body = {"message": response.text.strip()}
    said = "; ".join(str(body[part]) for part in ("message", "details", "hint") if body.get(part))
    advice = " (writing needs --token-file)" if response.status_code in {401, 403} else ""
    return f"{rows}: refused with {response.status_code}: {said or response.reason_phrase}{advice}"
