"""A running operator, and one namespace in which things are declared to it."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

from playground.cluster import Cluster
from playground.ports import free_port
from playground.postgres import ScratchDatabase
from playground.tether import tethered

ROOT = Path(__file__).parents[2]
PERMISSIONS = ("namespace.yaml", "service_account.yaml", "cluster_role.yaml", "cluster_role_binding.yaml")


class Operator:
    """The operator as a process, which ends with this one; it can be stopped and started again, with one log."""

    def __init__(self, kubeconfig: Path, log: Path, *arguments: str) -> None:
        self.log = log
        self.health_port = free_port()
        self._command = [
            *(sys.executable, "-m", "pgcraft_operator", "--kubeconfig", str(kubeconfig)),
            *("--health-port", str(self.health_port), *arguments),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self.log.open("ab") as file:
            self._process = subprocess.Popen(
                tethered(self._command), stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=ROOT
            )
        return self

    def wait(self) -> int:
        """Return the exit code once it has ended by itself."""
        assert self._process is not None
        return self._process.wait(30)

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self.wait()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def require_alive(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()

    def probe(self, path: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=5) as response:
            return response.status


@dataclass
class World:
    """One namespace with a Database and what its author does to it."""

    cluster: Cluster
    operator: Operator
    namespace: str
    database: ScratchDatabase

    def apply(self, *manifests: dict[str, Any]) -> None:
        self.cluster.apply(*manifests)

    def secret(self, name: str = "warehouse-app", url: str | None = None) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace},
            "stringData": {"uri": url or self.database.owner_url},
        }

    def warehouse(self, name: str = "warehouse", secret: str = "warehouse-app", **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": "Database",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "connection": {"secretRef": {"name": secret}, "sslMode": "disable"},
                "ownerId": f"{self.namespace}-{name}",
                **spec,
            },
        }

    def dimension(
        self, name: str, *columns: dict[str, Any], database: str = "warehouse", **spec: Any
    ) -> dict[str, Any]:
        return {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": "Dimension",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "databaseRef": {"name": database},
                "schema": "geo",
                "columns": list(columns) or [{"name": "code", "type": "text", "nullable": False}],
                **spec,
            },
        }

    def wait(self, condition: str, what: str, timeout: float = 45) -> None:
        self.operator.require_alive()
        try:
            self.cluster.wait(condition, what, self.namespace, timeout)
        except Exception as error:
            shown = self.cluster.kubectl("get", what, "--namespace", self.namespace, "--output", "yaml")
            raise AssertionError(f"{error}\n{shown}\n{self.operator.log.read_text()[-6000:]}") from error

    def wait_ready(self, *names: str) -> None:
        for name in names:
            self.wait("condition=Ready", f"dimension/{name}")

    def reconcile(self, kind: str, name: str, token: str) -> None:
        """Ask for a run, as a person would who changed something in the database."""
        self.cluster.kubectl(
            *("annotate", "--overwrite", kind, name, "--namespace", self.namespace, f"pgcraft.io/reconcile={token}")
        )

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self.cluster.get(kind, name, self.namespace)

    def condition(self, kind: str, name: str, type_: str) -> dict[str, Any]:
        return next(entry for entry in self.get(kind, name)["status"]["conditions"] if entry["type"] == type_)

    def migrations(self, phase: str | None = None) -> list[dict[str, Any]]:
        found = self.cluster.get_all("migrations", self.namespace)
        return [item for item in found if phase is None or item["status"].get("phase") == phase]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database.url) as connection:
            connection.execute(statement.encode())

    def columns(self, relation: str) -> list[str]:
        statement = f"SELECT attname FROM pg_attribute WHERE attrelid = '{relation}'::regclass AND attnum > 0"
        return [name for (name,) in self.query(statement + " AND NOT attisdropped ORDER BY attnum")]

    def exists(self, relation: str) -> bool:
        return self.query(f"SELECT to_regclass('{relation}') IS NOT NULL")[0][0]

    def take_down(self) -> None:
        """Delete what is declared before the scratch database is dropped, so that the operator does not look for it."""
        self.cluster.kubectl("delete", "databases,dimensions,postgrests", "--all", "--namespace", self.namespace)
        self.operator.require_alive()


@contextmanager
def locked(url: str, table: str) -> Generator[None]:
    """Hold a table as a long transaction of somebody else would."""
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE".encode())
        yield
