"""Two writers of one row leave what they would leave on a plain table: nothing that either of them did is lost.

The plain table, written by hand, stands beside and goes through the same race.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from playground.ports import free_port
from playground.postgres import PostgresServer
from tests.corpus.world import API, WRITER, dimension
from tests.postgres.history_world import TYPES, Stage, staged

PLAIN = "api.plain"
VALUES = "a, b, qty"
STATEMENTS = {
    "set a": "UPDATE {relation} SET a = {me} WHERE sku = {sku}",
    "set b": "UPDATE {relation} SET b = {me} WHERE sku = {sku}",
    "set nothing": "UPDATE {relation} SET a = a WHERE sku = {sku}",
    "count": "UPDATE {relation} SET qty = qty + 1 WHERE sku = {sku}",
    "take the last": "UPDATE {relation} SET qty = qty - 1, a = {me} WHERE sku = {sku} AND qty = 1",
    "where a is": "UPDATE {relation} SET b = {me} WHERE sku = {sku} AND a = 'start'",
    "upsert a": "INSERT INTO {relation} (sku, a) VALUES ({sku}, {me}) ON CONFLICT (sku) DO UPDATE SET a = excluded.a",
    "upsert count": "INSERT INTO {relation} AS t (sku, qty) VALUES ({sku}, 1)"
    " ON CONFLICT (sku) DO UPDATE SET qty = t.qty + 1",
    "insert if missing": "INSERT INTO {relation} (sku, a) VALUES ({sku}, {me}) ON CONFLICT DO NOTHING",
    "delete": "DELETE FROM {relation} WHERE sku = {sku}",
}
PAIRS = list(itertools.product(STATEMENTS, STATEMENTS))
PLAIN_OUTCOMES: dict[Any, list[tuple[Any, ...]]] = {}
"""What each race leaves on the plain table, run once on each server."""


@pytest.fixture(scope="module", params=TYPES)
def stage(any_postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Stage]:
    with stock(any_postgres, request.param) as stage:
        yield stage


@contextmanager
def stock(server: PostgresServer, type_: str) -> Generator[Stage]:
    """Give the dimension `stock`, and a plain table like it in the API's schema."""
    columns = [
        {"name": "sku", "type": "text"},
        *({"name": name, "type": "text"} for name in ("a", "b")),
        {"name": "qty", "type": "integer", "default": "1"},
    ]
    key = {"strategy": "Natural", "columns": ["sku"]}
    with staged(server, type_, dimension("stock", *columns, type=type_, primary_key=key, api=API), writers=2) as stage:
        stage.run(f"CREATE TABLE {PLAIN} (sku text PRIMARY KEY, a text, b text, qty integer DEFAULT 1)")
        stage.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {PLAIN} TO {WRITER}")
        yield stage


def left(stage: Stage, relation: str, sku: str) -> list[tuple[Any, ...]]:
    return stage.rows(f"SELECT {VALUES} FROM {relation} WHERE sku = %s", sku)


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("relation", ["geo.stock", "api.stock"])
@pytest.mark.parametrize("there", [True, False], ids=["a row", "no row"])
def test_two_sessions(stage: Stage, relation: str, ends: str, there: bool) -> None:
    for pair in PAIRS:
        case = (stage.eye.info.server_version, pair, ends, there)
        if case not in PLAIN_OUTCOMES:
            PLAIN_OUTCOMES[case] = race(stage, PLAIN, pair, ends, there)
        assert race(stage, relation, pair, ends, there) == PLAIN_OUTCOMES[case], pair


def race(stage: Stage, relation: str, pair: tuple[str, str], ends: str, there: bool) -> list[tuple[Any, ...]]:
    """Let one session write and, before it ends, another; return what is left."""
    (first, second), sku = stage.writers, f"sku {next(stage.worlds)}"
    if there:
        stage.run(f"INSERT INTO {relation} (sku, a, b, qty) VALUES (%s, 'start', 'start', 1)", sku)
    commands = [
        STATEMENTS[name].format(relation=relation, sku=f"'{sku}'", me=f"'{me}'")
        for name, me in zip(pair, ("first", "second"), strict=True)
    ]
    first.control("BEGIN")
    first.control(commands[0])
    second.start_sql(commands[1])
    stage.settle()
    first.control(ends)
    stage.settle()
    assert second.running is not None
    second.running.result(20)
    second.running = None
    return left(stage, relation, sku)


@dataclass(frozen=True)
class Served:
    """A dimension behind PostgREST."""

    stage: Stage
    client: httpx.Client


@pytest.fixture(scope="module", params=TYPES)
def served(
    postgres: PostgresServer,
    postgrest_binary: Path,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("postgrest") / "log"
    with stock(postgres, request.param) as stage:
        for relation in ("stock", "plain"):
            stage.run(
                f"CREATE FUNCTION api.count_{relation}(item text) RETURNS void LANGUAGE sql"
                f" AS $$ UPDATE api.{relation} SET qty = qty + 1 WHERE sku = item $$"
            )
        login = f"{stage.database.name}_login"
        stage.run(f"CREATE ROLE {login} LOGIN NOINHERIT PASSWORD 'secret'")
        stage.run(f"GRANT {WRITER} TO {login}")
        port, admin = free_port(), free_port()
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"} | {
            f"PGRST_{name}": value
            for name, value in {
                "DB_URI": postgres.url_for(login, "secret", stage.database.name),
                "DB_SCHEMAS": "api",
                "DB_ANON_ROLE": WRITER,
                "SERVER_HOST": "127.0.0.1",
                "SERVER_PORT": str(port),
                "ADMIN_SERVER_PORT": str(admin),
            }.items()
        }
        with log.open("wb") as output:
            process = subprocess.Popen([str(postgrest_binary)], env=environment, stdout=output, stderr=output)
        try:
            await_ready(f"http://127.0.0.1:{admin}/ready", log)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                yield Served(stage, client)
        finally:
            process.kill()
            process.wait()


def await_ready(url: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)  # a program that starts announces nothing to wait for
    pytest.fail(log.read_text())


MERGE = {"Prefer": "resolution=merge-duplicates,return=representation"}
REQUESTS: dict[str, tuple[str, str, dict[str, Any] | None, dict[str, str]]] = {
    "set a": ("PATCH", "/{relation}?sku=eq.{sku}", {"a": "{me}"}, {}),
    "set b": ("PATCH", "/{relation}?sku=eq.{sku}", {"b": "{me}"}, {}),
    "count": ("POST", "/rpc/count_{relation}", {"item": "{sku}"}, {}),
    "take the last": ("PATCH", "/{relation}?sku=eq.{sku}&qty=eq.1", {"qty": 0, "a": "{me}"}, {}),
    "where a is": ("PATCH", "/{relation}?sku=eq.{sku}&a=eq.start", {"b": "{me}"}, {}),
    "upsert a": ("POST", "/{relation}", {"sku": "{sku}", "a": "{me}"}, MERGE),
    "put": ("PUT", "/{relation}?sku=eq.{sku}", {"sku": "{sku}", "a": "{me}", "b": "{me}", "qty": 7}, {}),
    "delete": ("DELETE", "/{relation}?sku=eq.{sku}", None, {}),
}


@pytest.mark.parametrize("first", REQUESTS)
def test_two_requests(served: Served, first: str) -> None:
    for second in REQUESTS:
        sku = f"sku{next(served.stage.worlds)}"
        plain, dimension_ = (answered(served, relation, sku, (first, second)) for relation in ("plain", "stock"))
        assert dimension_ == plain, (first, second)
        assert left(served.stage, "api.stock", sku) == left(served.stage, PLAIN, sku), (first, second)


def answered(served: Served, relation: str, sku: str, pair: tuple[str, str]) -> list[tuple[int, Any]]:
    """Let two requests wait for a row, one behind the other, and return what they are answered."""
    stage, (holder, _) = served.stage, served.stage.writers
    table = PLAIN if relation == "plain" else "geo.stock"
    stage.run(f"INSERT INTO {table} (sku, a, b, qty) VALUES (%s, 'start', 'start', 1)", sku)
    holder.control("BEGIN")
    holder.control(f"SELECT FROM {table} WHERE sku = '{sku}' FOR UPDATE")
    with ThreadPoolExecutor(2) as threads:
        running = []
        for number, (name, me) in enumerate(zip(pair, ("first", "second"), strict=True), start=1):
            running.append(threads.submit(ask, served.client, name, relation, sku, me))
            await_waiting(stage, number)
        holder.control("COMMIT")
        return [said(future.result(20)) for future in running]


def said(answer: httpx.Response) -> tuple[int, Any]:
    """Return the status, and of the rows what both tables have; of an error, what is wrong but not with which table."""
    body = answer.json() if answer.content else None
    if isinstance(body, list):
        body = [{name: row[name] for name in ("sku", "a", "b", "qty")} for row in body]
    return answer.status_code, body["code"] if isinstance(body, dict) else body


def ask(client: httpx.Client, name: str, relation: str, sku: str, me: str) -> httpx.Response:
    method, path, body, headers = REQUESTS[name]
    filled = None if body is None else json.loads(json.dumps(body).replace("{sku}", sku).replace("{me}", me))
    return client.request(method, path.format(relation=relation, sku=sku), json=filled, headers=headers)


def await_waiting(stage: Stage, number: int) -> None:
    """Return once that many of PostgREST's sessions wait for another; fail after 20 seconds."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND cardinality(pg_blocking_pids(pid)) > 0"
    deadline = time.monotonic() + 20
    while stage.rows(waiting, f"{stage.database.name}_login") != [(number,)]:
        assert time.monotonic() < deadline, "the request did not wait"
