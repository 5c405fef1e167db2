"""Conditions as kstatus, Flux, Argo CD and `kubectl wait` read them: pure, from an outcome to a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, assert_never

from pgcraft_operator.outcome import ApiState, Applied, Outcome, Progressing, Stalled, Waiting, summary
from pgcraft_operator.reasons import Reason

ConditionType = Literal["Ready", "Reconciling", "Stalled", "Drifted", "ApiReady"]
ConditionStatus = Literal["True", "False", "Unknown"]

_LONGEST = 4096  # characters; the API allows 32 KiB, people and etcd prefer less


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition before it meets its predecessor, which gives it a transition time."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str


def derive_conditions(
    outcome: Outcome, *, drift: Sequence[str] | None = None, api: ApiState | None = None
) -> tuple[Condition, ...]:
    """Return the conditions of one resource.

    `drift` lists differences found, None where nobody looked; `api` is None where nothing is exposed through a
    PostgREST. An applied resource that is exposed and not served is not ready.
    """
    if isinstance(outcome, Applied) and api is not None and not api.serving:
        outcome = Waiting(Reason.API_NOT_READY, api.message)
    conditions = _main_conditions(outcome)
    if drift is not None:
        conditions += (
            Condition("Drifted", "True", Reason.DIFFERENCES_FOUND, summary(drift))
            if drift
            else Condition("Drifted", "False", Reason.IN_SYNC, "The database is as it was applied"),
        )
    if api is not None:
        conditions += (
            Condition("ApiReady", "True", Reason.SERVING, api.message)
            if api.serving
            else Condition("ApiReady", "False", Reason.API_NOT_READY, api.message),
        )
    return conditions


def _main_conditions(outcome: Outcome) -> tuple[Condition, ...]:
    match outcome:
        case Progressing(reason, message):
            ready: ConditionStatus = "Unknown" if reason is Reason.PROGRESSING else "False"
            statuses = (ready, "True", "False")
        case Waiting(reason, message):
            statuses = ("False", "True", "False")
        case Stalled(reason, message):
            statuses = ("False", "False", "True")
        case Applied(message):
            reason, statuses = Reason.APPLIED, ("True", "False", "False")
        case _:
            assert_never(outcome)
    return (
        Condition("Ready", statuses[0], reason, message),
        Condition("Reconciling", statuses[1], reason, message),
        Condition("Stalled", statuses[2], reason, message),
    )


def render_conditions(
    conditions: Sequence[Condition], *, before: Sequence[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return conditions as the API stores them; a status that stays keeps the time of its last transition."""
    known = {condition.get("type"): condition for condition in before}
    rendered = []
    for condition in conditions:
        predecessor = known.get(condition.type, {})
        kept = predecessor.get("status") == condition.status and predecessor.get("lastTransitionTime")
        rendered.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason.value,
                "message": _bounded(condition.message),
                "observedGeneration": generation,
                "lastTransitionTime": kept or now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
    return rendered


def _bounded(message: str) -> str:
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
