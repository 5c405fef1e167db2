import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from playground.cluster import Cluster, KubectlError
from playground.control_plane import ControlPlane
from playground.process_node import ProcessNode

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """One of its own, to be disturbed."""
    with ControlPlane() as control_plane:
        yield control_plane


def test_a_service_account_may_do_what_its_role_says_and_no_more(cluster: Cluster, namespace: str):
    cluster.kubectl("create", "serviceaccount", "reader", "--namespace", namespace)
    cluster.kubectl("create", "role", "read", "--verb=list", "--resource=pods", "--namespace", namespace)
    binding = ("create", "rolebinding", "read", "--role=read", f"--serviceaccount={namespace}:reader")
    cluster.kubectl(*binding, "--namespace", namespace)
    reader = replace(cluster, kubeconfig=cluster.kubeconfig_for_service_account(namespace, "reader"))
    assert reader.kubectl("get", "pods", "--output", "name") == ""
    with pytest.raises(KubectlError, match=r"cannot list resource .secrets."):
        reader.kubectl("get", "secrets")


def test_owned_objects_go_with_their_owner(cluster: Cluster, namespace: str):
    meta = {"name": "owner", "namespace": namespace}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    uid = cluster.get("configmap", "owner", namespace)["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned = {"name": "owned", "namespace": namespace, "ownerReferences": [owner]}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": owned})
    cluster.kubectl("delete", "configmap", "owner", "--namespace", namespace)
    cluster.wait("delete", "configmap/owned", namespace, 30)


def test_a_restarted_api_server_keeps_its_data_and_the_node_goes_on(control_plane: ControlPlane):
    cluster = control_plane.cluster
    with ProcessNode(cluster.kubeconfig, images={"any": ["sleep"]}), cluster.scratch_namespace("fault") as namespace:
        sleeper = {"name": "main", "image": "any", "args": ["60"]}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "sleeper", "namespace": namespace},
            "spec": {
                "selector": {"matchLabels": {"app": "sleeper"}},
                "template": {"metadata": {"labels": {"app": "sleeper"}}, "spec": {"containers": [sleeper]}},
            },
        }
        cluster.apply(deployment)
        cluster.wait("condition=Available", "deployment/sleeper", namespace, 30)
        control_plane.stop_api_server()
        with pytest.raises(KubectlError, match="refused"):
            cluster.kubectl("get", "pods")
        control_plane.start_api_server()
        cluster.kubectl("scale", "deployment/sleeper", "--replicas=2", "--namespace", namespace)
        cluster.wait("jsonpath={.status.availableReplicas}=2", "deployment/sleeper", namespace, 30)
        cluster.kubectl("delete", "pods", "--all", "--namespace", namespace, "--grace-period=1")
        cluster.wait("jsonpath={.status.availableReplicas}=2", "deployment/sleeper", namespace, 30)


def test_a_killed_node_leaves_no_process_and_its_successor_restarts_the_pod(
    control_plane: ControlPlane, tmp_path: Path
):
    cluster = control_plane.cluster
    kubeconfig = ["--kubeconfig", str(cluster.kubeconfig), "--image", "any=sleep"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # what is killed does not clear up
    first = subprocess.Popen([sys.executable, "-m", "playground.process_node", *kubeconfig], env=environment)
    with cluster.scratch_namespace("killed") as namespace:
        try:
            script = f"echo $$$$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/process; exec sleep 60"
            ready = {"exec": {"command": ["test", "-e", f"{tmp_path}/process"]}}
            container = {"name": "main", "image": "any", "command": ["sh", "-c", script], "readinessProbe": ready}
            meta = {"name": "lasting", "namespace": namespace}
            cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}})
            cluster.wait("condition=Ready", "pod/lasting", namespace, 30)
            process = os.pidfd_open(int((tmp_path / "process").read_text()))
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
        try:
            assert select.select([process], [], [], 10) == ([process], [], [])
        finally:
            os.close(process)
        with ProcessNode(cluster.kubeconfig, images={"any": ["sleep"]}):
            restarts = "jsonpath={.status.containerStatuses[0].restartCount}=1"
            cluster.wait(restarts, "pod/lasting", namespace, 30)
