"""Kubernetes Events, one a transition: what `kubectl describe` and `kubectl events` show."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pgcraft_operator.cluster import Cluster, ClusterError, Manifest
from pgcraft_operator.conditions import Condition
from pgcraft_operator.reasons import Reason

logger = logging.getLogger(__name__)

EventType = Literal["Normal", "Warning"]

_CONTROLLER = "pgcraft.io/operator"
_LONGEST = 1024  # characters of a note
_QUIET = frozenset({Reason.PROGRESSING, Reason.PLANNING, Reason.APPLYING})
_TOLD_ANEW = frozenset(
    {Reason.APPLIED, Reason.APPROVAL_PENDING, Reason.INVALID_SPEC, Reason.POLICY_DENIED, Reason.CONFLICT}
)
"""Reasons whose messages say what an author did; those of the others move by themselves while something is awaited."""
_NORMAL = frozenset({Reason.APPLIED, Reason.APPROVAL_PENDING, Reason.OBSERVING, Reason.SUSPENDED, Reason.API_NOT_READY})


@dataclass(frozen=True, slots=True)
class Notice:
    """One Event before it is about an object."""

    type: EventType
    reason: str
    action: str
    note: str


def transitions(
    before: Sequence[Mapping[str, Any]], now: Sequence[Condition], *, is_summary: bool = False
) -> tuple[Notice, ...]:
    """Return what is worth telling of the way from the conditions as listed to those found now.

    Where they sum up other resources, whose own Events tell more, a message that only counts otherwise is no news.
    """
    known = {condition.get("type"): condition for condition in before}
    notices = []
    for condition in now:
        predecessor = known.get(condition.type, {})
        says_otherwise = predecessor.get("message") != condition.message
        match condition.type:
            case "Ready" if condition.reason not in _QUIET and (
                predecessor.get("reason") != condition.reason
                or (says_otherwise and condition.reason in _TOLD_ANEW and not is_summary)
            ):
                kind: EventType = "Normal" if condition.reason in _NORMAL else "Warning"
                notices.append(Notice(kind, condition.reason, "Reconcile", condition.message))
            case "Drifted" if condition.status == "True" and (
                predecessor.get("status") != "True" or (says_otherwise and not is_summary)
            ):
                notices.append(Notice("Warning", "DriftDetected", "Compare", condition.message))
            case "Drifted" if predecessor.get("status") == "True" and condition.status == "False":
                notices.append(Notice("Normal", "DriftResolved", "Compare", condition.message))
            case _:
                continue
    return tuple(notices)


async def send_event(cluster: Cluster, about: Manifest, notice: Notice) -> None:
    """Create an Event about an object; one that cannot be created is logged, for Events are a courtesy."""
    metadata = about["metadata"]
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][:240]}.{secrets.token_hex(6)}",
            "namespace": metadata["namespace"],
        },
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": notice.type,
        "reason": notice.reason,
        "action": notice.action,
        "note": notice.note if len(notice.note) <= _LONGEST else notice.note[: _LONGEST - 1] + "…",
        "regarding": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "reportingController": _CONTROLLER,
        "reportingInstance": f"{socket.gethostname()}-{os.getpid()}"[:128],
    }
    try:
        await cluster.create(event)
    except ClusterError as error:
        logger.warning("Event %s about %s %s was not sent: %s", notice.reason, about["kind"], metadata["name"], error)
