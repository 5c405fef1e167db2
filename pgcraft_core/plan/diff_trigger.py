"""From one set of a table's triggers to another."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from pgcraft_core.plan.diff_column import mentions
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.trigger import CreateTrigger, DropTrigger
from pgcraft_core.schema.table import Table, Trigger


def create_triggers(table: Table) -> list[Operation]:
    """Return what makes the triggers of a table that is new."""
    return [CreateTrigger(table.id, table.qualified_name, trigger) for trigger in table.triggers]


def diff_triggers(applied: Table, goal: Table, altered: AbstractSet[str]) -> list[Operation]:
    """Return what leads from the triggers of one state of a table to those of another.

    `altered` are columns whose type changes: a condition that reads one is in the way of that, so its trigger is made
    anew. A trigger is never changed in place: dropped and made again in one transaction, it misses no row.
    """
    before = {trigger.name: trigger for trigger in applied.triggers}
    after = {trigger.name: trigger for trigger in goal.triggers}
    kept = {name for name, trigger in after.items() if before.get(name) == trigger and not _reads_any(trigger, altered)}
    name = goal.qualified_name
    gone = [DropTrigger(goal.id, name, trigger) for trigger in applied.triggers if trigger.name not in kept]
    new = [CreateTrigger(goal.id, name, trigger) for trigger in goal.triggers if trigger.name not in kept]
    return [*gone, *new]


def _reads_any(trigger: Trigger, columns: Iterable[str]) -> bool:
    return trigger.when is not None and any(mentions(trigger.when, column) for column in columns)
