"""Migration objects: a plan as people read it in the cluster, and what became of it; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pgcraft_core.migrate.execute import Applied
from pgcraft_core.plan.model import PlannedMigration
from pgcraft_core.plan.operations.attribute import DropLoggedAttribute
from pgcraft_core.plan.operations.base import PlannedOperation
from pgcraft_core.plan.operations.column import DropColumn
from pgcraft_core.plan.operations.function import ReplaceFunction
from pgcraft_core.spec.base import API_VERSION
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.migration import MigrationPhase
from pgcraft_operator.cluster import Manifest

HISTORY: Final[frozenset[MigrationPhase]] = frozenset({"Applied", "Superseded"})
"""Phases that are never left: the same plan made again has another object."""
FINISHED: Final[frozenset[MigrationPhase]] = frozenset({"Applied", "Failed", "Superseded"})

_GOES_WITH_A_COLUMN = (DropColumn, DropLoggedAttribute, ReplaceFunction)
_HASH_DIGITS = 10
_MOST_OPERATIONS = 1000
_MOST_SUBJECTS = 2000
_LONGEST_SQL = 262_144  # bytes; an object of more than 1.5 MB is refused
_LONGEST_SENTENCE = 512  # characters
_CUT = "\n-- … shortened; the history in the database keeps it whole\n"


def migration_name(database: str, migration: PlannedMigration, occurrence: int = 1) -> str:
    """Return the name of a plan's object at its nth occurrence; at most 253 characters."""
    suffix = f"-{migration.plan_hash[:_HASH_DIGITS]}" + (f"-{occurrence}" if occurrence > 1 else "")
    return database[: 253 - len(suffix)].rstrip("-.") + suffix


def find_place(database: str, migration: PlannedMigration, objects: Iterable[Manifest]) -> tuple[str, Manifest | None]:
    """Return the name of a plan's object, and the object where it is there already.

    `objects` are the Migration objects of the Database. The newest of this plan is taken up again, unless it is
    history: a plan that is made a second time, after it was undone, gets an object of its own behind that.
    """
    occurrences = {
        _occurrence(manifest, migration): manifest
        for manifest in objects
        if manifest["spec"].get("planHash") == migration.plan_hash
    }
    latest = max(occurrences, default=1)
    found = occurrences.get(latest)
    if found is None or (found.get("status") or {}).get("phase") not in HISTORY:
        return migration_name(database, migration, latest), found
    return migration_name(database, migration, latest + 1), None


def _occurrence(manifest: Manifest, migration: PlannedMigration) -> int:
    ordinal = manifest["metadata"]["name"].rpartition(migration.plan_hash[:_HASH_DIGITS])[2].removeprefix("-")
    return int(ordinal) if ordinal.isdecimal() else 1


def render_migration(database: Database, migration: PlannedMigration, name: str) -> Manifest:
    """Return the object of a plan, owned by its Database."""
    metadata = database.metadata
    return {
        "apiVersion": API_VERSION,
        "kind": "Migration",
        "metadata": {
            "name": name,
            "namespace": metadata.namespace,
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": "Database", "name": metadata.name, "uid": metadata.uid}
            ],
        },
        "spec": {
            "databaseRef": {"name": metadata.name},
            "planHash": migration.plan_hash,
            "subjects": [
                {"kind": claimant.kind, "namespace": claimant.namespace, "name": claimant.name}
                for claimant in migration.claimants[:_MOST_SUBJECTS]
            ],
            "operations": [_render_operation(operation) for operation in migration.steps[:_MOST_OPERATIONS]],
            "operationCount": len(migration.steps),
            "sql": _shortened_sql(migration.sql),
        },
    }


def _render_operation(operation: PlannedOperation) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "operation": operation.name,
        "target": _shortened(str(operation.target), 256),
        "description": _shortened(operation.describe(), _LONGEST_SENTENCE),
        "lock": operation.lock,
    }
    if operation.hazard is not None:
        rendered["hazard"] = {
            "class": operation.hazard.type,
            "message": _shortened(operation.hazard.message, _LONGEST_SENTENCE),
        }
    return rendered


def waiting_status(migration: PlannedMigration) -> dict[str, Any]:
    """Return the status of a plan that must be approved first."""
    return {"phase": "ApprovalPending", "message": hazard_summary(migration)}


def applying_status(started: datetime) -> dict[str, Any]:
    """Return the status of a plan that is being applied."""
    return {"phase": "Applying", "startedAt": timestamp(started)}


def applied_status(migration: PlannedMigration, applied: Applied) -> dict[str, Any]:
    """Return the status of a plan that was committed."""
    return {
        "phase": "Applied",
        "revision": applied.revision,
        "startedAt": timestamp(applied.started_at),
        "finishedAt": timestamp(applied.finished_at),
        "durationMilliseconds": round((applied.finished_at - applied.started_at).total_seconds() * 1000),
        "message": migration.message,
    }


def failed_status(message: str, started: datetime, finished: datetime) -> dict[str, Any]:
    """Return the status of a plan that was rolled back."""
    return {
        "phase": "Failed",
        "startedAt": timestamp(started),
        "finishedAt": timestamp(finished),
        "message": _shortened(message, 4096),
    }


def superseded_status(message: str) -> dict[str, Any]:
    """Return the status of a plan that will never be applied."""
    return {"phase": "Superseded", "message": message}


def hazard_summary(migration: PlannedMigration) -> str:
    """Return why a plan has to be approved: its hazards, or what it does where the policy asks for everything."""
    hazards = [operation.hazard.message for operation in migration.steps if operation.hazard is not None]
    return _shortened("; ".join(dict.fromkeys(hazards)) or migration.message, 2048)


def meanwhile(migration: PlannedMigration, *, is_exposed: bool) -> str:
    """Return what holds until a plan is approved, where it takes away columns; empty for any other.

    `is_exposed` tells whether the rest of the table is served.
    """
    operations = [planned.operation for planned in migration.operations]
    # A dimension that keeps its past has a column once more in its history, or logged by name.
    removed = {operation.column.name for operation in operations if isinstance(operation, DropColumn)}
    if not removed or not all(isinstance(operation, _GOES_WITH_A_COLUMN) for operation in operations):
        return ""
    if len(removed) == 1:
        served = " and is no longer served" if is_exposed else ""
        return f"Meanwhile the column keeps its data{served}; declare it again to take it back."
    served = " and are no longer served" if is_exposed else ""
    return f"Meanwhile the columns keep their data{served}; declare them again to take them back."


def superfluous(migrations: Sequence[Manifest], limit: int) -> list[Manifest]:
    """Return the finished Migration objects beyond the newest `limit`."""
    finished = [manifest for manifest in migrations if (manifest.get("status") or {}).get("phase") in FINISHED]
    finished.sort(key=lambda manifest: manifest["metadata"]["creationTimestamp"], reverse=True)
    return finished[limit:]


def timestamp(moment: datetime) -> str:
    """Return an instant as the Kubernetes API writes it, to the second, in UTC; `moment` is aware."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _shortened_sql(sql: str) -> str:
    encoded = sql.encode()
    if len(encoded) <= _LONGEST_SQL:
        return sql
    return encoded[: _LONGEST_SQL - len(_CUT.encode())].decode(errors="ignore") + _CUT
