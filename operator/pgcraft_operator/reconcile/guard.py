"""Stops when many resources vanish at once: a folder pruned by mistake, a namespace deleted; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pgcraft_core.plan.model import PlannedGroup, PlannedMigration
from pgcraft_core.schema.unit import Claimant

_FEW = 3
_SHARE = 5  # a fifth


def hold_releases(
    migrations: Iterable[PlannedMigration], releases: Collection[Claimant], total: int
) -> tuple[list[PlannedMigration], list[PlannedMigration]]:
    """Return the migrations to go on with, and those to hold because they withdraw what vanished.

    `releases` are the resources that are gone, `total` counts all there were before. As many as a few or a fifth,
    whichever is more, are an everyday deletion, and nothing is held. When in doubt it holds: what stays can still go.
    """
    if len(releases) <= max(_FEW, total // _SHARE):
        return list(migrations), []
    gone = set(releases)
    go: list[PlannedMigration] = []
    held: list[PlannedMigration] = []
    for migration in migrations:
        withdrawing = tuple(group for group in migration.groups if gone & set(group.claimants))
        staying = tuple(group for group in migration.groups if not gone & set(group.claimants))
        if not withdrawing:
            go.append(migration)
            continue
        if staying:
            go.append(_with_groups(migration, staying))
        held.append(_with_groups(migration, withdrawing))
    return go, held


def _with_groups(migration: PlannedMigration, groups: tuple[PlannedGroup, ...]) -> PlannedMigration:
    return PlannedMigration(groups, needs_approval=migration.needs_approval)
