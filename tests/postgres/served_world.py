"""Dimensions deployed to a real Postgres and served by a real PostgREST, and clients of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
from psycopg import sql as composed

from pgcraft_core.migrate.session import Session
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.postgrest import PostgREST
from playground.ports import free_port
from playground.postgres import PostgresServer, ScratchDatabase
from tests.corpus.world import READER, WRITER, deploy, open_session, settings, sql, warehouse

KEY = "k" * 32
REPRESENTATION = {"Prefer": "return=representation"}
MERGE = {"Prefer": "return=representation,resolution=merge-duplicates"}
_PATIENCE = 20  # seconds for PostgREST to start, or to follow a change


@dataclass
class Served:
    """A database whose dimensions are deployed, and what its API answers."""

    database: ScratchDatabase
    session: Session
    superuser: psycopg.Connection
    process: subprocess.Popen[bytes]
    url: str
    admin_url: str

    def deploy(self, *resources: Dimension | PostgREST) -> None:
        """Apply the resources, all there are, and see that nothing is left to do."""
        _deploy(self.database, self.session, *resources)

    def now(self) -> str:
        """Return the database's clock, as a parameter of a query."""
        row = self.superuser.execute("SELECT to_json(clock_timestamp()) #>> '{}'").fetchone()
        assert row is not None
        return row[0]

    def rows(self, statement: str, *given: Any) -> list[tuple[Any, ...]]:
        """Return what the database itself says."""
        return self.superuser.execute(sql(statement), given).fetchall()

    def ask(
        self, method: str, path: str, *, role: str | None = WRITER, sub: str | None = None, **request: Any
    ) -> httpx.Response:
        """Send a request as a role; None sends no token."""
        headers = dict(request.pop("headers", {}))
        if role is not None:
            claims = {"role": role, "exp": int(time.time()) + 600} | ({"sub": sub} if sub else {})
            headers["Authorization"] = f"Bearer {jwt.encode(claims, KEY, algorithm='HS256')}"
        url = httpx.URL(self.url + path).copy_merge_params(request.pop("params", {}))
        return httpx.request(method, url, headers=headers, trust_env=False, timeout=10, **request)

    def get(self, path: str, **request: Any) -> Any:
        """Return the rows of a successful GET."""
        return _success(self.ask("GET", path, **request))

    def post(self, path: str, body: Any, prefer: Mapping[str, str] = REPRESENTATION, **request: Any) -> Any:
        """Return the rows that a successful POST left."""
        return _success(self.ask("POST", path, json=body, headers=prefer, **request))

    def patch(self, path: str, body: Any, **request: Any) -> Any:
        """Return the rows that a successful PATCH left."""
        return _success(self.ask("PATCH", path, json=body, headers=REPRESENTATION, **request))

    def delete(self, path: str, **request: Any) -> Any:
        """Return the rows that a successful DELETE took."""
        return _success(self.ask("DELETE", path, headers=REPRESENTATION, **request))

    def wait_for_column(self, relation: str, column: str) -> None:
        """Return once the cache by which PostgREST writes has followed the database."""
        deadline = time.monotonic() + _PATIENCE
        while column not in self.get("/")["definitions"][relation]["properties"]:
            assert time.monotonic() < deadline, f"PostgREST knows no column {column} of {relation}"
            time.sleep(0.05)  # the cache announces nothing to wait for


def _success(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json()


@contextmanager
def serve(
    server: PostgresServer, database: ScratchDatabase, binary: Path, log: Path, *resources: Dimension
) -> Generator[Served]:
    """Deploy the resources and serve schema `api` as `reader` or `writer`, by token; there is no anonymous role."""
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as superuser:
        _deploy(database, session, *resources)
        login, port, admin = f"{database.name}_login", free_port(), free_port()
        names = [composed.Identifier(name) for name in (login, READER, WRITER)]
        superuser.execute(composed.SQL("CREATE ROLE {} LOGIN NOINHERIT PASSWORD 'secret'").format(names[0]))
        superuser.execute(composed.SQL("GRANT {1}, {2} TO {0}").format(*names))
        superuser.execute(composed.SQL("GRANT USAGE ON SCHEMA api TO {1}, {2}").format(*names))
        environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "PGRST_DB_URI": server.url_for(login, "secret", database.name),
            "PGRST_DB_SCHEMAS": "api",
            "PGRST_JWT_SECRET": KEY,
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(port),
            "PGRST_ADMIN_SERVER_PORT": str(admin),
        }
        with log.open("wb") as output:
            process = subprocess.Popen([str(binary)], env=environment, stdout=output, stderr=output)
        served = Served(database, session, superuser, process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}")
        try:
            _await_start(served, log)
            yield served
        finally:
            process.kill()
            process.wait()


def _deploy(database: ScratchDatabase, session: Session, *resources: Dimension | PostgREST) -> None:
    deploy(session, *resources, database=warehouse(owner=settings(database).owner_role))


def _await_start(served: Served, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        assert served.process.poll() is None, log.read_text("utf-8")
        try:
            if httpx.get(f"{served.admin_url}/ready", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)  # a program that starts announces nothing to wait for
    raise AssertionError(log.read_text("utf-8"))
