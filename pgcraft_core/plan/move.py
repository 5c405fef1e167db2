"""Plan to move attributes into their columns, once those are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pgcraft_core.catalog.registry import Registry
from pgcraft_core.plan.assemble import Approval
from pgcraft_core.plan.model import PlannedGroup, PlannedMigration, RegistryChange
from pgcraft_core.plan.operations.base import PlannedOperation
from pgcraft_core.plan.operations.move import MoveAttributes
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant, Unit


def plan_moves(
    units: Iterable[Unit],
    held: Mapping[ObjectId, Sequence[str]],
    before: Sequence[PlannedMigration],
    registry: Registry,
    approval: Approval,
) -> tuple[PlannedMigration, ...]:
    """Return the moves that can run after the migrations of the same plan, each a migration of its own.

    `held` are the declared attributes that open columns still hold, `before` the migrations that run without approval.
    What has no column even after those, because that waits for approval, waits with it.
    """
    made = {change.id: change.object for migration in before for change in migration.changes}
    moves: list[PlannedMigration] = []
    for unit in units:
        for item in unit.objects:
            if item.id not in held or not isinstance(item, Table):
                continue
            entry = registry.entries.get(item.id)
            table = made.get(item.id, entry.object if entry is not None else None)
            if isinstance(table, Table) and (names := _with_column(table, held[item.id])):
                moves.append(_move(unit.claimant, table, names, needs_approval=approval == "Always"))
    return tuple(moves)


def _with_column(table: Table, names: Iterable[str]) -> tuple[str, ...]:
    columns = {column.name for column in table.columns if not column.retained}
    return tuple(name for name in names if name in columns)


def _move(claimant: Claimant, table: Table, names: tuple[str, ...], *, needs_approval: bool) -> PlannedMigration:
    operation = MoveAttributes(table.id, table.qualified_name, table.open_column or "", names)
    # The table stays what it is: before and after are the same.
    change = RegistryChange(table.id, claimant, table, before=table.fingerprint())
    group = PlannedGroup((PlannedOperation(operation),), (change,), (claimant,))
    return PlannedMigration((group,), needs_approval)
