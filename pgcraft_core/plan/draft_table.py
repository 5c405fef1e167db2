"""The tables of a resource: what leads each to its goal, and what drops that which they only retain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.plan.diff_function import diff_function
from pgcraft_core.plan.diff_table import diff_removed_columns, diff_table, retain_data
from pgcraft_core.plan.draft_context import Draft, DraftContext, applied_object
from pgcraft_core.plan.model import RegistryChange
from pgcraft_core.plan.operations.attribute import DropLoggedAttribute, RenameLoggedAttribute
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.column import DropColumn, RenameColumn
from pgcraft_core.plan.operations.registration import Forget
from pgcraft_core.plan.partitions import (
    diff_removed_partitions,
    forget_vanished_partitions,
    without_removed_partitions,
)
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Unit


@dataclass(frozen=True, slots=True)
class TableDraft:
    """One table of a resource: as recorded, as it is to be, as it is declared, and what leads there."""

    recorded: Table | None
    goal: Table
    declared: Table
    operations: tuple[Operation, ...]


def draft_table(table: Table, context: DraftContext) -> TableDraft:
    """Return what leads a declared table from what is applied to where it should be."""
    recorded = applied_object(table, context, Table)
    applied, forgotten = _without_vanished(recorded, context)
    goal = retain_data(applied, table)
    found = forget_vanished_partitions(diff_table(applied, goal), context.catalog)
    return TableDraft(recorded, goal, table, (*forgotten, *found))


def follow_attributes(log: Table, tables: Sequence[TableDraft]) -> list[Operation]:
    """Return the renames of a log's attributes, whose columns are renamed."""
    followed = QualifiedName(log.schema_name, log.attributes_of or "")
    return [
        RenameLoggedAttribute(log.id, log.qualified_name, operation.before, operation.after)
        for table in tables
        if table.goal.qualified_name == followed
        for operation in table.operations
        if isinstance(operation, RenameColumn)
    ]


def draft_removals(
    unit: Unit, tables: Sequence[TableDraft], changes: Sequence[RegistryChange], catalog: Catalog
) -> list[Draft]:
    """Return the one draft that drops what a resource's tables only retain: a column and its past go together.

    It runs after the safe part, if there is one, so it starts from the goals of that.
    """
    changed = {change.id for change in changes}
    dropped: list[Operation] = []
    removals: list[RegistryChange] = []
    for table in tables:
        kept = _without_retained(table.goal)
        found = diff_removed_columns(table.goal, table.declared)
        found += forget_vanished_partitions(diff_removed_partitions(kept, table.declared), catalog)
        if not found:
            continue
        before = table.goal if table.goal.id in changed else table.recorded or table.goal
        after = without_removed_partitions(kept, table.declared)
        removals.append(RegistryChange(table.goal.id, unit.claimant, after, before=before.fingerprint()))
        dropped += found
        dropped += [
            DropLoggedAttribute(log.goal.id, log.goal.qualified_name, operation.column.name)
            for log in tables
            if log.goal.attributes_of == table.goal.name and log.goal.schema_name == table.goal.schema_name
            for operation in found
            if isinstance(operation, DropColumn)
        ]
    if not dropped:
        return []
    goals = {table.goal.qualified_name: table.goal for table in tables}
    left = {name: _without_retained(goal) for name, goal in goals.items()}
    for function in [item for item in unit.objects if isinstance(item, Function)]:
        before, after = function.completed(goals), function.completed(left)
        if before != after:
            dropped += diff_function(before, after)
            removals.append(RegistryChange(function.id, unit.claimant, after, before=before.fingerprint()))
    return [Draft(unit.claimant, tuple(dropped), tuple(removals), removal=True)]


def _without_vanished(applied: Table | None, context: DraftContext) -> tuple[Table | None, list[Operation]]:
    """Return the table without the retained columns that somebody has dropped meanwhile, and what notes that."""
    if applied is None or applied.qualified_name not in context.catalog.tables:
        return applied, []
    vanished = [
        column
        for column in applied.columns
        if column.retained and not context.catalog.holds_column(applied.qualified_name, column.name)
    ]
    left = tuple(column for column in applied.columns if column not in vanished)
    name = applied.qualified_name
    forgotten = [Forget(applied.id, f"column {column.name} of {name}") for column in vanished]
    return applied.model_copy(update={"columns": left}), [*forgotten]


def _without_retained(table: Table) -> Table:
    return table.model_copy(update={"columns": tuple(column for column in table.columns if not column.retained)})
