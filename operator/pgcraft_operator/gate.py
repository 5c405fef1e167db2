"""Which watch events are news: pure, in constant time, so that our own status writes wake nobody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping
from typing import Any, Final

from pgcraft_core.spec.base import GROUP

RECONCILE_ANNOTATION: Final = f"{GROUP}/reconcile"
"""Any new value asks for a run: `kubectl annotate … pgcraft.io/reconcile=$(date +%s) --overwrite`."""

CONFIRM_ANNOTATION: Final = f"{GROUP}/confirm"
"""Set on a Database to the name of a Migration that withdraws many resources at once, it lets that one run."""


class Gate:
    """Remembers, by uid, what was last let through."""

    def __init__(self) -> None:
        self._signatures: dict[str, Hashable] = {}

    def admits(self, event_type: str | None, manifest: Mapping[str, Any]) -> bool:
        """Return whether an event tells something new; a deletion always does."""
        uid = manifest["metadata"].get("uid", "")
        if event_type == "DELETED":
            self._signatures.pop(uid, None)
            return True
        signature = _signature(manifest)
        if self._signatures.get(uid) == signature:
            return False
        self._signatures[uid] = signature
        return True


def _signature(manifest: Mapping[str, Any]) -> Hashable:
    metadata = manifest["metadata"]
    match manifest.get("kind"):
        case "Secret":
            # A digest: passwords are not kept, and label changes are no news.
            data = json.dumps(manifest.get("data"), sort_keys=True)
            return hashlib.sha256(data.encode()).hexdigest()
        case "Deployment":
            status = manifest.get("status") or {}
            counts = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            return (metadata.get("generation"), *(status.get(count) for count in counts))
        case _:
            annotations = metadata.get("annotations") or {}
            reference = (manifest.get("spec") or {}).get("databaseRef") or {}
            return (
                reference.get("namespace"),
                reference.get("name"),
                metadata.get("generation"),
                metadata.get("deletionTimestamp"),
                annotations.get(RECONCILE_ANNOTATION),
                annotations.get(CONFIRM_ANNOTATION),
            )
