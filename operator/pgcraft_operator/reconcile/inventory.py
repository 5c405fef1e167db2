"""The first step: everything of one Database, listed afresh from the API server and loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.spec.base import Resource
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.cluster import Cluster, Kind, Manifest, NotFoundError
from pgcraft_operator.hub import DatabaseKey
from pgcraft_operator.subscriptions import database_of

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Subject(Generic[R]):
    """A resource as listed, and as loaded or with what is wrong with it."""

    manifest: Manifest
    resource: R | None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def claimant(self) -> Claimant:
        """Kind, namespace and name."""
        metadata = self.manifest["metadata"]
        return Claimant(self.manifest["kind"], metadata["namespace"], metadata["name"])

    @property
    def generation(self) -> int:
        """Generation of the spec that was listed."""
        return self.manifest["metadata"].get("generation", 1)

    @property
    def status(self) -> dict[str, Any]:
        """Status as listed."""
        return self.manifest.get("status") or {}

    @property
    def is_observed(self) -> bool:
        """Whether the listed generation was reconciled to its end before."""
        return self.status.get("observedGeneration") == self.generation


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that refers to one Database, and the Database itself where it exists."""

    key: DatabaseKey
    database: Subject[Database] | None
    dimensions: tuple[Subject[Dimension], ...]
    postgrests: tuple[Subject[PostgREST], ...]
    migrations: tuple[Manifest, ...]

    @property
    def subjects(self) -> tuple[Subject[Any], ...]:
        """Everything that has conditions, the Database first."""
        database = (self.database,) if self.database else ()
        return (*database, *self.postgrests, *self.dimensions)


async def take_inventory(cluster: Cluster, key: DatabaseKey, namespaces: Iterable[str] | None) -> Inventory:
    """List everything of a Database in the watched namespaces (None: all of them); raises ClusterError.

    Each list is complete or an error, since what is missing from it counts as deleted. Resources that are being deleted
    count as gone.
    """
    scopes = tuple(sorted(namespaces)) if namespaces is not None else (None,)
    database, dimensions, postgrests, migrations = await asyncio.gather(
        _find_database(cluster, key, scopes),
        _list_referring(cluster, "Dimension", key, scopes),
        _list_referring(cluster, "PostgREST", key, scopes),
        _list_referring(cluster, "Migration", key, (key.namespace,)),
    )
    # In a thread: hundreds of resources take longer to load than the event loop should be kept from its probes.
    return await asyncio.to_thread(
        lambda: Inventory(
            key,
            _load(database, Database) if database else None,
            tuple(_load(manifest, Dimension) for manifest in dimensions),
            tuple(_load(manifest, PostgREST) for manifest in postgrests),
            migrations,
        )
    )


async def _find_database(cluster: Cluster, key: DatabaseKey, scopes: tuple[str | None, ...]) -> Manifest | None:
    if None not in scopes and key.namespace not in scopes:
        return None
    try:
        manifest = await cluster.get("Database", key.namespace, key.name)
    except NotFoundError:
        return None
    return None if _is_leaving(manifest) else manifest


async def _list_referring(
    cluster: Cluster, kind: Kind, key: DatabaseKey, scopes: tuple[str | None, ...]
) -> tuple[Manifest, ...]:
    # The namespace may be absent from a reference, so only the name is selected on the server.
    selector = f"spec.databaseRef.name={key.name}"
    listings = await asyncio.gather(*(cluster.list_resources(kind, scope, field_selector=selector) for scope in scopes))
    manifests = (manifest for listing in listings for manifest in listing.items)
    found = [manifest for manifest in manifests if database_of(manifest) == key and not _is_leaving(manifest)]
    return tuple(sorted(found, key=lambda manifest: (manifest["metadata"]["namespace"], manifest["metadata"]["name"])))


def _is_leaving(manifest: Manifest) -> bool:
    return bool(manifest["metadata"].get("deletionTimestamp"))


def _load(manifest: Manifest, model: type[R]) -> Subject[R]:
    loaded = load_resource(manifest)
    if not isinstance(loaded, model):
        findings = loaded if isinstance(loaded, list) else [Diagnostic("kind", f"This is no {model.__name__}.")]
        return Subject(manifest, None, tuple(findings))
    return Subject(manifest, loaded)
