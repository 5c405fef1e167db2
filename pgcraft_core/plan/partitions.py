"""From one set of a table's partitions to another: made ahead, and dropped only as far as consent reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.registry import Registry
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.partition import (
    AddPartition,
    CreatePartition,
    DropPartition,
    ExpirePartition,
    SetRetention,
)
from pgcraft_core.plan.operations.registration import Forget
from pgcraft_core.plan.operations.trigger import CreateTrigger, TriggerOperation
from pgcraft_core.schema.month import month_after, month_of
from pgcraft_core.schema.table import Partitioning, Table
from pgcraft_core.schema.unit import Claimant, Unit


def follow_server(units: Iterable[Unit], day: date) -> tuple[Unit, ...]:
    """Return the units with no month due that the server has not come to; `day` is its own date in UTC.

    The server's clock dates what is kept, so by no other clock is it too old. Where ours is behind, ours is followed.
    """
    current = month_of(day)
    return tuple(
        replace(
            unit, objects=tuple(_not_ahead(item, current) if isinstance(item, Table) else item for item in unit.objects)
        )
        for unit in units
    )


def retain_partitions(applied: Table | None, desired: Table) -> Table:
    """Return `desired` with the months that are applied and not too old, beside those that are due.

    What is too old under the applied retention goes: that was declared, and consented to. Where only a retention that
    is new or shorter says so, all stays as it is, the retention included, until the removal is approved.
    """
    if applied is None or applied.partitioning is None or desired.partitioning is None:
        # A table is split when it is made, or never.
        return desired if applied is None else desired.model_copy(update={"partitioning": applied.partitioning})
    before, after = applied.partitioning, desired.partitioning
    months = tuple(sorted({*before.months, *after.months}))
    expired = _too_old(months, after, before.retain_months) & _too_old(months, after, after.retain_months)
    left = tuple(month for month in months if month not in expired)
    asks = bool(_too_old(left, after, after.retain_months))
    retained = before.retain_months if asks else after.retain_months
    goal = Partitioning(column=after.column, months=left, retain_months=retained)
    return desired.model_copy(update={"partitioning": goal})


def diff_partitions(applied: Table | None, goal: Table, changes: Iterable[Operation]) -> list[Operation]:
    """Return what leads from the partitions of one state of a table (None: it is new) to those of another.

    `changes` are the other operations on the table: partitions follow what becomes of its triggers for each statement.
    """
    if goal.partitioning is None:
        return []
    if applied is None or applied.partitioning is None:
        return [CreatePartition(goal.id, goal, month) for month in (None, *goal.partitioning.months)]
    before, after = applied.partitioning.months, goal.partitioning.months
    operations: list[Operation] = [ExpirePartition(goal.id, goal, month) for month in before if month not in after]
    operations += [AddPartition(goal.id, goal, month) for month in after if month not in before]
    if goal.partitioning.retain_months != applied.partitioning.retain_months:
        operations.append(SetRetention(goal.id, goal.qualified_name, goal.partitioning.retain_months))
    kept = [goal.partition(month) for month in (None, *before) if month is None or month in after]
    for change in changes:
        if isinstance(change, TriggerOperation) and change.trigger.level == "STATEMENT":
            # Before its function can be dropped, a trigger is dropped from all partitions, also from those that go.
            tables = kept if isinstance(change, CreateTrigger) else applied.partitions
            operations += [replace(change, table=partition) for partition in tables]
    return operations


def diff_removed_partitions(goal: Table, desired: Table) -> list[Operation]:
    """Return the operations that drop the months which only a retention that is new or shorter makes too old."""
    if goal.partitioning is None or desired.partitioning is None:
        return []
    left = without_removed_partitions(goal, desired)
    return [
        DropPartition(left.id, left, month)
        for month in goal.partitioning.months
        if left.partitioning is not None and month not in left.partitioning.months
    ]


def without_removed_partitions(goal: Table, desired: Table) -> Table:
    """Return the table after the removal: without the months that are too old, under the retention that is declared."""
    before, after = goal.partitioning, desired.partitioning
    if before is None or after is None:
        return goal
    removed = _too_old(before.months, after, after.retain_months)
    left = tuple(month for month in before.months if month not in removed)
    partitioning = Partitioning(column=before.column, months=left, retain_months=after.retain_months)
    return goal.model_copy(update={"partitioning": partitioning})


def forget_vanished_partitions(operations: Iterable[Operation], catalog: Catalog) -> list[Operation]:
    """Return the operations with what drops a partition that somebody has dropped or detached replaced by a note of it.

    A partition that was detached is a table of whoever did so, and not ours to drop.
    """
    found: list[Operation] = []
    for operation in operations:
        if isinstance(operation, DropPartition) and not _is_attached(operation, catalog):
            found.append(Forget(operation.target, f"partition {operation.partition}"))
        else:
            found.append(operation)
    return found


def refuse_repartitioning(units: Sequence[Unit], registry: Registry) -> Mapping[Claimant, Sequence[Diagnostic]]:
    """Return for each resource that would split or join a past that is there already why it cannot."""
    findings: dict[Claimant, list[Diagnostic]] = {}
    for unit in units:
        for item in unit.objects:
            entry = registry.entries.get(item.id)
            if not isinstance(item, Table) or entry is None or not isinstance(entry.object, Table):
                continue
            if (item.partitioning is None) != (entry.object.partitioning is None):
                stored = "in one table" if entry.object.partitioning is None else "by month"
                sentence = f"{item.qualified_name} is stored {stored} already; partitionBy never changes"
                findings.setdefault(unit.claimant, []).append(Diagnostic("spec.history.partitionBy", sentence))
    return findings


def _not_ahead(table: Table, current: str) -> Table:
    due = table.partitioning
    if due is None or not due.months or due.months[0] <= current:
        return table
    months = tuple(month_after(current, ahead) for ahead in range(len(due.months)))
    return table.model_copy(update={"partitioning": due.model_copy(update={"months": months})})


def _too_old(months: Iterable[str], due: Partitioning, retain_months: int | None) -> set[str]:
    """Return the months of which even the last row is older than what is retained, as of the first that is due."""
    if retain_months is None or not due.months:
        return set()
    first_kept = month_after(due.months[0], -retain_months)
    return {month for month in months if month < first_kept}


def _is_attached(operation: DropPartition, catalog: Catalog) -> bool:
    table = catalog.tables.get(operation.table.qualified_name)
    return table is not None and any(found.name == operation.partition.name for found in table.partitions)
