"""The Alembic revision script of a migration: the record of what ran, readable and able to run again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from textwrap import indent

from pgcraft_core.migrate.render import render_call
from pgcraft_core.plan.model import PlannedMigration
from pgcraft_core.plan.operations.base import Actor, Operation
from pgcraft_core.sql.identifiers import quote_identifier

_TEMPLATE = '''"""{message}

Revision ID: {revision}
Revises: {revises}
Create Date: {created}
Plan: {plan_hash}
"""

from alembic import op

revision = {revision!r}
down_revision = {down_revision!r}
branch_labels = None
depends_on = None


def execute(sql):
    op.get_bind().exec_driver_sql(sql, execution_options={{"no_parameters": True}})


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''


def revision_id(plan_hash: str, down_revision: str | None) -> str:
    """Return the 12 hexadecimal digits that name a plan applied on top of a revision."""
    return hashlib.sha256(f"{plan_hash}:{down_revision or ''}".encode()).hexdigest()[:12]


def set_role(actor: Actor, owner_role: str) -> str:
    """Return the statement after which statements run as the owner role, or as the login itself."""
    return f"SET LOCAL ROLE {quote_identifier(owner_role) if actor == 'owner' else 'NONE'}"


def upgrade_statements(operations: Iterable[Operation], owner_role: str) -> list[str]:
    """Return all statements in order, with the changes of role between them."""
    return _with_roles(operations, lambda operation: operation.upgrade(), owner_role)


def downgrade_statements(operations: Sequence[Operation], owner_role: str) -> list[str]:
    """Return the statements that take it all back, last first."""
    return _with_roles(reversed(operations), lambda operation: operation.downgrade(), owner_role)


@dataclass(frozen=True, slots=True)
class ScriptBody:
    """What `upgrade` and `downgrade` of a script do: as statements, and as Python text."""

    upgrade_statements: tuple[str, ...]
    downgrade_statements: tuple[str, ...]
    upgrade: str
    downgrade: str


def write_body(migration: PlannedMigration, owner_role: str) -> ScriptBody:
    """Return the part of a script that can be written before its migration runs.

    Laying out the SQL takes longer than running it, and is not to be done while locks are held.
    """
    operations = [planned.operation for planned in migration.operations]
    upgrade = upgrade_statements(operations, owner_role)
    downgrade = downgrade_statements(operations, owner_role)
    return ScriptBody(tuple(upgrade), tuple(downgrade), _as_python(upgrade), _as_python(downgrade))


def write_script(
    migration: PlannedMigration, body: ScriptBody, revision: str, down_revision: str | None, created: datetime
) -> str:
    """Return the script as Python text for an Alembic project."""
    return _TEMPLATE.format(
        message=migration.message.replace("\\", "/").replace('"', "'"),
        revision=revision,
        revises=down_revision or "",
        created=created.isoformat(sep=" ", timespec="seconds"),
        plan_hash=migration.plan_hash,
        down_revision=down_revision,
        upgrade=body.upgrade,
        downgrade=body.downgrade,
    )


def _with_roles(
    operations: Iterable[Operation], statements: Callable[[Operation], Sequence[str]], owner_role: str
) -> list[str]:
    """Return the statements, becoming whoever has to run each; at the end the login is itself again."""
    result: list[str] = []
    actor: Actor = "login"
    for operation in operations:
        found = statements(operation)
        if found and operation.actor != actor:
            actor = operation.actor
            result.append(set_role(actor, owner_role))
        result += found
    return [*result, set_role("login", owner_role)] if actor != "login" else result


def _as_python(statements: Sequence[str]) -> str:
    return indent("\n".join(render_call(statement) for statement in statements) or "pass", "    ")
