"""What must be there before the operator starts: the kinds it serves, and the permission to read them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pgcraft_operator.cluster import Cluster, ClusterError, ForbiddenError, Kind, NotFoundError

_READ: Final[tuple[Kind, ...]] = ("Database", "Dimension", "PostgREST", "Migration", "Secret", "Deployment")


class PreflightError(Exception):
    """The operator cannot work in this cluster as it is; the message has the command that helps."""


async def check_cluster(cluster: Cluster, namespaces: Collection[str] | None) -> None:
    """Return if every kind can be listed in every watched namespace (None: everywhere); raises `PreflightError`."""
    for kind in _READ:
        for namespace in sorted(namespaces) if namespaces is not None else [None]:
            await _check(cluster, kind, namespace)


async def _check(cluster: Cluster, kind: Kind, namespace: str | None) -> None:
    where = f"in the namespace {namespace}" if namespace else "in all namespaces"
    try:
        # Field-selected to nothing: only the answer's code matters, and Secrets stay where they are.
        await cluster.list_resources(kind, namespace, field_selector="metadata.name=pgcraft-preflight", limit=1)
    except NotFoundError as error:
        raise PreflightError(
            f"the kind {kind} is not installed: kubectl apply --server-side --filename crds/ and start again"
        ) from error
    except ForbiddenError as error:
        raise PreflightError(
            f"the operator may not list {kind} objects {where} ({error}): "
            "kubectl apply --server-side --kustomize deploy/ gives its service account what it needs"
        ) from error
    except ClusterError as error:
        raise PreflightError(f"the Kubernetes API is of no use: {error}") from error
