"""One run of one Database, from a fresh LIST to published statuses."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from pgcraft_core.migrate.errors import DatabaseUnavailableError, InsufficientPrivilegeError, MigrationError
from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.model import Plan
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.duration import parse_duration
from pgcraft_core.spec.validation import validate
from pgcraft_operator.cluster import Cluster, ClusterError
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.gate import CONFIRM_ANNOTATION
from pgcraft_operator.hub import DatabaseKey, Gone, Retry, Settled, Verdict
from pgcraft_operator.outcome import Progressing, Stalled, Waiting, outcome_of
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.compile import compile_units, owner_role, session_settings
from pgcraft_operator.reconcile.connect import Certificates, read_connection
from pgcraft_operator.reconcile.expose import ensure_secrets, expose_apis
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.guard import hold_releases
from pgcraft_operator.reconcile.halt import Halt
from pgcraft_operator.reconcile.inventory import Inventory, take_inventory
from pgcraft_operator.reconcile.migrate import Attempts, Migrator
from pgcraft_operator.reconcile.progress import Progress
from pgcraft_operator.reconcile.publish import announce, publish
from pgcraft_operator.reconcile.settle import settle_applied, settle_diagnostics
from pgcraft_operator.status import StatusWriter
from pgcraft_operator.threads import Threads

logger = logging.getLogger(__name__)


class Reconciler:
    """Runs Databases; keeps nothing from run to run but how often a plan failed, for all else is read afresh."""

    def __init__(
        self, cluster: Cluster, threads: Threads, certificates: Certificates, namespaces: Collection[str] | None
    ) -> None:
        self._cluster = cluster
        self._threads = threads
        self._certificates = certificates
        self._namespaces = namespaces
        self._attempts: dict[DatabaseKey, Attempts] = defaultdict(dict)

    async def __call__(self, key: DatabaseKey) -> Verdict:
        """Bring one Database and all that refers to it to what is declared, and say what became of them."""
        try:
            inventory = await take_inventory(self._cluster, key, self._namespaces)
            if not inventory.subjects:
                self._attempts.pop(key, None)
                return Gone()
            return await self._run(inventory)
        except ClusterError as error:
            logger.warning("database %s: Kubernetes refused: %s", key, error, extra={"database": str(key)})
            return Retry()

    async def _run(self, inventory: Inventory) -> Verdict:
        findings = Findings(inventory)
        writer = StatusWriter(self._cluster)
        async with Progress(partial(announce, writer, findings)) as progress:
            try:
                verdict = await self._reconcile(findings, writer, progress)
            except Halt as halt:
                findings.settle_rest(halt.outcome)
                verdict = halt.verdict
            except ClusterError:
                raise  # nothing could be published either
            except Exception as error:
                logger.exception("database %s: the run ended unexpectedly", inventory.key)
                message = f"unexpected {type(error).__name__}, the operator's log has more: {error}"
                findings.settle_rest(Waiting(Reason.RETRYING, message))
                verdict = Retry()
        await publish(self._cluster, writer, findings)
        return verdict

    async def _reconcile(self, findings: Findings, writer: StatusWriter, progress: Progress) -> Verdict:
        """Take the steps in order; each may settle outcomes, and raise `Halt` where the next ones cannot be taken."""
        database = require_database(findings.inventory)
        unobserved = [subject.claimant for subject in findings.inventory.subjects if not subject.is_observed]
        await progress.report(Progressing(Reason.PLANNING, "Comparing with the database"), unobserved)
        connection = await read_connection(self._cluster, database, self._certificates)
        findings.owner = owner_role(database, connection)
        secrets = await ensure_secrets(self._cluster, database, findings.inventory.postgrests, connection)
        async with self._open_session(database, connection) as session:
            units = await self._threads.run(
                partial(compile_units, database, connection, findings.inventory, secrets, session.server_version)
            )
            findings.units = {unit.claimant: unit for unit in units}
            with halting():
                plan = await self._threads.run(partial(session.plan, units), cancel=session.cancel)
            findings.take_plan(plan)
            settle_diagnostics(findings, plan)
            await self._migrate(
                Migrator(
                    cluster=self._cluster,
                    writer=writer,
                    threads=self._threads,
                    session=session,
                    database=database,
                    findings=findings,
                    progress=progress,
                    attempts=self._attempts[findings.inventory.key],
                    verifiers=secrets.verifiers,
                ),
                plan,
            )
        await expose_apis(self._cluster, findings, secrets)
        settle_applied(findings, plan)
        if findings.must_retry:
            return Retry()
        self._attempts.pop(findings.inventory.key, None)
        return Settled(parse_duration(database.drift.interval).total_seconds())

    async def _migrate(self, migrator: Migrator, plan: Plan) -> None:
        database = migrator.database
        if database.migrations.mode == "Observe":
            await migrator.record_observed((*plan.migrations, *plan.waiting))
        else:
            released = [claimant for claimant in plan.releases if claimant.kind == "Dimension"]
            go, held = hold_releases(plan.migrations, released, len(plan.applied))
            confirmed = database.metadata.annotations.get(CONFIRM_ANNOTATION)
            await migrator.apply((*go, *(migration for migration in held if migrator.name(migration) == confirmed)))
            await migrator.record_held(
                [migration for migration in held if migrator.name(migration) != confirmed], released
            )
            await migrator.record_waiting(plan.waiting)
        await migrator.retire_stale()

    @asynccontextmanager
    async def _open_session(self, database: Database, connection: ConnectionParameters) -> AsyncGenerator[Session]:
        session = Session(session_settings(database, connection, self._namespaces))
        try:
            with halting():
                await self._threads.run(session.open, cancel=session.cancel)
            yield session
        finally:
            await self._threads.run(session.close)


def require_database(inventory: Inventory) -> Database:
    """Return the Database to work on; raises `Halt` where it is not there, not valid or suspended."""
    if inventory.database is None:
        message = "it does not exist, or its namespace is not watched"
        raise Halt(Waiting(Reason.DEPENDENCY_NOT_READY, message), Gone())
    database = inventory.database.resource
    diagnostics = inventory.database.diagnostics if database is None else tuple(validate(database))
    if database is None or diagnostics:
        raise Halt(outcome_of(diagnostics), Settled())
    if database.spec.suspend:
        raise Halt(Waiting(Reason.SUSPENDED, "spec.suspend pauses it"), Settled())
    return database


@contextmanager
def halting() -> Generator[None]:
    """Turn what the engine raises about a database as a whole into the end of the run."""
    try:
        yield
    except DatabaseUnavailableError as error:
        raise Halt(Waiting(Reason.DATABASE_UNAVAILABLE, str(error))) from error
    except InsufficientPrivilegeError as error:
        raise Halt(Stalled(Reason.INSUFFICIENT_PRIVILEGE, str(error)), Retry()) from error
    except MigrationError as error:
        raise Halt(Waiting(Reason.RETRYING, str(error))) from error
