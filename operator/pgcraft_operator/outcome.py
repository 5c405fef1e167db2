"""What a run found out about one resource: a closed set, from which conditions and Events are derived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_operator.reasons import Reason

WaitingReason = Literal[
    Reason.DATABASE_UNAVAILABLE,
    Reason.LOCK_TIMEOUT,
    Reason.DEPENDENCY_NOT_READY,
    Reason.APPROVAL_PENDING,
    Reason.OBSERVING,
    Reason.SUSPENDED,
    Reason.API_NOT_READY,
    Reason.RETRYING,
]
StalledReason = Literal[
    Reason.INVALID_SPEC,
    Reason.POLICY_DENIED,
    Reason.CONFLICT,
    Reason.MIGRATION_FAILED,
    Reason.INSUFFICIENT_PRIVILEGE,
    Reason.RETRIES_EXHAUSTED,
]

_SHOWN = 5  # findings a message names before it counts the rest


@dataclass(frozen=True, slots=True)
class Progressing:
    """Work is under way; only runs longer than a second say so."""

    reason: Literal[Reason.PROGRESSING, Reason.PLANNING, Reason.APPLYING]
    message: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not done, and may come about without an edit of this resource."""

    reason: WaitingReason
    message: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """Not done, and needs a person."""

    reason: StalledReason
    message: str


@dataclass(frozen=True, slots=True)
class Applied:
    """The database is as declared."""

    message: str


Outcome = Progressing | Waiting | Stalled | Applied


@dataclass(frozen=True, slots=True)
class ApiState:
    """Whether PostgREST serves all that a resource exposes; `message` says what is missing."""

    serving: bool
    message: str


def outcome_of(diagnostics: Sequence[Diagnostic]) -> Waiting | Stalled:
    """Return what findings amount to: stalled if any of them needs a person; `diagnostics` is not empty."""
    grave = [diagnostic for diagnostic in diagnostics if not diagnostic.may_heal]
    message = summary([str(diagnostic) for diagnostic in grave or diagnostics])
    if not grave:
        return Waiting(Reason.DEPENDENCY_NOT_READY, message)
    match grave[0].reason:
        case "PolicyDenied":
            return Stalled(Reason.POLICY_DENIED, message)
        case "Conflict":
            return Stalled(Reason.CONFLICT, message)
        case "InvalidSpec" | "DependencyNotReady":
            return Stalled(Reason.INVALID_SPEC, message)


def summary(findings: Sequence[str]) -> str:
    """Return the first findings as one text, and how many there are beside them."""
    shown = "; ".join(findings[:_SHOWN])
    return shown if len(findings) <= _SHOWN else f"{shown}; and {len(findings) - _SHOWN} more"
