"""The operator as its own process, under the permissions it ships with, shared by the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.cluster import Cluster
from playground.postgres import ScratchDatabase
from tests.cluster.operator_world import PERMISSIONS, ROOT, Operator, World


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
    operator = Operator(permissions, tmp_path_factory.mktemp("operator") / "log").start()
    yield operator
    operator.kill()


@pytest.fixture
def world(cluster: Cluster, operator: Operator, namespace: str, database: ScratchDatabase) -> Iterator[World]:
    """A namespace with a Database that is up."""
    world = World(cluster, operator, namespace, database)
    world.apply(world.secret(), world.warehouse())
    yield world
    world.take_down()


@pytest.fixture
def empty_world(cluster: Cluster, operator: Operator, namespace: str, database: ScratchDatabase) -> Iterator[World]:
    """A namespace with nothing in it, and an empty database."""
    world = World(cluster, operator, namespace, database)
    yield world
    world.take_down()
