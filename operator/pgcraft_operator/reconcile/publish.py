"""The last step, on every path: conditions, statuses and Events from what the run found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.schema.view import View
from pgcraft_core.spec.dimension import Dimension
from pgcraft_operator.cluster import Cluster
from pgcraft_operator.conditions import Condition, derive_conditions, render_conditions
from pgcraft_operator.events import send_event, transitions
from pgcraft_operator.migration_record import timestamp
from pgcraft_operator.outcome import Applied, Outcome, Progressing
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.inventory import Subject
from pgcraft_operator.status import StatusWriter

logger = logging.getLogger(__name__)

_MOST_DIFFERENCES = 20
_LONGEST_DIFFERENCE = 1024
_MOST_RELATIONS = 64


async def publish(cluster: Cluster, writer: StatusWriter, findings: Findings) -> None:
    """Write the status of every resource that has an outcome, and tell the transitions."""
    now = datetime.now(UTC)
    conditions = {
        subject.claimant: derive_conditions(
            findings.outcomes[subject.claimant],
            drift=_drift(findings, subject),
            api=findings.api_states.get(subject.claimant),
        )
        for subject in findings.inventory.subjects
        if subject.claimant in findings.outcomes
    }
    ready = {claimant: found[0].status == "True" for claimant, found in conditions.items()}

    async def publish_one(subject: Subject[Any], found: Sequence[Condition]) -> None:
        status = writer.current(subject.manifest)
        before = status.get("conditions") or ()
        rendered = render_conditions(found, before=before, generation=subject.generation, now=now)
        if findings.plan is None:
            # Nobody looked: what was last seen stands, under the generation it was seen at.
            rendered += [condition for condition in before if condition.get("type") in ("Drifted", "ApiReady")]
        wanted = {
            "observedGeneration": subject.generation,
            "conditions": rendered,
            **_details(findings, subject, ready, now),
        }
        await writer.write(subject.manifest, wanted)
        for notice in transitions(subject.status.get("conditions") or (), found):
            await send_event(cluster, subject.manifest, notice)
            _log(subject.claimant, found[0])

    await asyncio.gather(
        *(
            publish_one(subject, conditions[subject.claimant])
            for subject in findings.inventory.subjects
            if subject.claimant in conditions
        )
    )


async def announce(
    writer: StatusWriter, findings: Findings, stage: Progressing, claimants: Collection[Claimant]
) -> None:
    """Say in the conditions of some resources that work on them is under way, and leave the rest of their status."""
    now = datetime.now(UTC)
    for subject in findings.inventory.subjects:
        if subject.claimant not in claimants:
            continue
        status = writer.current(subject.manifest)
        before = status.get("conditions") or ()
        fresh = render_conditions(derive_conditions(stage), before=before, generation=subject.generation, now=now)
        told = {condition["type"] for condition in fresh}
        kept = [condition for condition in before if condition["type"] not in told]
        await writer.write(subject.manifest, {**status, "conditions": fresh + kept})


def _log(claimant: Claimant, ready: Condition) -> None:
    level = logging.INFO if ready.status == "True" or ready.reason is Reason.APPROVAL_PENDING else logging.WARNING
    logger.log(
        level,
        "%s: %s: %s",
        claimant,
        ready.reason,
        ready.message,
        extra={"resource": str(claimant), "reason": ready.reason.value},
    )


def _drift(findings: Findings, subject: Subject[Any]) -> tuple[str, ...] | None:
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


def _details(findings: Findings, subject: Subject[Any], ready: dict[Claimant, bool], now: datetime) -> dict[str, Any]:
    match subject.claimant.kind:
        case "Database":
            return _database_details(findings, subject, ready)
        case "PostgREST":
            return _postgrest_details(findings, subject)
        case _:
            return _dimension_details(findings, subject, now)


def _database_details(findings: Findings, subject: Subject[Any], ready: dict[Claimant, bool]) -> dict[str, Any]:
    dimensions = [dimension.claimant for dimension in findings.inventory.dimensions]
    details: dict[str, Any] = {
        "ownerId": subject.resource.owner_id if subject.resource else subject.status.get("ownerId"),
        "dimensions": {"total": len(dimensions), "ready": sum(ready.get(claimant, False) for claimant in dimensions)},
    }
    if findings.plan is None:
        # What was known stays: the database could not be asked.
        known = {key: subject.status.get(key) for key in ("version", "revision", "pendingMigrations")}
        return details | known
    return details | {
        "version": format_version(findings.plan.server_version),
        "revision": findings.revision or findings.plan.revision,
        "pendingMigrations": findings.pending,
    }


def _postgrest_details(findings: Findings, subject: Subject[Any]) -> dict[str, Any]:
    api = findings.apis.get(subject.claimant)
    roles = [role.name for role in subject.resource.api_roles] if subject.resource else subject.status.get("roles")
    if api is None:
        known = {key: subject.status.get(key) for key in ("url", "readyReplicas", "servedResources")}
        return known | {"roles": roles}
    return {
        "url": api.url,
        "readyReplicas": api.ready_replicas,
        "servedResources": len(api.served),
        "roles": roles,
    }


def _dimension_details(findings: Findings, subject: Subject[Any], now: datetime) -> dict[str, Any]:
    known = {key: subject.status.get(key) for key in ("relations", "revision", "effective", "drift")}
    if findings.plan is None:
        return known | {"migration": subject.status.get("migration")}
    claimant = subject.claimant
    relations = _relations(findings, claimant, findings.outcomes[claimant])
    return {
        "relations": relations[:_MOST_RELATIONS] or None,
        "revision": findings.revisions.get(claimant) or findings.plan.revisions.get(claimant),
        "effective": _effective(findings, subject) or known["effective"],
        "migration": findings.migrations.get(claimant),
        "drift": _drift_report(_drift(findings, subject), known["drift"], now),
    }


def _relations(findings: Findings, claimant: Claimant, outcome: Outcome) -> list[str]:
    if isinstance(outcome, Applied) and claimant in findings.units:
        objects = [item.id for item in findings.units[claimant].objects]
    else:
        objects = list(findings.plan.applied.get(claimant, ())) if findings.plan else []
    return [str(identity) for identity in objects if identity.kind in ("table", "view")]


def _effective(findings: Findings, subject: Subject[Dimension]) -> dict[str, Any] | None:
    unit = findings.units.get(subject.claimant)
    table = next((item for item in unit.objects if isinstance(item, Table)), None) if unit else None
    view = next((item for item in unit.objects if isinstance(item, View)), None) if unit else None
    if table is None or subject.resource is None:
        return None
    effective: dict[str, Any] = {"table": {"schema": table.schema_name, "name": table.name}}
    if findings.owner:
        effective["owner"] = findings.owner
    if table.primary_key is not None:
        declared = subject.resource.spec.primary_key
        strategy = declared.strategy if declared else "Identity"
        key: dict[str, Any] = {"strategy": strategy, "columns": list(table.primary_key.columns)}
        column = table.column(table.primary_key.columns[0])
        if strategy != "Natural" and column is not None:
            key["type"] = column.type
        effective["primaryKey"] = key
    if view is not None:
        effective["view"] = {"schema": view.schema_name, "name": view.name}
    return effective


def _drift_report(
    differences: Sequence[str] | None, known: dict[str, Any] | None, now: datetime
) -> dict[str, Any] | None:
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


def format_version(number: int) -> str:
    """Return `18.6` for 180006, as Postgres itself writes it."""
    return f"{number // 10000}.{number % 10000}"
