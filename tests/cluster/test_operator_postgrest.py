"""From a Dimension to an answer over HTTP: the operator, Postgres, and PostgREST in pods."""

from typing import Any

import httpx
import pytest

from playground.process_node import ProcessNode
from tests.cluster.operator_world import World

CODE = {"name": "code", "type": "text", "nullable": False}


def postgrest(world: World, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "pgcraft.io/v1alpha1",
        "kind": "PostgREST",
        "metadata": {"name": "api", "namespace": world.namespace},
        "spec": {
            "databaseRef": {"name": "warehouse"},
            "anonymousRole": {"name": f"{world.database.name}_anon"},
            "deployment": {"image": "registry.local/postgrest:12"},
            **spec,
        },
    }


def exposed(world: World, name: str, *columns: dict[str, Any]) -> dict[str, Any]:
    grants = [{"role": f"{world.database.name}_anon", "privileges": ["select"]}]
    return world.dimension(name, *columns, api={"schema": "api", "grants": grants})


def pod(world: World) -> dict[str, Any]:
    (found,) = world.cluster.get_all("pods", world.namespace, "pgcraft.io/postgrest=api")
    return found


def ask(world: World, path: str) -> httpx.Response:
    return httpx.get(f"http://{pod(world)['status']['podIP']}:3000{path}", trust_env=False, timeout=10)


@pytest.mark.timeout(180)
def test_ready_means_served(world: World, process_node: ProcessNode | None) -> None:
    del process_node  # it runs the pods
    world.apply(postgrest(world), exposed(world, "airports", CODE))
    world.wait_ready("airports")
    world.execute("INSERT INTO geo.airports (code) VALUES ('EDDF')")
    assert ask(world, "/airports?select=code").json() == [{"code": "EDDF"}]

    assert world.condition("dimension", "airports", "ApiReady")["status"] == "True"
    world.wait("condition=Ready", "postgrest/api")
    status = world.get("postgrest", "api")["status"]
    assert (status["readyReplicas"], status["servedResources"]) == (1, 1)
    assert status["url"].startswith("http://api.")
    assert status["roles"] == [f"{world.database.name}_anon"]

    before = pod(world)["metadata"]["uid"]
    world.apply(exposed(world, "airports", CODE, {"name": "tz", "type": "text"}))
    world.wait_ready("airports")
    assert ask(world, "/airports?select=code,tz").json() == [{"code": "EDDF", "tz": None}]
    assert pod(world)["metadata"]["uid"] == before, "no restart is needed"

    kinds = ("dimensions", "postgrests", "databases", "migrations", "secrets", "services")

    def versions() -> dict[str, str]:
        found = [item["metadata"] for kind in kinds for item in world.cluster.get_all(kind, world.namespace)]
        return {metadata["uid"]: metadata["resourceVersion"] for metadata in found}

    settled = versions()
    world.apply(postgrest(world), exposed(world, "airports", CODE, {"name": "tz", "type": "text"}))
    # A dimension that is not exposed: when it is ready, a whole run was made over all of it.
    world.apply(world.dimension("barrier"))
    world.wait_ready("barrier")
    database = world.get("database", "warehouse")["metadata"]["uid"]
    assert {uid: version for uid, version in versions().items() if uid in settled and uid != database} == {
        uid: version for uid, version in settled.items() if uid != database
    }

    world.cluster.kubectl("delete", "dimension", "airports", "--namespace", world.namespace)
    world.wait("jsonpath={.status.servedResources}=0", "postgrest/api")
    assert ask(world, "/airports").status_code == 404
    assert world.query("SELECT code FROM geo.airports") == [("EDDF",)]


def test_an_api_without_pods_yet_says_what_it_waits_for(world: World) -> None:
    world.apply(postgrest(world, jwt={"secretRef": {"name": "keys", "key": "jwt"}}), exposed(world, "airports", CODE))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DependencyNotReady', "postgrest/api")
    assert f"{world.namespace}/keys" in world.condition("postgrest", "api", "Ready")["message"]
    ready = world.condition("dimension", "airports", "Ready")
    assert ready["status"] == "False"
