"""Put drafts together into migrations: ordered, judged, batched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pgcraft_core.plan.draft_context import Draft
from pgcraft_core.plan.groups import group_drafts
from pgcraft_core.plan.hazard import Hazard
from pgcraft_core.plan.hazards import RowEvidence, find_hazard, touches_rows
from pgcraft_core.plan.model import PlannedGroup, PlannedMigration
from pgcraft_core.plan.operations.base import Operation, PlannedOperation
from pgcraft_core.plan.operations.index import CreateIndex
from pgcraft_core.plan.operations.partition import PartitionOperation
from pgcraft_core.plan.operations.table import CreateTable
from pgcraft_core.plan.operations.view import CreateView
from pgcraft_core.schema.base import QualifiedName

Approval = Literal["Never", "OnHazard", "Always"]

OBJECTS_PER_TRANSACTION = 200
"""Each relation made or altered holds a lock to the end of its transaction, and the lock table is of fixed size
(`max_locks_per_transaction`): some 1,700 tables in one transaction end in "out of shared memory"."""


def assemble(
    drafts: Sequence[Draft], evidence: Mapping[QualifiedName, RowEvidence], approval: Approval
) -> tuple[tuple[PlannedMigration, ...], tuple[PlannedMigration, ...]]:
    """Return the migrations that may run, in order and batched, and those that wait for approval, one a group.

    Loss of data always asks, whatever the policy.
    """
    groups = [_plan_group(group, evidence) for group in group_drafts([draft for draft in drafts if not draft.removal])]
    ready = [group for group in groups if not _asks(group, approval)]
    waiting = [group for group in groups if _asks(group, approval)]
    waiting += [_plan_group((draft,), evidence) for draft in drafts if draft.removal]
    return (
        tuple(PlannedMigration(tuple(batch)) for batch in _batches(ready)),
        tuple(PlannedMigration((group,), needs_approval=True) for group in waiting),
    )


def _plan_group(drafts: Sequence[Draft], evidence: Mapping[QualifiedName, RowEvidence]) -> PlannedGroup:
    operations = [operation for draft in drafts for operation in draft.operations]
    operations.sort(key=lambda operation: operation.phase)  # stable: within a phase, as drafted
    return PlannedGroup(
        operations=tuple(PlannedOperation(operation, _judge(operation, evidence)) for operation in operations),
        changes=tuple(change for draft in drafts for change in draft.changes),
        claimants=tuple(dict.fromkeys(draft.claimant for draft in drafts)),
    )


def _judge(operation: Operation, evidence: Mapping[QualifiedName, RowEvidence]) -> Hazard | None:
    table = touches_rows(operation)
    return find_hazard(operation, evidence.get(table)) if table else None


def _asks(group: PlannedGroup, approval: Approval) -> bool:
    hazards = [planned.hazard for planned in group.operations if planned.hazard is not None]
    if any(hazard.type == "DataLoss" for hazard in hazards):
        return True
    match approval:
        case "Never":
            return False
        case "OnHazard":
            return bool(hazards)
        case "Always":
            return True


def _batches(groups: Sequence[PlannedGroup]) -> list[list[PlannedGroup]]:
    """Put consecutive groups together, up to the number of objects a transaction should hold."""
    batches: list[list[PlannedGroup]] = []
    room = 0
    for group in groups:
        weight = _weight(group)
        if not batches or weight > room:
            batches.append([])
            room = OBJECTS_PER_TRANSACTION
        batches[-1].append(group)
        room -= weight
    return batches


def _weight(group: PlannedGroup) -> int:
    """Return how many relations a group locks, near enough: a new table counts with its key, an index for itself."""
    weight = len(group.changes)
    for planned in group.operations:
        if isinstance(planned.operation, CreateTable):
            weight += 1 + len(planned.operation.table.uniques)
        elif isinstance(planned.operation, PartitionOperation):
            weight += 2
        elif isinstance(planned.operation, CreateIndex | CreateView):
            weight += 1
    return weight
