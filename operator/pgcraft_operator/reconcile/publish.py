"""The last step, on every path: conditions, statuses and Events from what the run found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from pgcraft_core.schema.unit import Claimant
from pgcraft_operator.cluster import Cluster
from pgcraft_operator.conditions import Condition, derive_conditions, render_conditions
from pgcraft_operator.events import send_event, transitions
from pgcraft_operator.outcome import Progressing
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.details import status_details, summarize_database
from pgcraft_operator.reconcile.drift import find_database_drift, find_drift
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.inventory import Subject
from pgcraft_operator.status import StatusWriter

logger = logging.getLogger(__name__)


async def publish(cluster: Cluster, writer: StatusWriter, findings: Findings) -> None:
    """Write the status of every resource that has an outcome, and tell the transitions."""
    now = datetime.now(UTC)
    conditions = {
        subject.claimant: derive_conditions(
            findings.outcomes[subject.claimant],
            drift=find_drift(findings, subject),
            api=findings.api_states.get(subject.claimant),
        )
        for subject in (*findings.inventory.postgrests, *findings.inventory.dimensions)
        if subject.claimant in findings.outcomes
    }
    ready = {claimant for claimant, found in conditions.items() if found[0].status == "True"}
    database = findings.inventory.database
    if database is not None and database.claimant in findings.outcomes:
        conditions[database.claimant] = derive_conditions(
            summarize_database(findings, database, ready), drift=find_database_drift(findings)
        )

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
            **status_details(findings, subject, ready, now),
        }
        await writer.write(subject.manifest, wanted)
        for notice in transitions(subject.status.get("conditions") or (), found, is_summary=subject is database):
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
