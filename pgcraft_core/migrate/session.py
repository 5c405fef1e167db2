"""One connection to one database on behalf of one Database resource: it plans without writing, and applies."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.read import read_catalog
from pgcraft_core.catalog.session import driver_of
from pgcraft_core.migrate.bootstrap import prepare, read_standing
from pgcraft_core.migrate.clock import read_day
from pgcraft_core.migrate.connect import connect, execute, is_open, roll_back, transaction
from pgcraft_core.migrate.errors import MigrationError
from pgcraft_core.migrate.execute import Applied, run_migration
from pgcraft_core.migrate.history import read_registry
from pgcraft_core.migrate.inspect import find_objections, read_row_evidence
from pgcraft_core.migrate.lock import only_writer
from pgcraft_core.migrate.open_columns import read_open_attributes
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.plan.assemble import assemble
from pgcraft_core.plan.dependants import hold_back
from pgcraft_core.plan.draft import (
    draft_release,
    draft_schemas,
    draft_unit,
    released_claimants,
)
from pgcraft_core.plan.draft_context import Draft, DraftContext
from pgcraft_core.plan.drift import find_drift
from pgcraft_core.plan.fill import refuse_unfillable
from pgcraft_core.plan.model import Plan, PlannedMigration
from pgcraft_core.plan.move import plan_moves
from pgcraft_core.plan.partitions import follow_server
from pgcraft_core.plan.scope import roles_of, schemas_of
from pgcraft_core.plan.settle import reject, settle
from pgcraft_core.schema.unit import Claimant, Unit


class Session:
    """Plans and applies changes of one database; not safe to share between threads, but for `cancel`.

    Every method raises the errors of `pgcraft_core.migrate.errors`; after a DatabaseUnavailableError the session is of
    no more use.
    """

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._stopping = threading.Event()
        self._server_version = 0
        self._database = ""

    def __enter__(self) -> Self:
        """Open the connection."""
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def open(self) -> None:
        """Connect; does nothing where the connection is open.

        Raises:
            DatabaseUnavailableError: the database does not answer, or refuses the login.
            MigrationError: the server is older than Postgres 15.
        """
        if self._connection is not None:
            return
        self._connection = connect(self._settings.url, self._settings.actor)
        rows = execute(self._connection, "SELECT current_setting('server_version_num')::int, current_database()")
        self._server_version, self._database = rows[0]
        roll_back(self._connection)
        if self._server_version < 150000:
            version = self._server_version // 10000
            self.close()
            raise MigrationError(f"the server runs Postgres {version}; pgcraft needs 15 or later")

    def close(self) -> None:
        """Close the connection; what was not committed is gone."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def server_version(self) -> int:
        """The server's version in Postgres's own form (180006)."""
        return self._server_version

    @property
    def owner_role(self) -> str:
        """The role that owns what is made."""
        return self._settings.owner_role

    @property
    def database_name(self) -> str:
        """Name of the database connected to."""
        return self._database

    def cancel(self) -> None:
        """Cancel the running statement and any further attempt; may be called from any thread."""
        self._stopping.set()
        connection = self._connection
        if connection is not None and is_open(connection):
            driver_of(connection).cancel_safe(timeout=5)

    def plan(self, units: Sequence[Unit]) -> Plan:
        """Return what has to be done so that the database holds what the units say; writes nothing.

        `units` are all resources of the Database: what is not among them any more is withdrawn.
        """
        connection = self._open_connection()
        standing = read_standing(connection, self._settings.owner_role, self._server_version)
        roll_back(connection)
        standing.check_history_owner(self._settings.owner_role)
        role = self._settings.owner_role if standing.may_become_owner else None
        with transaction(connection, role, lock_timeout_ms=self._settings.lock_timeout_ms, one_snapshot=True):
            units = follow_server(units, read_day(connection))
            registry = read_registry(connection)
            catalog = read_catalog(
                connection,
                schemas_of(units, registry),
                roles_of(units, registry) | {self._settings.owner_role},
            )
            settled = settle(units, catalog, registry, self._settings.owner_id)
            held = read_open_attributes(connection, settled.accepted, catalog)
            findings = find_objections(connection, settled.accepted, registry, catalog, held, self._settings)
            if findings:
                units = reject(units, findings)
                settled = settle(units, catalog, registry, self._settings.owner_id)
            context = DraftContext(
                catalog,
                registry,
                self._settings.owner_id,
                self._settings.owner_role,
                self._settings.database,
                self._settings.namespaces,
            )
            released = released_claimants(units, context)
            drafts, held_back = hold_back(_draft(settled.accepted, released, context), catalog)
            evidence = read_row_evidence(connection, drafts, catalog)
        drafts, unfillable = refuse_unfillable(drafts, evidence)
        ready, waiting = assemble(drafts, evidence, self._settings.approval)
        moves = plan_moves(settled.accepted, held, ready, registry, self._settings.approval)
        ready += tuple(move for move in moves if not move.needs_approval)
        waiting += tuple(move for move in moves if move.needs_approval)
        return Plan(
            migrations=ready,
            waiting=waiting,
            diagnostics={**settled.diagnostics, **held_back, **unfillable},
            drift=find_drift(registry, catalog, self._settings.owner_id),
            releases=released,
            applied=registry.objects_by_claimant(self._settings.owner_id),
            revisions=registry.revisions_by_claimant(self._settings.owner_id),
            server_version=self._server_version,
            database=self._database,
            revision=registry.revision,
        )

    def apply(self, migration: PlannedMigration, verifiers: Mapping[str, str] | None = None) -> Applied:
        """Run a migration and record it, all in one transaction; a backfill in batches, which stay done.

        `verifiers` are the SCRAM verifiers of logins, by their SHA-256 as the plan's operations name it.

        Raises:
            AnotherWriterError: somebody else is migrating this database.
            RegistryConflictError: the plan is stale.
            InsufficientPrivilegeError: the login may not; the message names the statement that helps.
            LockTimeoutError, StatementFailedError: nothing was changed.
        """
        if migration.needs_approval:
            raise MigrationError(f"migration {migration.plan_hash[:10]} waits for approval and is not applied")
        if not self._settings.apply:
            raise MigrationError("the Database is only observed (spec.migrations.mode); nothing is applied")
        connection = self._open_connection()
        with only_writer(connection):
            prepare(connection, self._settings.owner_role, self._settings.owner_id, self._server_version)
            return run_migration(connection, migration, self._settings, verifiers or {}, self._stopping)

    def _open_connection(self) -> Connection:
        if self._connection is None:
            raise MigrationError("the session is not open")
        return self._connection


def _draft(accepted: Sequence[Unit], released: Sequence[Claimant], context: DraftContext) -> list[Draft]:
    """Return the drafts of what is needed, then those of what is gone."""
    drafts = draft_schemas(accepted, context)
    for unit in accepted:
        drafts += draft_unit(unit, context)
    taken = {item.id for unit in accepted for item in unit.objects}
    for claimant in released:
        drafts += draft_release(claimant, context, taken)
    return drafts
