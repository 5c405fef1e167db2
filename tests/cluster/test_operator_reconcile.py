"""The operator as its own process, under the permissions it ships with, against a real API server and real Postgres."""

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from playground.cluster import Cluster
from playground.ports import free_port
from playground.postgres import PostgresServer, ScratchDatabase
from playground.tether import tethered

ROOT = Path(__file__).parents[2]
PERMISSIONS = ("namespace.yaml", "service_account.yaml", "cluster_role.yaml", "cluster_role_binding.yaml")


@dataclass
class Operator:
    """A running operator, which ends with this process."""

    process: subprocess.Popen[bytes]
    log: Path
    health_port: int

    @classmethod
    def start(cls, kubeconfig: Path, log: Path, *arguments: str) -> "Operator":
        port = free_port()
        command = [sys.executable, "-m", "pgcraft_operator", "--kubeconfig", str(kubeconfig), *arguments]
        with log.open("wb") as file:
            process = subprocess.Popen(
                tethered([*command, "--health-port", str(port)], end_with=signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=ROOT,
            )
        return cls(process, log, port)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)

    def probe(self, path: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=5) as response:
            return response.status


@pytest.fixture(scope="module")
def permissions(cluster: Cluster) -> Path:
    """A kubeconfig of the service account that deploy/ makes, with the CRDs in place."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(ROOT / "crds"))
    for kind in ("databases", "dimensions", "postgrests", "migrations"):
        cluster.wait("condition=Established", f"crd/{kind}.pgcraft.io")
    for name in PERMISSIONS:
        cluster.kubectl("apply", "--server-side", "--filename", str(ROOT / "deploy" / name))
    return cluster.kubeconfig_for_service_account("pgcraft-system", "pgcraft-operator")


@pytest.fixture(scope="module")
def operator(permissions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    operator = Operator.start(permissions, tmp_path_factory.mktemp("operator") / "log")
    yield operator
    if operator.process.poll() is None:
        operator.process.kill()
        operator.process.wait()


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
        assert self.operator.process.poll() is None, self.operator.log.read_text()
        try:
            self.cluster.wait(condition, what, self.namespace, timeout)
        except Exception as error:
            shown = self.cluster.kubectl("get", what, "--namespace", self.namespace, "--output", "yaml")
            raise AssertionError(f"{error}\n{shown}\n{self.operator.log.read_text()[-6000:]}") from error

    def wait_ready(self, *names: str) -> None:
        for name in names:
            self.wait("condition=Ready", f"dimension/{name}")

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self.cluster.get(kind, name, self.namespace)

    def condition(self, kind: str, name: str, type_: str) -> dict[str, Any]:
        return next(entry for entry in self.get(kind, name)["status"]["conditions"] if entry["type"] == type_)

    def migrations(self, phase: str | None = None) -> list[dict[str, Any]]:
        found = self.cluster.get_all("migrations", self.namespace)
        return [item for item in found if phase is None or item["status"].get("phase") == phase]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.url) as connection:
            return connection.execute(statement).fetchall()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database.url) as connection:
            connection.execute(statement)

    def columns(self, relation: str) -> list[str]:
        statement = f"SELECT attname FROM pg_attribute WHERE attrelid = '{relation}'::regclass AND attnum > 0"
        return [name for (name,) in self.query(statement + " AND NOT attisdropped ORDER BY attnum")]

    def exists(self, relation: str) -> bool:
        return self.query(f"SELECT to_regclass('{relation}') IS NOT NULL")[0][0]


@pytest.fixture
def world(cluster: Cluster, operator: Operator, namespace: str, database: ScratchDatabase) -> Iterator[World]:
    """A namespace with a Database that is up."""
    world = World(cluster, operator, namespace, database)
    world.apply(world.secret(), world.warehouse())
    yield world
    take_down(world)


@pytest.fixture
def empty_world(cluster: Cluster, operator: Operator, namespace: str, database: ScratchDatabase) -> Iterator[World]:
    """A namespace with nothing in it, and an empty database."""
    world = World(cluster, operator, namespace, database)
    yield world
    take_down(world)


def take_down(world: World) -> None:
    # Gone before the scratch database is, so that the operator does not look for it.
    world.cluster.kubectl("delete", "databases,dimensions", "--all", "--namespace", world.namespace)
    assert world.operator.process.poll() is None, world.operator.log.read_text()


def test_a_dimension_becomes_a_table_and_says_so(world: World) -> None:
    world.apply(
        world.dimension(
            "airports",
            {"name": "icao", "type": "varchar(4)", "nullable": False, "unique": True},
            {"name": "elevation", "type": "numeric", "check": "elevation > -1500"},
        )
    )
    world.wait_ready("airports")

    assert world.columns("geo.airports") == ["id", "icao", "elevation"]
    status = world.get("dimension", "airports")["status"]
    assert status["observedGeneration"] == 1
    assert status["relations"] == ["table geo.airports"]
    assert status["effective"]["table"] == {"schema": "geo", "name": "airports"}
    assert status["effective"]["primaryKey"] == {"strategy": "Identity", "columns": ["id"], "type": "bigint"}
    assert {entry["type"]: (entry["status"], entry["observedGeneration"]) for entry in status["conditions"]} == {
        "Ready": ("True", 1),
        "Reconciling": ("False", 1),
        "Stalled": ("False", 1),
        "Drifted": ("False", 1),
    }

    (migration,) = world.migrations()
    assert migration["status"]["phase"] == "Applied"
    assert migration["status"]["revision"] == status["revision"]
    assert "create table" in migration["spec"]["sql"].lower()
    assert {"kind": "Dimension", "namespace": world.namespace, "name": "airports"} in migration["spec"]["subjects"]

    database = world.get("database", "warehouse")["status"]
    assert database["version"].startswith("18.")
    assert database["revision"] == status["revision"]
    assert database["ownerId"] == f"{world.namespace}-warehouse"
    world.wait("jsonpath={.status.dimensions.ready}=1", "database/warehouse")

    events = world.cluster.get_all("events.events.k8s.io", world.namespace)
    assert "Applied" in {event["reason"] for event in events if event["regarding"]["name"] == "airports"}


def test_applying_the_same_again_changes_nothing(world: World) -> None:
    manifests = [world.dimension("airports"), world.dimension("countries")]
    world.apply(*manifests)
    world.wait_ready("airports", "countries")
    world.wait("jsonpath={.status.dimensions.ready}=2", "database/warehouse")
    before = {kind: world.cluster.get_all(kind, world.namespace) for kind in ("dimensions", "databases", "migrations")}
    revisions = world.query("SELECT count(*) FROM pgcraft.revisions")

    world.apply(*manifests, world.warehouse())
    # Whatever there was to do is done when something applied later is ready: a run looks at everything.
    world.apply(world.dimension("more"))
    world.wait_ready("more")

    after = {item["metadata"]["name"]: item for item in world.cluster.get_all("dimensions", world.namespace)}
    for item in before["dimensions"]:
        assert after[item["metadata"]["name"]]["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]
    names = {item["metadata"]["name"] for item in before["migrations"]}
    (fresh,) = [item for item in world.migrations() if item["metadata"]["name"] not in names]
    assert [subject["name"] for subject in fresh["spec"]["subjects"]] == ["more"]
    assert world.query("SELECT count(*) FROM pgcraft.revisions")[0][0] == revisions[0][0] + 1


def test_a_new_column_is_one_migration_of_one_table(world: World) -> None:
    world.apply(world.dimension("airports"), world.dimension("countries"))
    world.wait_ready("airports", "countries")
    before = {item["metadata"]["name"] for item in world.migrations()}

    world.apply(
        world.dimension("airports", {"name": "code", "type": "text", "nullable": False}, {"name": "tz", "type": "text"})
    )
    world.wait("jsonpath={.status.observedGeneration}=2", "dimension/airports")
    world.wait_ready("airports")

    (migration,) = [item for item in world.migrations() if item["metadata"]["name"] not in before]
    assert {operation["target"] for operation in migration["spec"]["operations"]} == {"table geo.airports"}
    assert world.columns("geo.airports") == ["id", "code", "tz"]


def test_a_bad_expression_says_where_and_leaves_its_neighbours_alone(world: World) -> None:
    bad = world.dimension("bad", checks=[{"name": "sane", "expression": "char_length(code = 4"}])
    denied = world.dimension("denied", {"name": "file", "type": "text", "default": "pg_read_file('/etc/passwd')"})
    world.apply(bad, denied, world.dimension("good"))
    world.wait_ready("good")
    for name, path in (("bad", "spec.checks[sane].expression"), ("denied", "spec.columns[file].default")):
        world.wait("condition=Stalled", f"dimension/{name}")
        ready = world.condition("dimension", name, "Ready")
        assert (ready["status"], path in ready["message"]) == ("False", True), ready
    assert world.condition("dimension", "bad", "Stalled")["reason"] == "InvalidSpec"
    assert not world.exists("geo.bad")

    world.apply(world.dimension("bad", checks=[{"name": "sane", "expression": "char_length(code) = 4"}]))
    world.wait_ready("bad")


def test_a_deleted_dimension_keeps_its_table_and_loses_its_view(world: World) -> None:
    world.apply(world.dimension("airports", api={"schema": "api"}))
    world.wait_ready("airports")
    assert world.exists("api.airports")
    world.execute("INSERT INTO geo.airports (code) VALUES ('EDDF')")

    world.cluster.kubectl("delete", "dimension", "airports", "--namespace", world.namespace)
    world.wait("jsonpath={.status.dimensions.total}=0", "database/warehouse")
    assert not world.exists("api.airports")
    assert world.query("SELECT code FROM geo.airports") == [("EDDF",)]

    world.apply(world.dimension("airports", api={"schema": "api"}))
    world.wait_ready("airports")
    assert world.query("SELECT code FROM api.airports") == [("EDDF",)]


def test_removing_a_column_waits_for_approval_and_shows_the_plan(world: World) -> None:
    code, name = {"name": "code", "type": "text", "nullable": False}, {"name": "name", "type": "text"}
    world.apply(world.dimension("airports", code, name), world.dimension("countries"))
    world.wait_ready("airports", "countries")
    world.execute("INSERT INTO geo.airports (code, name) VALUES ('EDDF', 'Frankfurt')")

    world.apply(world.dimension("airports", code))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=ApprovalPending', "dimension/airports")
    (migration,) = world.migrations("ApprovalPending")
    name_of_it = migration["metadata"]["name"]
    status = world.get("dimension", "airports")["status"]
    assert status["migration"] == name_of_it
    assert name_of_it in world.condition("dimension", "airports", "Ready")["message"]
    assert world.condition("dimension", "airports", "Reconciling")["status"] == "True"
    assert [entry["hazard"]["class"] for entry in migration["spec"]["operations"]] == ["DataLoss"]
    assert "drop column" in migration["spec"]["sql"].lower()
    assert world.query("SELECT name FROM geo.airports") == [("Frankfurt",)]
    assert world.condition("dimension", "countries", "Ready")["status"] == "True"
    world.wait("jsonpath={.status.pendingMigrations}=1", "database/warehouse")

    world.apply(world.dimension("airports", code, name))
    world.wait_ready("airports")
    world.wait("jsonpath={.status.phase}=Superseded", f"migration/{name_of_it}")


def test_a_missing_secret_heals_when_it_comes(empty_world: World) -> None:
    world = empty_world
    world.apply(world.warehouse(), world.dimension("airports"))
    reason = 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DatabaseUnavailable'
    world.wait(reason, "database/warehouse")
    world.wait(reason, "dimension/airports")
    assert "warehouse-app" in world.condition("dimension", "airports", "Ready")["message"]

    world.apply(world.secret())
    world.wait_ready("airports")
    world.wait("condition=Ready", "database/warehouse")


def test_a_rotated_password_needs_no_restart(world: World) -> None:
    world.apply(world.dimension("airports"))
    world.wait_ready("airports")
    world.execute(f"ALTER ROLE \"{world.database.owner}\" PASSWORD 'another'")
    world.apply(world.dimension("countries"))
    reason = 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DatabaseUnavailable'
    world.wait(reason, "dimension/countries")
    user, rest = world.database.owner_url.removeprefix("postgresql://").split(":", 1)
    world.apply(world.secret(url=f"postgresql://{user}:another@{rest.split('@', 1)[1]}"))
    world.wait_ready("countries", "airports")


def test_a_dimension_that_comes_before_its_database_names_it(empty_world: World) -> None:
    world = empty_world
    world.apply(world.dimension("airports"))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DependencyNotReady', "dimension/airports")
    assert f"Database {world.namespace}/warehouse" in world.condition("dimension", "airports", "Ready")["message"]
    world.apply(world.secret(), world.warehouse())
    world.wait_ready("airports")


def test_a_foreign_key_waits_for_the_dimension_it_needs(world: World) -> None:
    country = {"name": "country", "type": "bigint", "references": {"dimension": "countries"}}
    world.apply(world.dimension("airports", country))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DependencyNotReady', "dimension/airports")
    world.apply(world.dimension("countries"))
    world.wait_ready("airports", "countries")


def test_a_namespace_that_was_given_nothing_is_refused(world: World, cluster: Cluster) -> None:
    with cluster.scratch_namespace(f"{world.namespace}-x") as stranger:
        manifest = world.dimension("airports")
        manifest["metadata"]["namespace"] = stranger
        manifest["spec"]["databaseRef"]["namespace"] = world.namespace
        cluster.apply(manifest)
        cluster.wait("condition=Stalled", "dimension/airports", stranger)
        conditions = cluster.get("dimension", "airports", stranger)["status"]["conditions"]
        assert {entry["reason"] for entry in conditions} == {"PolicyDenied"}
        cluster.apply(world.warehouse(allowedNamespaces=[{"namespace": stranger, "schemas": ["geo"]}]))
        cluster.wait("condition=Ready", "dimension/airports", stranger)
        cluster.kubectl("delete", "dimension", "airports", "--namespace", stranger)


def test_one_database_does_not_wait_for_another(world: World, postgres: PostgresServer) -> None:
    with postgres.scratch_database() as second:
        world.apply(world.secret("shop-app", second.owner_url), world.warehouse("shop", "shop-app"))
        world.apply(world.dimension("airports"), world.dimension("orders", database="shop"))
        world.wait_ready("airports", "orders")
        columns = {"name": "code", "type": "text", "nullable": False}, {"name": "tz", "type": "text"}
        with locked(world.database.url, "geo.airports"):
            world.apply(world.dimension("airports", *columns))
            # A run that takes longer than a second says what it is doing.
            world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Applying', "dimension/airports")
            world.apply(world.dimension("orders", *columns, database="shop"))
            world.wait("jsonpath={.status.observedGeneration}=2", "dimension/orders")
            world.wait_ready("orders")
            assert world.condition("dimension", "airports", "Ready")["status"] == "False"
        world.wait_ready("airports")
        world.cluster.kubectl("delete", "database", "shop", "--namespace", world.namespace)


def test_observing_plans_and_writes_nothing(empty_world: World) -> None:
    world = empty_world
    world.apply(world.secret(), world.warehouse(migrations={"mode": "Observe"}), world.dimension("airports"))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Observing', "dimension/airports")
    assert [migration["status"]["phase"] for migration in world.migrations()] == ["Pending"]
    assert world.query("SELECT nspname FROM pg_namespace WHERE nspname IN ('geo', 'pgcraft')") == []
    world.apply(world.warehouse(migrations={"mode": "Apply"}))
    world.wait_ready("airports")


def test_drift_is_reported_and_not_repaired(world: World) -> None:
    world.apply(world.dimension("airports"))
    world.wait_ready("airports")
    world.execute("ALTER TABLE geo.airports ALTER COLUMN code DROP NOT NULL")
    world.cluster.kubectl("annotate", "database", "warehouse", "--namespace", world.namespace, "pgcraft.io/reconcile=1")
    world.wait("condition=Drifted", "dimension/airports")
    assert world.condition("dimension", "airports", "Ready")["status"] == "True"
    report = world.get("dimension", "airports")["status"]["drift"]
    assert report["count"] >= 1
    assert "code" in " ".join(report["messages"])


def test_many_that_vanish_at_once_keep_their_views_until_somebody_confirms(world: World) -> None:
    names = [f"d{number}" for number in range(5)]
    world.apply(*(world.dimension(name, api={"schema": "api"}) for name in names))
    world.wait_ready(*names)
    # As one request, so that the operator does not see them go one by one.
    collection = f"/apis/pgcraft.io/v1alpha1/namespaces/{world.namespace}/dimensions"
    world.cluster.kubectl("delete", "--raw", collection)
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=ApprovalPending', "database/warehouse")
    assert all(world.exists(f"api.{name}") for name in names)
    (migration,) = world.migrations("ApprovalPending")
    world.cluster.kubectl(
        *("annotate", "database", "warehouse", "--namespace", world.namespace),
        f"pgcraft.io/confirm={migration['metadata']['name']}",
    )
    world.wait("condition=Ready", "database/warehouse")
    assert not any(world.exists(f"api.{name}") for name in names)
    assert all(world.exists(f"geo.{name}") for name in names)


def test_the_probes_answer(world: World) -> None:
    world.wait("condition=Ready", "database/warehouse")
    assert (world.operator.probe("/healthz"), world.operator.probe("/readyz")) == (200, 200)


def test_a_told_operator_stops_in_order_and_a_new_one_goes_on(world: World, permissions: Path, tmp_path: Path) -> None:
    columns = {"name": "code", "type": "text", "nullable": False}, {"name": "tz", "type": "text"}
    world.apply(world.dimension("airports"))
    world.wait_ready("airports")
    with locked(world.database.url, "geo.airports"):
        world.apply(world.dimension("airports", *columns))
        world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Applying', "dimension/airports")
        assert world.operator.stop() == 0, world.operator.log.read_text()
    assert "Traceback" not in world.operator.log.read_text().rpartition("stopping")[2]
    fresh = Operator.start(permissions, tmp_path / "log")
    # The other tests' operator from here on.
    world.operator.process, world.operator.log, world.operator.health_port = (
        fresh.process,
        world.operator.log.with_name("log2"),
        fresh.health_port,
    )
    (tmp_path / "log").rename(world.operator.log)
    world.wait_ready("airports")
    assert "tz" in world.columns("geo.airports")


def test_missing_permissions_are_told_with_the_command_that_gives_them(
    cluster: Cluster, permissions: Path, namespace: str, tmp_path: Path
) -> None:
    del permissions  # the CRDs are there
    operator = Operator.start(cluster.kubeconfig_for_service_account(namespace, "default"), tmp_path / "log")
    assert operator.process.wait(30) == 1
    log = operator.log.read_text()
    assert "kubectl apply" in log
    assert "Traceback" not in log


def test_a_cluster_that_cannot_be_reached_is_said_so(tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": f"https://127.0.0.1:{free_port()}"}}],
        "users": [{"name": "x", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    operator = Operator.start(tmp_path / "kubeconfig", tmp_path / "log")
    assert operator.process.wait(30) == 1
    assert "Traceback" not in operator.log.read_text()


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Hold a table as a long transaction of somebody else would."""
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
        yield
