"""Which cluster the demo and the tests get: one that is named, else kind where Docker runs, else our own."""

import os
import shutil
import subprocess
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from playground.binaries import ensure_binaries, ensure_kubectl
from playground.cache import cache_folder, progress
from playground.cluster import Cluster
from playground.control_plane import ControlPlane
from playground.scratch import ScratchFolder

_KIND_VERSION = "v0.30.0"  # brings Kubernetes 1.34
_KUBECTL_VERSION = "v1.34.0"


@contextmanager
def open_cluster() -> Generator[Cluster]:
    """Give a cluster as its administrator.

    In order: the one of `$PGCRAFT_TEST_KUBECONFIG`; kind where a Docker daemon answers; a control plane of
    `$KUBEBUILDER_ASSETS`; one built from Go modules. Only the last three are taken down again.
    """
    named = os.environ.get("PGCRAFT_TEST_KUBECONFIG")
    if named:
        with _named_cluster(Path(named)) as cluster:
            yield cluster
    elif _has_docker():
        with _kind_cluster() as cluster:
            yield cluster
    else:
        with ControlPlane() as control_plane:
            yield control_plane.cluster


def ensure_cluster_programs() -> None:
    """Build what `open_cluster` would build, so that it need not be waited for there."""
    if os.environ.get("PGCRAFT_TEST_KUBECONFIG") or not _has_docker():
        ensure_binaries()


@contextmanager
def _named_cluster(kubeconfig: Path) -> Generator[Cluster]:
    on_path = shutil.which("kubectl")
    kubectl = Path(on_path) if on_path else ensure_kubectl()
    with ScratchFolder("cluster") as folder:
        cluster = Cluster(kubeconfig, kubectl, folder, has_nodes=False)
        yield replace(cluster, has_nodes=bool(cluster.get_all("nodes")))


def _has_docker() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        done = subprocess.run([docker, "info"], capture_output=True, check=False, timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@contextmanager
def _kind_cluster() -> Generator[Cluster]:
    # pytest-kind reads its versions when it is imported; its own defaults are older than what we support.
    os.environ.setdefault("KIND_VERSION", _KIND_VERSION)
    os.environ.setdefault("KUBECTL_VERSION", _KUBECTL_VERSION)
    with warnings.catch_warnings(action="ignore"):
        from pytest_kind import KindCluster  # noqa: PLC0415 - after the variables above
    on_path = shutil.which("kind")
    with ScratchFolder("kind") as folder:
        kind = KindCluster(
            f"pgcraft-{os.getpid()}",
            kubeconfig=folder / "admin.kubeconfig",
            kind_path=Path(on_path) if on_path else cache_folder() / f"kind-{_KIND_VERSION}",
            kubectl_path=cache_folder() / f"kubectl-{_KUBECTL_VERSION}",
        )
        try:
            with progress("creating a cluster with kind, about a minute"):
                kind.create()
                kind.ensure_kubectl()
            cluster = Cluster(kind.kubeconfig_path, kind.kubectl_path, folder, has_nodes=False)
            # The operator runs on this machine, from where the pods of a node in a container have no address. So kind
            # gives the API alone, and pods become processes here, as with a control plane of our own.
            cluster.kubectl("cordon", "--selector", "kubernetes.io/os=linux")
            yield cluster
        finally:
            kind.delete()
