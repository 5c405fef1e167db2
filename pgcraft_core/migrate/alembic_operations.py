"""Our operations as Alembic operations: how Alembic runs them, and how it renders them into a script."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import Operations

from pgcraft_core.catalog.session import driver_of
from pgcraft_core.migrate.connect import execute
from pgcraft_core.migrate.errors import MigrationError
from pgcraft_core.migrate.render import render_call
from pgcraft_core.migrate.translate import translate_error
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.role import SetRolePassword
from pgcraft_core.sql.identifiers import quote_identifier

VERIFIERS_OPTION = "pgcraft_verifiers"
"""Name of the migration context's option that hands over SCRAM verifiers, by their SHA-256."""

_HAND_OVER = "SELECT set_config('pgcraft.login', %(role)s, true), set_config('pgcraft.verifier', %(verifier)s, true)"

_ALTER_LOGIN = """
DO $$
BEGIN
  EXECUTE format(
    'ALTER ROLE %I PASSWORD %L', current_setting('pgcraft.login'), current_setting('pgcraft.verifier')
  );
END
$$
"""


@Operations.implementation_for(Operation)
def run_operation(operations: Operations, operation: Operation) -> None:
    """Run an operation's statements, each exactly as it is written."""
    connection = operations.get_bind()
    for statement in operation.upgrade():
        execute(connection, statement)


@Operations.implementation_for(SetRolePassword)
def run_set_role_password(operations: Operations, operation: SetRolePassword) -> None:
    """Set a login's SCRAM verifier, which was handed over beside the plan.

    It travels as a bound parameter and becomes SQL within the server only, so that a server that logs DDL does not log
    it, nor does an error show it.

    Raises:
        MigrationError: the verifier was not handed over, or as Postgres says.
    """
    verifiers: Mapping[str, str] = operations.migration_context.opts.get(VERIFIERS_OPTION, {})
    verifier = verifiers.get(operation.verifier_fingerprint)
    if verifier is None:
        raise MigrationError(f"the password of login {operation.role} was not handed over; plan again")
    driver = driver_of(operations.get_bind())
    try:
        driver.execute(_HAND_OVER, {"role": operation.role, "verifier": verifier})
        driver.execute(_ALTER_LOGIN)
        driver.execute(_HAND_OVER, {"role": "", "verifier": ""})
    except psycopg.Error as error:
        # Only what was attempted is told: a message ends up in a status.
        attempted = f"ALTER ROLE {quote_identifier(operation.role)} PASSWORD …"
        raise translate_error(error, attempted) from None


@renderers.dispatch_for(Operation)
def render_operation(context: AutogenContext, operation: Operation) -> list[str]:  # noqa: ARG001
    """Return the lines of Python that make the change in an Alembic script."""
    return [render_call(statement) for statement in operation.upgrade()]
