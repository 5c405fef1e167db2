"""A PostgREST resource's workload on a real API server, its pods real PostgREST over a real Postgres."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import httpx
import jwt
import psycopg
import pytest
from psycopg import sql

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import RoleGrant, View, ViewColumn
from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.cluster import Cluster as Port
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.postgrest import (
    ApiOutcome,
    WorkloadSecret,
    confirmation,
    ensure_secret,
    expose,
    forget,
)
from pgcraft_operator.postgrest.errors import SourceSecretMissingError
from pgcraft_operator.postgrest.ownership import label_selector
from pgcraft_operator.postgrest.rollout import ReadyPod, ready_pods
from pgcraft_operator.postgrest.scram import verifies
from playground.cluster import Cluster
from playground.postgres import PostgresServer

CRD = Path(__file__).parents[2] / "crds" / "pgcraft.io_postgrests.yaml"
OBJECTS = {"Deployment": "api", "Service": "api", "Secret": "api-postgrest"}
Database = tuple[PostgresServer, str, psycopg.Connection]
PATIENCE = 60  # seconds until something is there, on a busy machine


@dataclass
class World:
    """A PostgREST resource named `api`, its database, and an operator's connection to the cluster."""

    cluster: Cluster
    port: Port
    namespace: str
    postgres: PostgresServer
    dbname: str
    database: psycopg.Connection
    units: list[Unit] = field(default_factory=list)

    @property
    def anon(self) -> str:
        return f"{self.dbname}_anon"

    @property
    def editor(self) -> str:
        return f"{self.dbname}_editor"

    @property
    def connection(self) -> ConnectionParameters:
        return ConnectionParameters("127.0.0.1", self.postgres.port, self.dbname, "nobody", "", sslmode="disable")

    def declare(self, **spec: Any) -> PostgREST:
        """Apply the resource and return it as the operator reads it."""
        spec = {
            "databaseRef": {"name": "warehouse"},
            "anonymousRole": {"name": self.anon},
            "roles": [{"name": self.editor}],
            "deployment": {"image": "registry.local/postgrest:12"},
            **spec,
        }
        metadata = {"name": "api", "namespace": self.namespace}
        self.cluster.apply(
            {"apiVersion": "pgcraft.io/v1alpha1", "kind": "PostgREST", "metadata": metadata, "spec": spec}
        )
        resource = load_resource(self.cluster.get("postgrest", "api", self.namespace))
        assert isinstance(resource, PostgREST)
        return resource

    async def ensure_secret(self, postgrest: PostgREST) -> WorkloadSecret:
        """Ensure the Secret, and the login of its verifier as the engine would."""
        secret = await ensure_secret(self.port, postgrest, self.connection)
        if not self.database.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [secret.login_role]).fetchone():
            self.execute("CREATE ROLE {} LOGIN NOINHERIT", secret.login_role)
            self.execute("GRANT {}, {} TO {}", self.anon, self.editor, secret.login_role)
        self.database.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(secret.login_role), sql.Literal(secret.verifier))
        )
        return secret

    async def reconcile(
        self,
        postgrest: PostgREST,
        *,
        standing: Mapping[ObjectId, Claimant] | None = None,
        doubted: Collection[Claimant] = (),
    ) -> ApiOutcome:
        """Run once."""
        secret = await self.ensure_secret(postgrest)
        return await expose(self.port, postgrest, self.units, secret, standing=standing or {}, doubted=doubted)

    async def settle(self, postgrest: PostgREST) -> ApiOutcome:
        """Run as often as the operator would, until there is nothing to wait for."""
        outcome = None
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    outcome = await self.reconcile(postgrest)
                    if outcome.waiting is None:
                        return outcome
                    await asyncio.sleep(0.2)  # as the operator comes again
        except TimeoutError:
            pytest.fail(f"still waiting: {outcome}")

    def execute(self, statement: LiteralString, *names: str) -> None:
        self.database.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def migrate(self, name: str, *columns: str, notify: bool = True) -> None:
        """Make a view of these columns for the anonymous role, in one transaction with the notification."""
        with self.database.transaction():
            self.execute("DROP VIEW IF EXISTS api.{}", name)
            selected = sql.SQL(", ").join(sql.SQL("1 AS {}").format(sql.Identifier(column)) for column in columns)
            self.database.execute(sql.SQL("CREATE VIEW api.{} AS SELECT {}").format(sql.Identifier(name), selected))
            self.execute("GRANT SELECT ON api.{} TO {}", name, self.anon)
            if notify:
                self.execute("NOTIFY pgrst, 'reload schema'")
        view = View(
            schema_name="api",
            name=name,
            base_schema="geo",
            base_name=name,
            columns=tuple(ViewColumn(name=column) for column in columns),
            grants=(RoleGrant(role=self.anon, privileges=("SELECT",)),),
        )
        self.units = [unit for unit in self.units if unit.claimant != claimant(name)]
        self.units.append(Unit(claimant(name), objects=(view,)))

    async def pods(self, postgrest: PostgREST) -> tuple[ReadyPod, ...]:
        return ready_pods(await self.port.list_pods(self.namespace, label_selector(postgrest)))

    def versions(self) -> dict[str, str | int]:
        """Return what a write of ours would change; the Deployment's resourceVersion changes with its status, too."""
        found = {kind: self.cluster.get(kind, name, self.namespace)["metadata"] for kind, name in OBJECTS.items()}
        return {
            kind: metadata["generation" if kind == "Deployment" else "resourceVersion"]
            for kind, metadata in found.items()
        }


def view_id(name: str) -> ObjectId:
    return ObjectId("view", "api", name)


def claimant(name: str) -> Claimant:
    return Claimant("Dimension", "geo", name)


def refuse_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test fail at the next write, even one that would change nothing."""

    async def refuse(_port: Port, manifest: dict[str, Any], **_: object) -> None:
        pytest.fail(f"{manifest['kind']} was written")

    monkeypatch.setattr(Port, "apply", refuse)


@pytest.fixture(scope="module", autouse=True)
def ready_cluster(cluster: Cluster, process_node: object) -> None:
    """The kind PostgREST, and a node to run its pods."""
    if process_node is None:
        pytest.skip("the nodes of this cluster cannot reach a Postgres on loopback")
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(CRD))
    cluster.wait("condition=Established", "crd/postgrests.pgcraft.io")


@pytest.fixture
async def port(cluster: Cluster) -> AsyncIterator[Port]:
    port = await Port.connect(cluster.kubeconfig)
    yield port
    await port.close()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    with postgres.scratch_database() as database, psycopg.connect(database.url, autocommit=True) as connection:
        yield postgres, database.name, connection


@pytest.fixture
def world(
    cluster: Cluster,
    port: Port,
    namespace: str,
    database: Database,
) -> World:
    world = World(cluster, port, namespace, *database)
    world.execute("CREATE ROLE {} NOLOGIN", world.anon)
    world.execute("CREATE ROLE {} NOLOGIN", world.editor)
    world.execute("CREATE SCHEMA api")
    world.execute("GRANT USAGE ON SCHEMA api TO {}, {}", world.anon, world.editor)
    return world


async def test_a_view_made_later_is_served_without_a_restart(world: World) -> None:
    postgrest = world.declare()
    world.migrate("airports", "icao")
    first = await world.reconcile(postgrest)
    assert (first.ready, first.served) == (False, frozenset())

    outcome = await world.settle(postgrest)
    assert outcome == ApiOutcome(
        f"http://api.{world.namespace}.svc:80", replicas=1, ready_replicas=1, served=frozenset({view_id("airports")})
    )
    pods = await world.pods(postgrest)

    world.migrate("countries", "code", "full name")
    world.migrate("airports", "icao", "iata")
    outcome = await world.reconcile(postgrest)
    assert outcome.ready, outcome
    assert outcome.served == {view_id("airports"), view_id("countries")}
    assert await world.pods(postgrest) == pods, "a pod was restarted"
    async with httpx.AsyncClient(base_url=pods[0].base_url) as client:
        assert (await client.get("/countries")).json() == [{"code": 1, "full name": 1}]
        assert (await client.get("/airports")).json() == [{"icao": 1, "iata": 1}]


async def test_a_token_of_the_secrets_key_is_taken_and_another_refused(world: World) -> None:
    postgrest = world.declare()
    await world.settle(postgrest)
    secret = await world.ensure_secret(postgrest)
    world.execute("CREATE VIEW api.mine AS SELECT current_user::text AS role")
    world.execute("GRANT SELECT ON api.mine TO {}", world.editor)
    (pod,) = await world.pods(postgrest)
    async with httpx.AsyncClient(base_url=pod.base_url) as client:
        for key, status in ((secret.jwt_secret, 200), ("x" * 43, 401)):
            token = jwt.encode({"role": world.editor}, key, algorithm="HS256")
            answer = await client.get("/mine", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status, answer.text
        assert (await client.get("/mine")).status_code == 401


async def test_an_operator_with_nothing_to_do_writes_nothing_and_asks_no_pod(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = {"requests": {"cpu": "0.05", "memory": "1024Ki"}, "limits": {"cpu": 1}}
    deployment = {"image": "registry.local/postgrest:12", "resources": resources}
    postgrest = world.declare(deployment=deployment)
    world.migrate("airports", "icao")
    outcome = await world.settle(postgrest)
    versions = world.versions()

    refuse_writes(monkeypatch)
    world.execute("DROP VIEW api.airports")  # whoever asks now is told so
    assert await world.reconcile(postgrest) == outcome
    forget(postgrest.metadata.uid)  # as if the operator had been restarted
    assert (await world.reconcile(postgrest)).waiting is not None
    assert world.versions() == versions


async def test_a_change_rolls_without_a_failed_request(world: World) -> None:
    postgrest = world.declare(deployment={"image": "registry.local/postgrest:12", "replicas": 2})
    world.migrate("airports", "icao")
    await world.settle(postgrest)
    before = await world.pods(postgrest)
    assert len(before) == 2

    answers: list[int | str] = []
    over = asyncio.Event()

    async def ask_all() -> None:
        """Do as a Service does: send requests to the pods that are ready and not about to end."""
        async with httpx.AsyncClient() as client:
            while not over.is_set():
                for pod in await world.pods(postgrest):
                    try:
                        answers.append((await client.get(f"{pod.base_url}/airports")).status_code)
                    except httpx.HTTPError as error:
                        answers.append(f"{pod.name}: {error!r}")

    async with asyncio.TaskGroup() as group:
        group.create_task(ask_all())
        postgrest = world.declare(deployment={"image": "registry.local/postgrest:12", "replicas": 2}, maxRows=7)
        assert (await world.reconcile(postgrest)).waiting is not None
        await world.settle(postgrest)
        over.set()
    assert len(answers) > 50
    assert set(answers) == {200}
    after = await world.pods(postgrest)
    assert len(after) == 2
    assert not {pod.name for pod in before} & {pod.name for pod in after}


async def test_foreign_changes_are_undone_and_foreign_additions_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgrest = world.declare()
    await world.settle(postgrest)
    kubectl = world.cluster.kubectl
    kubectl("scale", "deployment/api", "--replicas=0", "--namespace", world.namespace)
    kubectl("label", "service/api", "team=geo", "--namespace", world.namespace)
    kubectl("patch", "service/api", "--namespace", world.namespace, "--patch", '{"spec": {"selector": {"a": "b"}}}')
    await world.settle(postgrest)
    assert world.cluster.get("Deployment", "api", world.namespace)["spec"]["replicas"] == 1
    service = world.cluster.get("Service", "api", world.namespace)
    assert service["metadata"]["labels"]["team"] == "geo"
    refuse_writes(monkeypatch)
    await world.reconcile(postgrest)


async def test_a_setting_taken_back_leaves_the_deployment(world: World) -> None:
    def settings() -> set[str]:
        template = world.cluster.get("Deployment", "api", world.namespace)["spec"]["template"]
        return {variable["name"] for variable in template["spec"]["containers"][0]["env"]}

    await world.reconcile(world.declare(maxRows=7))
    assert "PGRST_DB_MAX_ROWS" in settings()
    await world.reconcile(world.declare())
    assert "PGRST_DB_MAX_ROWS" not in settings()


async def test_a_lost_notification_ends_in_one_restart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "PATIENCE", 0.5)
    monkeypatch.setattr(confirmation, "LONGEST_LAG", 0.3)
    postgrest = world.declare()
    await world.settle(postgrest)
    before = await world.pods(postgrest)

    world.migrate("airports", "icao", notify=False)
    seen = [(await world.reconcile(postgrest)).waiting for _ in range(2)]
    assert seen[0] == "api.airports is not known to PostgREST yet"
    assert seen[1] == "PostgREST is restarted, for its schema cache did not follow the database"
    generation = world.cluster.get("Deployment", "api", world.namespace)["metadata"]["generation"]
    outcome = await world.settle(postgrest)
    assert outcome.served == {view_id("airports")}
    assert not set(before) & set(await world.pods(postgrest))
    assert world.cluster.get("Deployment", "api", world.namespace)["metadata"]["generation"] == generation


async def test_a_view_that_somebody_dropped_is_missed_when_it_is_doubted(world: World) -> None:
    postgrest = world.declare()
    world.migrate("airports", "icao")
    world.migrate("countries", "code")
    await world.settle(postgrest)
    world.execute("DROP VIEW api.airports")

    assert (await world.reconcile(postgrest)).ready, "nothing tells of it, so nothing is asked"
    outcome = await world.reconcile(postgrest, doubted={claimant("airports")})
    assert outcome.served == {view_id("countries")}
    assert "does not exist" in (outcome.why_not_served(view_id("airports")) or "")
    assert outcome.why_not_served(view_id("countries")) is None
    again = await world.reconcile(postgrest)
    assert not again.ready, "what was found missing is asked for until it is there"


async def test_withdrawn_views_have_to_be_gone(world: World) -> None:
    postgrest = world.declare()
    world.migrate("airports", "icao")
    await world.settle(postgrest)
    world.units = [Unit(claimant("airports"), diagnostics=(Diagnostic("spec", "faulty"),))]
    stands = await world.reconcile(postgrest, standing={view_id("airports"): claimant("airports")})
    assert stands.ready, "what was applied for a faulty declaration stands"
    assert stands.served == {view_id("airports")}
    world.units = []
    assert (await world.reconcile(postgrest)).waiting == "api.airports is withdrawn and still answers"
    world.execute("DROP VIEW api.airports")
    world.execute("NOTIFY pgrst, 'reload schema'")
    outcome = await world.reconcile(postgrest)
    assert outcome.ready, outcome
    assert outcome.served == frozenset()


async def test_objects_of_others_are_left_alone(world: World) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api", "namespace": world.namespace},
        "spec": {"ports": [{"port": 1}]},
    }
    world.cluster.apply(service)
    version = world.cluster.get("Service", "api", world.namespace)["metadata"]["resourceVersion"]
    outcome = await world.reconcile(world.declare())
    assert outcome.failed is not None
    assert outcome.failed.startswith(f"Service {world.namespace}/api exists and does not belong to this PostgREST")
    assert world.cluster.get("Service", "api", world.namespace)["metadata"]["resourceVersion"] == version


async def test_a_spec_that_kubernetes_refuses_is_a_failure(world: World) -> None:
    resources = {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}
    postgrest = world.declare(deployment={"image": "registry.local/postgrest:12", "resources": resources})
    outcome = await world.reconcile(postgrest)
    assert outcome.failed is not None
    assert "must be less than or equal to cpu limit" in outcome.failed


async def test_why_no_pod_comes_up_is_told(world: World) -> None:
    postgrest = world.declare(deployment={"image": "registry.local/no-such-image:1"})
    await world.reconcile(postgrest)
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImageNeverPull"
    await asyncio.to_thread(world.cluster.wait, "jsonpath={.status.replicas}=1", "deployment/api", world.namespace)
    (pod,) = await world.port.list_pods(world.namespace, label_selector(postgrest))
    await asyncio.to_thread(world.cluster.wait, reason, f"pod/{pod['metadata']['name']}", world.namespace)
    waiting = (await world.reconcile(postgrest)).waiting
    assert waiting is not None
    assert "ErrImageNeverPull" in waiting


async def test_a_secret_is_kept_and_what_it_lost_is_restored(world: World) -> None:
    postgrest = world.declare()
    secret = await ensure_secret(world.port, postgrest, world.connection)
    version = world.cluster.get("Secret", "api-postgrest", world.namespace)["metadata"]["resourceVersion"]
    assert await ensure_secret(world.port, postgrest, world.connection) == secret
    live = world.cluster.get("Secret", "api-postgrest", world.namespace)
    assert live["metadata"]["resourceVersion"] == version

    patch = '{"data": {"verifier": null, "added": "eA=="}}'
    world.cluster.kubectl("patch", "secret/api-postgrest", "--namespace", world.namespace, "--patch", patch)
    repaired = await ensure_secret(world.port, postgrest, world.connection)
    assert (repaired.password, repaired.jwt_secret) == (secret.password, secret.jwt_secret)
    assert verifies(repaired.verifier, secret.password)
    live = world.cluster.get("Secret", "api-postgrest", world.namespace)
    assert base64.b64decode(live["data"]["verifier"]).decode() == repaired.verifier
    assert live["data"]["added"] == "eA=="


async def test_a_jwt_secret_of_ones_own_is_awaited_and_followed(world: World) -> None:
    postgrest = world.declare(jwt={"secretRef": {"name": "keys", "key": "jwt"}})
    with pytest.raises(SourceSecretMissingError):
        await ensure_secret(world.port, postgrest, world.connection)
    checksums = set()
    for value in ("a" * 32, "b" * 32):
        metadata = {"name": "keys", "namespace": world.namespace}
        world.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"jwt": value}})
        secret = await ensure_secret(world.port, postgrest, world.connection)
        assert secret.jwt_secret == value
        checksums.add(secret.checksum)
    assert len(checksums) == 2, "pods would not notice"


async def test_everything_goes_with_the_resource(world: World) -> None:
    postgrest = world.declare()
    await world.settle(postgrest)
    world.cluster.kubectl("delete", "postgrest/api", "--namespace", world.namespace)
    for kind, name in OBJECTS.items():
        await asyncio.to_thread(world.cluster.wait, "delete", f"{kind}/{name}", world.namespace)
