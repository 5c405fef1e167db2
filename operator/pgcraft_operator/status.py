"""The only writer of status: by server-side apply, under a field manager of its own, and only what differs."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pgcraft_operator.cluster import Cluster, ConflictError, Manifest, NotFoundError

logger = logging.getLogger(__name__)

_AT_ONCE = 16  # writes under way at the same time, a run


class StatusWriter:
    """Writes the statuses of one run and knows what each object has, as listed and as written since."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known: dict[str, dict[str, Any]] = {}
        self._limit = asyncio.Semaphore(_AT_ONCE)

    def current(self, manifest: Manifest) -> dict[str, Any]:
        """Return the status an object has now."""
        return self._known.get(manifest["metadata"]["uid"], manifest.get("status") or {})

    async def write(self, manifest: Manifest, status: dict[str, Any]) -> bool:
        """Give an object this status and no other, and return whether that was a change.

        An object that is gone meanwhile, or another of its name, is left alone. Raises ClusterError otherwise.
        """
        wanted = _without_absent(status)
        if self.current(manifest) == wanted:
            return False
        metadata = manifest["metadata"]
        patch = {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            # With the uid, so that a new object of the same name is not given the status of its predecessor.
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
            "status": wanted,
        }
        try:
            async with self._limit:
                stored = await self._cluster.apply_status(patch)
        except (NotFoundError, ConflictError) as error:
            logger.debug("status of %s %s/%s: %s", manifest["kind"], metadata["namespace"], metadata["name"], error)
            return False
        self._known[metadata["uid"]] = stored.get("status") or {}
        return True


def _without_absent(status: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in status.items() if value is not None}
