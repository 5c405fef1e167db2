"""What must be there before the first migration: the owner role, and schema `pgcraft` with the history in it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.session import driver_of
from pgcraft_core.migrate.connect import execute, roll_back, transaction
from pgcraft_core.migrate.errors import InsufficientPrivilegeError
from pgcraft_core.plan.ddl import comment_on
from pgcraft_core.plan.operations.role import POSTGRES_16, ownership_mark
from pgcraft_core.sql.identifiers import quote_identifier

SCHEMA = "pgcraft"

TABLES = (
    "CREATE SCHEMA pgcraft",
    "COMMENT ON SCHEMA pgcraft IS 'What pgcraft made in this database: revisions, and the objects it owns.'",
    # The table stock Alembic keeps, under its own name, so that an exported tree goes on from here.
    """
    CREATE TABLE pgcraft.alembic_version (
      version_num varchar(32) NOT NULL,
      CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
    """,
    """
    CREATE TABLE pgcraft.revisions (
      revision text PRIMARY KEY,
      down_revision text UNIQUE NULLS NOT DISTINCT REFERENCES pgcraft.revisions (revision),
      owner_id text NOT NULL,
      message text NOT NULL,
      plan_hash text NOT NULL,
      script text NOT NULL,
      upgrade_sql text NOT NULL,
      downgrade_sql text NOT NULL,
      applied_by text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      duration interval NOT NULL
    )
    """,
    """
    CREATE TABLE pgcraft.objects (
      kind text,
      schema text,
      name text,
      owner_id text NOT NULL,
      resource_kind text NOT NULL,
      resource_namespace text NOT NULL,
      resource_name text NOT NULL,
      cluster text NOT NULL,
      state text NOT NULL CHECK (state IN ('managed', 'released')),
      definition jsonb NOT NULL,
      fingerprint text NOT NULL,
      rendering jsonb,
      revision text NOT NULL REFERENCES pgcraft.revisions (revision),
      PRIMARY KEY (kind, schema, name)
    )
    """,
    "COMMENT ON TABLE pgcraft.revisions IS 'One row a migration, in commit order by down_revision.'",
    "COMMENT ON TABLE pgcraft.objects IS 'Every object pgcraft owns here, for whom, and as last applied.'",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is there of it, and whether the login may become the owner role."""

    owner_exists: bool
    may_become_owner: bool
    owner_may_create: bool
    history_owner: str | None

    @property
    def is_complete(self) -> bool:
        """Whether migrations can run."""
        return self.may_become_owner and self.owner_may_create and self.history_owner is not None

    def check_history_owner(self, owner_role: str) -> None:
        """Check that the history, where there is one, is ours.

        Raises:
            InsufficientPrivilegeError: another owner role holds it.
        """
        if self.history_owner not in {None, owner_role}:
            raise InsufficientPrivilegeError(
                f"schema pgcraft of this database belongs to role {self.history_owner}, not {owner_role}: another "
                f"Database manages it; set spec.owner to {self.history_owner} and spec.ownerId to the same as there, "
                "or use another database"
            )


def read_standing(connection: Connection, owner_role: str, server_version: int) -> Standing:
    """Return how far a database is prepared; writes nothing."""
    privilege = "SET" if server_version >= POSTGRES_16 else "MEMBER"
    rows = execute(
        connection,
        """
        SELECT
          role.oid IS NOT NULL,
          coalesce(pg_has_role(role.oid, %(privilege)s), false),
          coalesce(has_database_privilege(role.oid, current_database(), 'CREATE'), false),
          (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'pgcraft')
        FROM (VALUES (%(owner)s)) AS wanted (name)
        LEFT JOIN pg_roles AS role ON role.rolname = wanted.name
        """,
        {"owner": owner_role, "privilege": privilege},
    )
    return Standing(*rows[0])


def prepare(connection: Connection, owner_role: str, owner_id: str, server_version: int) -> None:
    """Make what is missing, in one transaction; does nothing where all is there.

    Raises:
        InsufficientPrivilegeError: naming the statement that somebody with more privileges has to run.
    """
    standing = read_standing(connection, owner_role, server_version)
    roll_back(connection)
    standing.check_history_owner(owner_role)
    if standing.is_complete:
        return
    owner = quote_identifier(owner_role)
    with transaction(connection):
        for statement in (needed := _statements(standing, connection, owner, owner_id, server_version)):
            try:
                execute(connection, statement)
            except InsufficientPrivilegeError as error:
                raise InsufficientPrivilegeError(
                    f"the login {driver_of(connection).info.user} may not prepare the database ({error}); "
                    f"have an administrator run: {' '.join(f'{item};' for item in needed)}"
                ) from error
        if standing.history_owner is None:
            execute(connection, f"SET LOCAL ROLE {owner}")
            for statement in TABLES:
                execute(connection, statement)


def _statements(
    standing: Standing, connection: Connection, owner: str, owner_id: str, server_version: int
) -> list[str]:
    """Return what makes the owner role able to own: all of it, so that whoever has to help does so once."""
    login, database = execute(connection, "SELECT current_user, current_database()")[0]
    statements: list[str] = []
    if not standing.owner_exists:
        statements += [f"CREATE ROLE {owner} NOLOGIN", comment_on(f"ROLE {owner}", ownership_mark(owner_id))]
    if not standing.may_become_owner:
        options = " WITH INHERIT FALSE, SET TRUE" if server_version >= POSTGRES_16 else ""
        statements.append(f"GRANT {owner} TO {quote_identifier(login)}{options}")
    if not standing.owner_may_create:
        statements.append(f"GRANT CREATE ON DATABASE {quote_identifier(database)} TO {owner}")
    return statements
