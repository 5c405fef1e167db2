"""What each resource is told of drift, and the Database of the drift of all; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pgcraft_operator.migration_record import timestamp
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.inventory import Subject

_MOST_DIFFERENCES = 20
_LONGEST_DIFFERENCE = 1024  # characters
_MOST_NAMES = 3


def find_drift(findings: Findings, subject: Subject[Any]) -> tuple[str, ...] | None:
    """Return the differences of a resource, None where nobody looked or nothing is applied.

    What was applied in this run was read back as it was recorded, so it counts as looked at.
    """
    database = findings.inventory.database
    if findings.plan is None or database is None or database.resource is None:
        return None
    claimant = subject.claimant
    is_applied = claimant in findings.plan.applied or claimant in findings.revisions
    if database.resource.drift.policy == "Ignore" or not is_applied:
        return None
    return tuple(findings.plan.drift.get(claimant, ()))


def find_database_drift(findings: Findings) -> tuple[str, ...] | None:
    """Return the Database's own differences, and before them how many of its resources drifted and the first names."""
    inventory = findings.inventory
    if inventory.database is None:
        return None
    own = find_drift(findings, inventory.database)
    summaries = [
        _summarize(noun, [(subject, find_drift(findings, subject)) for subject in subjects])
        for noun, subjects in (("dimension", inventory.dimensions), ("PostgREST", inventory.postgrests))
    ]
    if own is None and all(summary is None for summary in summaries):
        return None
    return (*(summary for summary in summaries if summary), *(own or ()))


def _summarize(noun: str, drift: Sequence[tuple[Subject[Any], tuple[str, ...] | None]]) -> str | None:
    """Return `2 of 5 dimensions drifted: geo/airports, geo/countries`; empty for none, None where nobody looked."""
    if all(differences is None for _, differences in drift):
        return None
    names = [f"{subject.claimant.namespace}/{subject.claimant.name}" for subject, differences in drift if differences]
    if not names:
        return ""
    shown = ", ".join(names[:_MOST_NAMES])
    rest = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{len(names)} of {len(drift)} {noun}{'' if len(drift) == 1 else 's'} drifted: {shown}{rest}"


def drift_report(
    differences: Sequence[str] | None, known: Mapping[str, Any] | None, now: datetime
) -> Mapping[str, Any] | None:
    """Return the report; it keeps its time while it says the same, for an idle operator writes nothing."""
    if not differences:
        return None
    report = {
        "count": len(differences),
        "messages": [difference[:_LONGEST_DIFFERENCE] for difference in differences[:_MOST_DIFFERENCES]],
    }
    if known and {key: known.get(key) for key in report} == report:
        return known
    return report | {"checkedAt": timestamp(now)}
