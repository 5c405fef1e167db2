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


@pytest.mark.timeout(180)
def test_one_bad_dimension_holds_nobody_back(world: World, process_node: ProcessNode | None) -> None:
    del process_node  # it runs the pods
    world.apply(postgrest(world), exposed(world, "airports", CODE))
    world.wait_ready("airports")
    world.execute("INSERT INTO geo.airports (code) VALUES ('short')")

    taken = exposed(world, "taken", CODE)
    taken["spec"]["api"]["name"] = "airports"
    failing = exposed(world, "airports", CODE, {"name": "tz", "type": "text"})
    failing["spec"]["checks"] = [{"name": "icao", "expression": "char_length(code) = 4"}]
    untyped = exposed(world, "untyped", {"name": "code", "type": "no_such_type"})
    world.apply(failing, taken, untyped, exposed(world, "countries", CODE))
    for name, reason in (("airports", "MigrationFailed"), ("taken", "Conflict"), ("untyped", "InvalidSpec")):
        world.wait("condition=Stalled", f"dimension/{name}")
        assert world.condition("dimension", name, "Stalled")["reason"] == reason
    world.wait_ready("countries")
    world.wait("condition=Ready", "postgrest/api")
    assert world.get("postgrest", "api")["status"]["servedResources"] == 2

    # Each is judged by what is its own: the refused ones have nothing, the failed one has what it had.
    assert world.condition("dimension", "airports", "ApiReady")["status"] == "True"
    assert ask(world, "/airports?select=code").json() == [{"code": "short"}]
    told = world.condition("dimension", "taken", "ApiReady")
    assert (told["status"], told["message"]) == ("False", "view api.airports is not applied")
    assert "airports" not in world.condition("dimension", "untyped", "ApiReady")["message"]
    assert world.get("dimension", "untyped")["status"]["effective"] == {
        "type": "Simple",
        "table": {"schema": "geo", "name": "untyped"},
        "view": {"schema": "api", "name": "untyped"},
        **{
            key: value
            for key, value in world.get("dimension", "countries")["status"]["effective"].items()
            if key in ("owner", "primaryKey")
        },
    }
    world.wait("jsonpath={.status.dimensions.ready}=1", "database/warehouse")
    assert "1 of 4 dimensions ready" in world.condition("database", "warehouse", "Ready")["message"]
    shown = world.cluster.kubectl("get", "databases", "--namespace", world.namespace).splitlines()
    assert shown[0].split()[3:8] == ["VERSION", "DIMENSIONS", "DIMS", "READY", "PENDING"]
    assert shown[1].split()[4:7] == ["4", "1", "0"]


@pytest.mark.timeout(180)
def test_a_view_dropped_by_hand_is_drift_and_not_served(world: World, process_node: ProcessNode | None) -> None:
    del process_node  # it runs the pods
    world.apply(postgrest(world), exposed(world, "airports", CODE), exposed(world, "countries", CODE))
    world.wait_ready("airports", "countries")
    world.wait("condition=Ready", "postgrest/api")
    world.execute("DROP VIEW api.airports")
    world.reconcile("database", "warehouse", "dropped")
    world.wait("condition=Drifted", "dimension/airports")
    world.wait("condition=ApiReady=False", "dimension/airports")
    ready = world.condition("dimension", "airports", "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ApiNotReady")
    assert "api.airports" in ready["message"]
    assert world.condition("dimension", "countries", "Ready")["status"] == "True"
    world.wait("condition=Drifted", "database/warehouse")
    assert (
        f"1 of 2 dimensions drifted: {world.namespace}/airports"
        in (world.condition("database", "warehouse", "Drifted")["message"])
    )
    shown = world.cluster.kubectl("get", "dimensions", "--namespace", world.namespace).splitlines()
    assert shown[0].split()[1:6] == ["SCHEMA", "TABLE", "TYPE", "DATABASE", "READY"]
    assert [line.split()[1:7] for line in shown[1:]] == [
        ["geo", "airports", "Simple", "warehouse", "False", "True"],
        ["geo", "countries", "Simple", "warehouse", "True", "False"],
    ]


def test_an_api_without_pods_yet_says_what_it_waits_for(world: World) -> None:
    world.apply(postgrest(world, jwt={"secretRef": {"name": "keys", "key": "jwt"}}), exposed(world, "airports", CODE))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DependencyNotReady', "postgrest/api")
    assert f"{world.namespace}/keys" in world.condition("postgrest", "api", "Ready")["message"]
    ready = world.condition("dimension", "airports", "Ready")
    assert ready["status"] == "False"
