"""Our operations as Alembic operations: how Alembic runs them, and how it renders them into a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import psycopg
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import Operations

from pgcraft_core.migrate.connect import driver_of, execute
from pgcraft_core.migrate.errors import MigrationError
from pgcraft_core.migrate.render import render_call
from pgcraft_core.migrate.translate import translate_error
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.role import SetRolePassword
from pgcraft_core.sql.identifiers import quote_identifier
from pgcraft_core.sql.literals import quote_literal

VERIFIERS_OPTION = "pgcraft_verifiers"
"""Name of the migration context's option that hands over SCRAM verifiers, by role name."""


@Operations.implementation_for(Operation)
def run_operation(operations: Operations, operation: Operation) -> None:
    """Run an operation's statements, each exactly as it is written."""
    connection = operations.get_bind()
    for statement in operation.upgrade():
        execute(connection, statement)


@Operations.implementation_for(SetRolePassword)
def run_set_role_password(operations: Operations, operation: SetRolePassword) -> None:
    """Set a login's SCRAM verifier, which was handed over beside the plan.

    Raises:
        MigrationError: the verifier of this login was not handed over.
    """
    verifiers: Mapping[str, str] = operations.migration_context.opts.get(VERIFIERS_OPTION, {})
    verifier = verifiers.get(operation.role)
    if verifier is None:
        raise MigrationError(f"the password of login {operation.role} was not handed over; plan again")
    role = quote_identifier(operation.role)
    try:
        driver_of(operations.get_bind()).execute(cast("Any", f"ALTER ROLE {role} PASSWORD {quote_literal(verifier)}"))
    except psycopg.Error as error:
        # The statement itself is not to be repeated in a message, which ends up in a status.
        raise translate_error(error, f"ALTER ROLE {role} PASSWORD …") from None


@renderers.dispatch_for(Operation)
def render_operation(context: AutogenContext, operation: Operation) -> list[str]:  # noqa: ARG001
    """Return the lines of Python that make the change in an Alembic script."""
    return [render_call(statement) for statement in operation.upgrade()]
