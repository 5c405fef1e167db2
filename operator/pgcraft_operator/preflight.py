"""What must be there before the operator starts: the kinds it serves, and the permission to read them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from pgcraft_operator.cluster import Cluster, ForbiddenError, Kind, NotFoundError, UnavailableError

logger = logging.getLogger(__name__)

_READ: Final[tuple[Kind, ...]] = ("Database", "Dimension", "PostgREST", "Migration", "Secret", "Deployment")


class PreflightError(Exception):
    """The operator cannot work in this cluster as it is; the message has the command that helps."""


_PATIENCE: Final = 10.0  # seconds; an API server that starts, or takes up a new CRD, says "try again"
_PAUSE: Final = 0.5  # seconds


async def check_cluster(cluster: Cluster, namespaces: Collection[str] | None) -> None:
    """Return if every kind can be listed in every watched namespace (None: everywhere); raises `PreflightError`."""
    latest = asyncio.get_running_loop().time() + _PATIENCE
    for kind in _READ:
        for namespace in sorted(namespaces) if namespaces is not None else [None]:
            await _require_list(cluster, kind, namespace, latest)


async def _require_list(cluster: Cluster, kind: Kind, namespace: str | None, latest: float) -> None:
    """Return once a kind was listed; until `latest` on the loop's clock an API server that asks for patience has it."""
    where = f"in the namespace {namespace}" if namespace else "in all namespaces"
    while True:
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
        except UnavailableError as error:
            if asyncio.get_running_loop().time() >= latest:
                raise PreflightError(f"the Kubernetes API does not answer: {error}") from error
            logger.info("waiting for the Kubernetes API: %s", error)
            await asyncio.sleep(_PAUSE)
        else:
            return
