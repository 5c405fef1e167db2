"""From one state of a function to another."""

from __future__ import annotations

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.backwards import ClearFunction, RestoreFunction
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.function import (
    AllowFunction,
    CommentFunction,
    CreateFunction,
    DropFunction,
    ReplaceFunction,
    ReplaceQuery,
)
from pgcraft_core.schema.function import Function


def diff_function(
    applied: Function | None, goal: Function, *, displaced: bool = False, widened: bool = False
) -> list[Operation]:
    """Return the operations that lead from `applied` (None: nothing is there) to `goal`, which is completed.

    `displaced` says that the relation whose rows it returns is made anew, `widened` that it gets further columns. A
    function is replaced in place where its arguments and what it returns stay; anything else drops it and makes it anew
    in one transaction.
    """
    if applied is None:
        return [CreateFunction(goal.id, goal)]
    if displaced or _has_another_shape(applied, goal):
        return [DropFunction(goal.id, applied), CreateFunction(goal.id, goal)]
    operations: list[Operation] = []
    is_changed = ddl.create_function(applied) != ddl.create_function(goal)
    if goal.language != "sql":
        operations += [ReplaceFunction(goal.id, goal, applied)] if is_changed else []
    elif is_changed or widened:
        operations.append(RestoreFunction(goal.id, applied))
        operations.append(ReplaceQuery(goal.id, goal, applied) if is_changed else ClearFunction(goal.id, goal))
    before, after = _callers(applied), _callers(goal)
    granted = tuple(role for role in after if role not in before)
    revoked = tuple(role for role in before if role not in after)
    if granted or revoked:
        operations.append(AllowFunction(goal.id, goal, granted, revoked))
    if applied.comment != goal.comment:
        operations.append(CommentFunction(goal.id, goal, applied.comment))
    return operations


def _has_another_shape(applied: Function, goal: Function) -> bool:
    return (applied.arguments, applied.returns, applied.rows_of) != (goal.arguments, goal.returns, goal.rows_of)


def _callers(function: Function) -> tuple[str, ...]:
    return (*((ddl.PUBLIC,) if function.public else ()), *function.executors)
