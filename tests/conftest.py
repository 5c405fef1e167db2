"""The worlds tests run in: real Postgres, a real Kubernetes API, a node that runs pods as processes."""

import itertools
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import pytest

from playground.binaries import BinariesUnavailableError
from playground.cluster import Cluster
from playground.postgres import (
    DebianPostgres,
    EmbeddedPostgres,
    PostgresServer,
    PostgresUnavailableError,
    ScratchDatabase,
)
from playground.postgrest import PostgRESTUnavailableError, ensure_postgrest
from playground.process_node import ProcessNode
from playground.provision import ensure_cluster_programs, open_cluster
from playground.running_postgres import RunningPostgres

_numbers = itertools.count()


def _aloud(config: pytest.Config) -> AbstractContextManager[None]:
    """Let what takes minutes the first time show its progress through pytest's capture."""
    capture = config.pluginmanager.getplugin("capturemanager")
    return nullcontext() if capture is None else capture.global_and_fixture_disabled()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the collected tests need before the first of them, so that no test's timeout has to allow for it."""
    if session.config.getoption("collectonly"):
        return
    needed = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    with _aloud(session.config), suppress(BinariesUnavailableError, PostgRESTUnavailableError):  # fixtures will say it
        if "postgrest_binary" in needed:
            ensure_postgrest()
        if "cluster" in needed:
            ensure_cluster_programs()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Postgres 18, or the server of `DATABASE_URL` (as its superuser) where that is set."""
    url = os.environ.get("DATABASE_URL")
    with RunningPostgres(url) if url else EmbeddedPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres15() -> Iterator[PostgresServer]:
    """Postgres 15, the oldest supported, where it is installed."""
    try:
        server = DebianPostgres(15)
    except PostgresUnavailableError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="session", params=["postgres", "postgres15"], ids=["18", "15"])
def any_postgres(request: pytest.FixtureRequest) -> PostgresServer:
    """Each supported Postgres in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[ScratchDatabase]:
    """An empty database in Postgres 18 and its owner, who is no superuser."""
    with postgres.scratch_database() as database:
        yield database


@pytest.fixture
def any_database(any_postgres: PostgresServer) -> Iterator[ScratchDatabase]:
    """An empty database in each supported Postgres in turn, and its owner, who is no superuser."""
    with any_postgres.scratch_database() as database:
        yield database


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Kubernetes API as its administrator."""
    try:
        ensure_cluster_programs()
    except BinariesUnavailableError as error:
        pytest.fail(str(error), pytrace=False)
    with open_cluster() as cluster:
        yield cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace, ready for pods."""
    with cluster.scratch_namespace(f"test-{next(_numbers)}-{secrets.token_hex(3)}") as name:
        yield name


@pytest.fixture(scope="session")
def postgrest_binary() -> Path:
    """PostgREST's program."""
    try:
        return ensure_postgrest()
    except PostgRESTUnavailableError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def process_node(cluster: Cluster, postgrest_binary: Path) -> Iterator[ProcessNode | None]:
    """A node that runs pods of PostgREST as processes; None on a cluster with nodes of its own."""
    if cluster.has_nodes:
        yield None
        return
    with ProcessNode(cluster.kubeconfig, images={"postgrest": [str(postgrest_binary)]}) as node:
        yield node
