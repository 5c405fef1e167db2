"""From one state of a role to another."""

from __future__ import annotations

from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.role import (
    AlterRole,
    CreateRole,
    GrantMembership,
    RevokeMembership,
    SetRolePassword,
)
from pgcraft_core.schema.role import Role


def diff_role(applied: Role | None, goal: Role, *, owner_id: str, server_version: int) -> list[Operation]:
    """Return the operations that lead from `applied` (None: the role does not exist) to `goal`."""
    operations: list[Operation] = []
    if applied is None:
        operations.append(CreateRole(goal.id, goal, owner_id))
        applied = Role(name=goal.name, login=goal.login, inherit=goal.inherit)
    elif (applied.login, applied.inherit) != (goal.login, goal.inherit):
        operations.append(AlterRole(goal.id, goal, applied))
    if goal.verifier_fingerprint is not None and goal.verifier_fingerprint != applied.verifier_fingerprint:
        operations.append(SetRolePassword(goal.id, goal.name, goal.verifier_fingerprint))
    operations += [
        GrantMembership(goal.id, role, goal.name, goal.inherit, server_version)
        for role in goal.member_of
        if role not in applied.member_of or goal.inherit != applied.inherit
    ]
    operations += [
        RevokeMembership(goal.id, role, goal.name) for role in applied.member_of if role not in goal.member_of
    ]
    return operations
