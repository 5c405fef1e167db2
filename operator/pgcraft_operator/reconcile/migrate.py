"""The step that applies what is ready, keeps Migration objects of it, and says what became of each resource."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pgcraft_core.migrate.errors import (
    AnotherWriterError,
    DatabaseUnavailableError,
    MigrationError,
    RegistryConflictError,
)
from pgcraft_core.migrate.execute import Applied
from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.model import PlannedGroup, PlannedMigration
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.spec.database import Database
from pgcraft_operator import migration_record as record
from pgcraft_operator.cluster import Cluster, Manifest
from pgcraft_operator.events import Notice, send_event
from pgcraft_operator.gate import CONFIRM_ANNOTATION
from pgcraft_operator.hub import Again
from pgcraft_operator.outcome import Progressing, Waiting
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.halt import Halt
from pgcraft_operator.reconcile.isolation import set_apart
from pgcraft_operator.reconcile.progress import Progress
from pgcraft_operator.reconcile.refusal import outcome_of_error
from pgcraft_operator.status import StatusWriter
from pgcraft_operator.threads import Threads

logger = logging.getLogger(__name__)

Attempts = dict[str, int]
"""How often in a row each group failed, by the hash of a plan of it alone; kept from run to run."""


@dataclass(frozen=True, slots=True)
class Migrator:
    """Applies the migrations of one run through its session."""

    cluster: Cluster
    writer: StatusWriter
    threads: Threads
    session: Session
    database: Database
    findings: Findings
    progress: Progress
    attempts: Attempts
    verifiers: Mapping[str, str]
    seen: list[Manifest] = field(default_factory=list)
    """The Migration objects of this run's plan."""
    refused: list[Manifest] = field(default_factory=list)
    """Those of them that failed in this run."""

    async def apply(self, migrations: Iterable[PlannedMigration]) -> None:
        """Apply migrations in order; each commits or fails alone. Raises `Halt` when the database goes away.

        What failed before comes last and by itself, so that all others commit together.
        """
        planned = tuple(migrations)
        hashes = {part.plan_hash for migration in planned for part in migration.split()}
        for outdated in self.attempts.keys() - hashes:
            del self.attempts[outdated]
        failed = self.attempts.keys() | {
            manifest["spec"]["planHash"]
            for manifest in self.findings.inventory.migrations
            if (manifest.get("status") or {}).get("phase") == "Failed"
        }
        for migration in set_apart(planned, failed, self._needs_of):
            await self._apply_batch(migration)

    async def record_waiting(self, migrations: Iterable[PlannedMigration]) -> None:
        """Keep a Migration object of each plan that needs approval, and tell the resources it would change."""
        exposed = self._find_exposed()
        for migration in migrations:
            manifest = await self._ensure_object(migration)
            name = manifest["metadata"]["name"]
            summary = record.hazard_summary(migration)
            await self._write(manifest, record.waiting_status(migration))
            self.findings.pending += 1
            for claimant in migration.claimants:
                self.findings.migrations.setdefault(claimant, name)
                message = f"Migration {self.database.metadata.namespace}/{name} waits for approval: {summary}."
                meanwhile = record.meanwhile(migration, is_exposed=claimant in exposed)
                message = f"{message} {meanwhile}".rstrip()
                self.findings.settle(claimant, Waiting(Reason.APPROVAL_PENDING, message))

    async def record_observed(self, migrations: Iterable[PlannedMigration]) -> None:
        """Keep a Migration object of each plan that mode Observe does not apply, and tell the resources."""
        for migration in migrations:
            manifest = await self._ensure_object(migration)
            name = manifest["metadata"]["name"]
            message = f"mode Observe does not apply it: {migration.message}"
            await self._write(manifest, {"phase": "Pending", "message": message})
            for claimant in migration.claimants:
                self.findings.migrations.setdefault(claimant, name)
                self.findings.settle(claimant, Waiting(Reason.OBSERVING, f"Migration {name}: {message}"))

    async def record_held(self, migrations: Sequence[PlannedMigration], releases: Sequence[Claimant]) -> None:
        """Keep a Migration object of each plan that withdraws too much at once; the Database says how to go on."""
        for migration in migrations:
            manifest = await self._ensure_object(migration)
            metadata = self.database.metadata
            message = (
                f"{len(releases)} resources are gone at once, among them {releases[0]}; their views and grants stay "
                f"until this is confirmed: kubectl annotate --overwrite --namespace {metadata.namespace} database "
                f"{metadata.name} {CONFIRM_ANNOTATION}={manifest['metadata']['name']}"
            )
            await self._write(manifest, {"phase": "ApprovalPending", "message": message})
            self.findings.pending += 1
            self.findings.settle(self.database.key, Waiting(Reason.APPROVAL_PENDING, message))

    async def retire_stale(self) -> None:
        """Supersede unfinished Migration objects of other plans, and remove finished ones beyond the limit."""
        planned = {manifest["metadata"]["name"] for manifest in self.seen}
        for manifest in self.findings.inventory.migrations:
            phase = (manifest.get("status") or {}).get("phase")
            if manifest["metadata"]["name"] in planned or phase in record.FINISHED:
                continue
            message = (
                "The operator ended while this ran; the history in the database says whether it was committed"
                if phase == "Applying"
                else "What is declared, or what the database holds, has changed since this was planned"
            )
            await self._write(manifest, record.superseded_status(message))
        for manifest in record.superfluous(self.findings.inventory.migrations, self.database.migrations.history_limit):
            if manifest["metadata"]["name"] not in planned:
                await self._delete(manifest)

    async def _apply_batch(self, migration: PlannedMigration) -> None:
        error = await self._apply_one(migration, parts=len(migration.groups))
        if error is not None and len(migration.groups) > 1:
            for part in migration.split():
                await self._apply_one(part, parts=1)

    async def _apply_one(self, migration: PlannedMigration, *, parts: int) -> MigrationError | None:
        """Apply one migration and return what refused it, if anything did.

        Where it has several parts, which will be tried one by one, a refusal is nobody's outcome yet.
        """
        manifest = await self._ensure_object(migration)
        started = datetime.now(UTC)
        if not self._is_retry(manifest, migration):
            await self._write(manifest, record.applying_status(started))
            await self.progress.report(Progressing(Reason.APPLYING, migration.message), migration.claimants)
        try:
            applied = await self.threads.run(
                lambda: self.session.apply(migration, self.verifiers), cancel=self.session.cancel
            )
        except (DatabaseUnavailableError, AnotherWriterError) as error:
            await self._write(manifest, {"phase": "Pending", "message": str(error)})
            is_away = isinstance(error, DatabaseUnavailableError)
            raise Halt(Waiting(Reason.DATABASE_UNAVAILABLE if is_away else Reason.RETRYING, str(error))) from error
        except RegistryConflictError as error:
            await self._write(manifest, record.superseded_status(str(error)))
            raise Halt(Waiting(Reason.RETRYING, str(error)), Again(1.0)) from error
        except MigrationError as error:
            if parts == 1:
                await self._note_failure(manifest, migration, error, started)
            else:
                message = f"Its {parts} parts are applied one by one, for as a whole it was refused: {error}"
                await self._write(manifest, record.superseded_status(message))
            return error
        await self._note_success(manifest, migration, applied)
        return None

    async def _note_success(self, manifest: Manifest, migration: PlannedMigration, applied: Applied) -> None:
        self.attempts.pop(migration.plan_hash, None)
        self.findings.revision = applied.revision
        self.findings.note_changes(migration.changes)
        self.findings.revisions |= dict.fromkeys(migration.claimants, applied.revision)
        await self._write(manifest, record.applied_status(migration, applied))
        await send_event(self.cluster, manifest, Notice("Normal", "Applied", "Migrate", migration.message))
        seconds = (applied.finished_at - applied.started_at).total_seconds()
        name = manifest["metadata"]["name"]
        logger.info(
            "migration %s applied as revision %s in %.3f s: %s",
            name,
            applied.revision,
            seconds,
            migration.message,
            extra={"migration": name, "revision": applied.revision, "seconds": seconds},
        )

    async def _note_failure(
        self, manifest: Manifest, migration: PlannedMigration, error: MigrationError, started: datetime
    ) -> None:
        attempts = self.attempts[migration.plan_hash] = self.attempts.get(migration.plan_hash, 0) + 1
        name = manifest["metadata"]["name"]
        outcome = outcome_of_error(error, attempts, has_failed_before=bool(self.refused))
        self.refused.append(manifest)
        self.findings.must_retry = True
        message = f"Migration {name}: {outcome.message}"
        for claimant in migration.claimants:
            self.findings.migrations.setdefault(claimant, name)
            self.findings.settle(claimant, replace(outcome, message=message))
        logger.warning("migration %s not applied: %s", name, outcome.message, extra={"migration": name})
        status = (
            {"phase": "Pending", "message": outcome.message}
            if isinstance(outcome, Waiting)
            else record.failed_status(outcome.message, started, datetime.now(UTC))
        )
        told = self.writer.current(manifest)
        if (told.get("phase"), told.get("message")) == (status["phase"], status["message"]):
            return  # its times stay those of the first failure: an attempt that changes nothing writes nothing
        await self._write(manifest, status)
        if (manifest.get("status") or {}).get("message") != outcome.message:
            await send_event(self.cluster, manifest, Notice("Warning", outcome.reason, "Migrate", outcome.message))

    async def _ensure_object(self, migration: PlannedMigration) -> Manifest:
        """Return the object of a plan: one that was there stays as it is, for its spec is immutable."""
        name, manifest = self._find_place(migration)
        if manifest is None:
            manifest = await self.cluster.apply(record.render_migration(self.database, migration, name))
        self.seen.append(manifest)
        return manifest

    async def _write(self, manifest: Manifest, status: dict[str, Any]) -> None:
        generation = manifest["metadata"].get("generation", 1)
        await self.writer.write(manifest, {"observedGeneration": generation} | status)

    async def _delete(self, manifest: Manifest) -> None:
        metadata = manifest["metadata"]
        await self.cluster.delete("Migration", metadata["namespace"], metadata["name"], uid=metadata["uid"])

    def name(self, migration: PlannedMigration) -> str:
        """Return the name of a migration's object."""
        return self._find_place(migration)[0]

    def _find_place(self, migration: PlannedMigration) -> tuple[str, Manifest | None]:
        return record.find_place(self.database.metadata.name, migration, self.findings.inventory.migrations)

    def _is_retry(self, manifest: Manifest, migration: PlannedMigration) -> bool:
        """Whether the object tells of a failed attempt already, and goes on telling of it during the next one."""
        phase = (manifest.get("status") or {}).get("phase")
        return phase == "Failed" or (phase == "Pending" and migration.plan_hash in self.attempts)

    def _needs_of(self, group: PlannedGroup) -> frozenset[ObjectId]:
        """Return what must be there before a group, by what its resources declare."""
        units = [self.findings.units[claimant] for claimant in group.claimants if claimant in self.findings.units]
        return frozenset[ObjectId]().union(*(unit.needs for unit in units))

    def _find_exposed(self) -> frozenset[Claimant]:
        """Return the dimensions whose API view is there."""
        views = {
            subject.claimant: ObjectId("view", *subject.resource.api_view)
            for subject in self.findings.inventory.dimensions
            if subject.resource and subject.resource.api_view
        }
        return frozenset(
            claimant for claimant, view in views.items() if view in self.findings.applied.get(claimant, ())
        )
