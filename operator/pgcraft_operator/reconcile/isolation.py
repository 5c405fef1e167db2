"""Keeps what failed before from failing what is tried with it for the first time; pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet

from pgcraft_core.plan.model import PlannedGroup, PlannedMigration
from pgcraft_core.schema.base import ObjectId


def set_apart(
    migrations: Iterable[PlannedMigration],
    failed: Collection[str],
    needs_of: Callable[[PlannedGroup], AbstractSet[ObjectId]],
) -> tuple[PlannedMigration, ...]:
    """Return the migrations without the groups that failed before, and after them each of those as one of its own.

    `failed` are the plan hashes of groups; `needs_of` says what must be there before a group. What needs something that
    a failed group makes goes with it, behind it and by itself, so every group still comes after all that it needs.
    """
    together: list[PlannedMigration] = []
    apart: list[PlannedMigration] = []
    missing: set[ObjectId] = set()
    for migration in migrations:
        healthy: list[PlannedGroup] = []
        for group in migration.groups:
            alone = PlannedMigration((group,), migration.needs_approval)
            if alone.plan_hash in failed or not missing.isdisjoint(needs_of(group)):
                missing |= {change.id for change in group.changes}
                apart.append(alone)
            else:
                healthy.append(group)
        if len(healthy) == len(migration.groups):
            together.append(migration)
        elif healthy:
            together.append(PlannedMigration(tuple(healthy), migration.needs_approval))
    return (*together, *apart)
