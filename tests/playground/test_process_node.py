import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from playground.cluster import Cluster, KubectlError
from playground.postgres import PostgresServer, ScratchDatabase
from playground.process_node import ProcessNode

pytestmark = [pytest.mark.cluster, pytest.mark.node]

POSTGREST = "registry.local/postgrest:12"


@pytest.fixture
def node(process_node: ProcessNode | None) -> ProcessNode:
    if process_node is None:
        pytest.skip("this cluster has nodes of its own")
    return process_node


@pytest.fixture
def run(cluster: Cluster, namespace: str, node: ProcessNode) -> Callable[..., str]:
    """Create a Pod of one container and return its name."""

    def create(name: str, *command: str, container: dict[str, Any] | None = None, **spec: Any) -> str:
        body = {"name": "main", "image": POSTGREST, "command": list(command), **(container or {})}
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": {"tier": "test"}},
                "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, **spec, "containers": [body]},
            }
        )
        return name

    return create


@pytest.fixture
def phase(cluster: Cluster, namespace: str) -> Callable[[str, str], dict[str, Any]]:
    """Wait until a Pod is in a phase and return it."""

    def wait(name: str, phase: str) -> dict[str, Any]:
        cluster.wait(f"jsonpath={{.status.phase}}={phase}", f"pod/{name}", namespace, 20)
        return cluster.get("pod", name, namespace)

    return wait


@pytest.fixture
def postgrest(cluster: Cluster, namespace: str, node: ProcessNode, table: ScratchDatabase) -> str:
    """A Deployment of two PostgREST serving the table, available."""
    cluster.apply(*postgrest_deployment(namespace, table.url))
    cluster.wait("condition=Available", "deployment/postgrest", namespace, 30)
    return "postgrest"


@pytest.fixture
def table(postgres: PostgresServer) -> Iterator[ScratchDatabase]:
    with postgres.scratch_database() as database:
        with psycopg.connect(database.url) as connection:
            connection.execute("CREATE ROLE reader")
            connection.execute("CREATE TABLE greeting (text text)")
            connection.execute("INSERT INTO greeting VALUES ('hello')")
            connection.execute("GRANT SELECT ON greeting TO reader")
        yield database


def postgrest_deployment(namespace: str, url: str) -> list[dict[str, Any]]:
    container = {
        "name": "postgrest",
        "image": POSTGREST,
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "PGRST_DB_URI", "valueFrom": {"secretKeyRef": {"name": "database", "key": "uri"}}},
            {"name": "PGRST_SERVER_HOST", "value": "$(POD_IP)"},
            {"name": "PGRST_ADMIN_SERVER_PORT", "value": "3001"},
            {"name": "PGRST_DB_SCHEMAS", "value": "public"},
            {"name": "PGRST_DB_ANON_ROLE", "value": "reader"},
        ],
        "ports": [{"name": "http", "containerPort": 3000}, {"name": "admin", "containerPort": 3001}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "admin"}},
        "livenessProbe": {"httpGet": {"path": "/live", "port": "admin"}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}},
    }
    labels = {"app": "postgrest"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "database", "namespace": namespace},
            "stringData": {"uri": url},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "postgrest", "namespace": namespace},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    ]


def pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    return json.loads(cluster.kubectl("get", "pods", "--namespace", namespace, "--output", "json"))["items"]


def processes_of(pod: str) -> list[int]:
    """The processes that were started with the Pod's name as their host name."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"HOSTNAME={pod}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def test_a_deployment_of_postgrest_answers_at_each_pods_address(cluster: Cluster, namespace: str, postgrest: str):
    addresses = [pod["status"]["podIP"] for pod in pods(cluster, namespace)]
    assert len(set(addresses)) == 2
    for address in addresses:
        assert address.startswith("127.")
        assert httpx.get(f"http://{address}:3000/greeting").json() == [{"text": "hello"}]


def test_a_rollout_replaces_every_pod_and_keeps_two_serving(cluster: Cluster, namespace: str, postgrest: str):
    old = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods(cluster, namespace)}
    cluster.kubectl("rollout", "restart", "deployment/postgrest", "--namespace", namespace)
    cluster.kubectl("rollout", "status", "deployment/postgrest", "--namespace", namespace)
    for name in old:
        cluster.wait("delete", f"pod/{name}", namespace, 20)
        assert processes_of(name) == []
    new = {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods(cluster, namespace)}
    assert len(new) == 2
    assert not new.keys() & old.keys()
    for address in new.values():
        assert httpx.get(f"http://{address}:3000/greeting").status_code == 200
    for address in old.values():
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://{address}:3000/greeting")


def test_a_killed_postgrest_is_started_again_in_the_same_pod(cluster: Cluster, namespace: str, postgrest: str):
    pod = pods(cluster, namespace)[0]
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    (process,) = processes_of(name)
    os.kill(process, signal.SIGKILL)
    cluster.wait("jsonpath={.status.containerStatuses[0].restartCount}=1", f"pod/{name}", namespace, 20)
    cluster.wait("condition=Ready", f"pod/{name}", namespace, 20)
    status = cluster.get("pod", name, namespace)["status"]
    assert status["podIP"] == address
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    assert httpx.get(f"http://{address}:3000/greeting").status_code == 200


def test_the_environment_is_the_pods_own_and_nothing_else(cluster: Cluster, namespace: str, node, run, phase):
    meta = {"apiVersion": "v1", "metadata": {"name": "source", "namespace": namespace}}
    cluster.apply(
        {**meta, "kind": "Secret", "stringData": {"PASSWORD": "p$(A)"}},
        {**meta, "kind": "ConfigMap", "data": {"A": "from-map", "B": "b"}},
    )
    fields = {"NAME": "metadata.name", "LABEL": "metadata.labels['tier']", "NODE": "spec.nodeName"}
    container = {
        "envFrom": [
            {"prefix": "MAP_", "configMapRef": {"name": "source"}},
            {"secretRef": {"name": "no", "optional": True}},
        ],
        "env": [
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "source", "key": "PASSWORD"}}},
            {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "source", "key": "B"}}},
            {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "source", "key": "C", "optional": True}}},
            *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
            {"name": "EXPANDED", "value": "$(MAP_A) $$(MAP_A) $(UNKNOWN) $(KEY)"},
        ],
        "args": ["argument=$(KEY)", "env"],
    }
    run("environment", "env", container=container)
    phase("environment", "Succeeded")
    lines = dict(line.split("=", 1) for line in node.log(namespace, "environment", "main").splitlines())
    del lines["PATH"]
    assert lines == {
        "HOSTNAME": "environment",
        "MAP_A": "from-map",
        "MAP_B": "b",
        "SECRET": "p$(A)",
        "KEY": "b",
        "NAME": "environment",
        "LABEL": "test",
        "NODE": "process-node",
        "EXPANDED": "from-map $(MAP_A) $(UNKNOWN) b",
        "argument": "b",
    }


def test_a_pod_waits_for_its_secret_and_says_which(cluster: Cluster, namespace: str, run, phase):
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "later", "key": "a"}}}]
    run("patient", "true", container={"env": env})
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.message}"
    cluster.wait(f'{reason}=secret "later" not found', "pod/patient", namespace, 20)
    cluster.kubectl("create", "secret", "generic", "later", "--from-literal=a=b", "--namespace", namespace)
    phase("patient", "Succeeded")


@pytest.mark.parametrize(
    ("container", "reason", "message"),
    [
        (
            {"image": "registry.local/stranger:1"},
            "ErrImageNeverPull",
            'the process node has no program for image "registry.local/stranger:1"',
        ),
        (
            {"command": ["no-such-program"]},
            "CreateContainerError",
            'exec: "no-such-program": executable file not found in $PATH',
        ),
        (
            {"volumeMounts": [{"name": "secret", "mountPath": "/etc/secret"}]},
            "CreateContainerConfigError",
            "the process node does not support the mount of volume secret at /etc/secret",
        ),
    ],
)
def test_what_cannot_run_says_why(cluster: Cluster, namespace: str, run, container, reason, message):
    run("refused", "true", container=container, volumes=[{"name": "secret", "secret": {"secretName": "x"}}])
    cluster.wait(
        f"jsonpath={{.status.containerStatuses[0].state.waiting.reason}}={reason}", "pod/refused", namespace, 20
    )
    status = cluster.get("pod", "refused", namespace)["status"]
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"]["waiting"]["message"] == message


def test_a_crashing_container_is_restarted_with_growing_delay(cluster: Cluster, namespace: str, run):
    run("crash", "sh", "-c", "exit 3", restartPolicy="Always")
    container = "jsonpath={.status.containerStatuses[0]"
    cluster.wait(container + ".state.waiting.reason}=CrashLoopBackOff", "pod/crash", namespace, 20)
    cluster.wait(container + ".restartCount}=2", "pod/crash", namespace, 20)
    status = cluster.get("pod", "crash", namespace)["status"]
    assert status["phase"] == "Running"
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3


def test_a_failed_init_container_keeps_the_others_from_starting(namespace: str, node, run, phase):
    init = [
        {"name": "first", "image": POSTGREST, "command": ["true"]},
        {"name": "second", "image": POSTGREST, "command": ["sh", "-c", "exit 7"]},
    ]
    run("initialized", "true", initContainers=init)
    status = phase("initialized", "Failed")["status"]
    assert [entry["state"]["terminated"]["exitCode"] for entry in status["initContainerStatuses"]] == [0, 7]
    assert "waiting" in status["containerStatuses"][0]["state"]


def test_a_failing_liveness_probe_restarts_the_container(cluster: Cluster, namespace: str, run):
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    run("sick", "sleep", "60", restartPolicy="Always", container={"livenessProbe": probe})
    cluster.wait("jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/sick", namespace, 20)


def test_readiness_follows_the_probe_both_ways(cluster: Cluster, namespace: str, run, tmp_path: Path):
    flag = tmp_path / "ready"
    probe = {"exec": {"command": ["test", "-e", str(flag)]}, "periodSeconds": 1, "failureThreshold": 1}
    run("moody", "sleep", "60", container={"readinessProbe": probe})
    cluster.wait("jsonpath={.status.phase}=Running", "pod/moody", namespace, 20)
    assert cluster.get("pod", "moody", namespace)["status"]["containerStatuses"][0]["ready"] is False
    flag.touch()
    cluster.wait("condition=Ready", "pod/moody", namespace, 20)
    flag.unlink()
    cluster.wait("condition=Ready=false", "pod/moody", namespace, 20)


def test_deletion_runs_the_hook_then_asks_then_ends(cluster: Cluster, namespace: str, run, tmp_path: Path):
    log = tmp_path / "log"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", f"echo hook >> {log}"]}}}
    script = f"trap 'echo asked >> {log}; exit 0' TERM; echo up >> {log}; while :; do sleep 0.1; done"
    up = {"exec": {"command": ["test", "-s", str(log)]}}
    run("polite", "sh", "-c", script, container={"lifecycle": hook, "readinessProbe": up})
    cluster.wait("condition=Ready", "pod/polite", namespace, 20)
    cluster.kubectl("delete", "pod", "polite", "--namespace", namespace)
    assert log.read_text().split() == ["up", "hook", "asked"]


def test_what_ignores_the_request_is_killed_when_its_time_is_over(
    cluster: Cluster, namespace: str, run, tmp_path: Path
):
    up = {"exec": {"command": ["test", "-e", str(tmp_path / "deaf")]}}
    script = f"trap '' TERM; touch {tmp_path}/deaf; while :; do sleep 0.1; done"
    run("deaf", "sh", "-c", script, terminationGracePeriodSeconds=1, container={"readinessProbe": up})
    cluster.wait("condition=Ready", "pod/deaf", namespace, 20)
    assert processes_of("deaf")
    cluster.kubectl("delete", "pod", "deaf", "--namespace", namespace)
    with pytest.raises(KubectlError, match="not found"):
        cluster.get("pod", "deaf", namespace)
    assert processes_of("deaf") == []
