"""From one state of a view to another, touching no more than what differs."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from pgcraft_core.plan.operations.backwards import RestoreView
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.view import (
    CommentView,
    CommentViewColumn,
    CreateView,
    DropView,
    GrantOnView,
    ReplaceView,
    RevokeOnView,
    SetViewColumnDefault,
)
from pgcraft_core.schema.view import Privilege, RoleGrant, View


def diff_view(
    applied: View | None, goal: View, pinned: AbstractSet[str] = frozenset(), *, displaced: bool = False
) -> list[Operation]:
    """Return the operations that lead from `applied` (None: nothing is there) to `goal`.

    `pinned` are columns of the base table whose change the view is in the way of; `displaced` says that the base, a
    view itself, is made anew. A view is replaced in place where columns are only appended; anything else drops it and
    makes it anew, with all that hangs on it, in one transaction.
    """
    if applied is None:
        return [CreateView(goal.id, goal)]
    if displaced or _must_rebuild(applied, goal, pinned):
        return [DropView(goal.id, applied), CreateView(goal.id, goal)]
    operations: list[Operation] = []
    if _is_widened(applied, goal):
        operations.append(RestoreView(goal.id, applied))
    if _is_widened(applied, goal) or _asks_otherwise(applied, goal):
        operations.append(ReplaceView(goal.id, goal, applied))
    before = {column.name: column for column in applied.columns}
    for column in goal.columns:
        old = before.get(column.name)
        if column.default != (old.default if old else None):
            previous = old or column.model_copy(update={"default": None})
            operations.append(SetViewColumnDefault(goal.id, goal, column, previous))
        if column.comment != (old.comment if old else None):
            operations.append(CommentViewColumn(goal.id, goal, column, old.comment if old else None))
    if goal.comment != applied.comment:
        operations.append(CommentView(goal.id, goal, applied.comment))
    return operations + _diff_grants(applied, goal)


def _is_widened(applied: View, goal: View) -> bool:
    """Whether columns are appended."""
    return len(goal.columns) > len(applied.columns)


def _asks_otherwise(applied: View, goal: View) -> bool:
    def asked(view: View) -> tuple[object, ...]:
        return view.query, view.security_invoker, [column.name for column in view.columns if column.read_only]

    return asked(applied) != asked(goal)


def _must_rebuild(applied: View, goal: View, pinned: AbstractSet[str]) -> bool:
    """Whether CREATE OR REPLACE VIEW would be refused, or the view must give way to a change of its base table."""
    old_names = [column.name for column in applied.columns]
    new_names = [column.name for column in goal.columns]
    # A query may read any column of its base, whatever it calls what it gives.
    in_the_way = bool(pinned) if applied.query is not None else not pinned.isdisjoint(old_names)
    return applied.base != goal.base or new_names[: len(old_names)] != old_names or in_the_way


def _diff_grants(applied: View, goal: View) -> list[Operation]:
    before = {grant.role: grant.privileges for grant in applied.grants}
    after = {grant.role: grant.privileges for grant in goal.grants}
    operations: list[Operation] = []
    for role in sorted(before.keys() | after.keys()):
        old, new = before.get(role, ()), after.get(role, ())
        revoked = _without(old, new)
        granted = _without(new, old)
        if revoked:
            operations.append(RevokeOnView(goal.id, goal, RoleGrant(role=role, privileges=revoked)))
        if granted:
            operations.append(GrantOnView(goal.id, goal, RoleGrant(role=role, privileges=granted)))
    return operations


def _without(some: tuple[Privilege, ...], others: tuple[Privilege, ...]) -> tuple[Privilege, ...]:
    return tuple(privilege for privilege in some if privilege not in others)
