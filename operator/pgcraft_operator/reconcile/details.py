"""What each status says beside its conditions, from what the run found; pure."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.spec.dimension import Dimension
from pgcraft_operator.outcome import Applied, Outcome
from pgcraft_operator.postgrest import served_objects
from pgcraft_operator.reconcile.drift import drift_report, find_drift
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.inventory import Subject

_MOST_RELATIONS = 64


def status_details(
    findings: Findings, subject: Subject[Any], ready: AbstractSet[Claimant], now: datetime
) -> dict[str, Any]:
    """Return the fields of a resource's status; what could not be looked at stays as it was known."""
    match subject.claimant.kind:
        case "Database":
            return _database_details(findings, subject, ready)
        case "PostgREST":
            return _postgrest_details(findings, subject)
        case _:
            return _dimension_details(findings, subject, now)


def summarize_database(findings: Findings, database: Subject[Any], ready: AbstractSet[Claimant]) -> Outcome:
    """Return the Database's outcome; where all is well with itself, it also says how its dimensions are."""
    outcome = findings.outcomes[database.claimant]
    if not isinstance(outcome, Applied):
        return outcome
    counts = []
    if total := len(findings.inventory.dimensions):
        counts.append(f"{_count_ready(findings, ready)} of {total} dimension{'' if total == 1 else 's'} ready")
    if findings.pending:
        counts.append("1 migration waits" if findings.pending == 1 else f"{findings.pending} migrations wait")
        counts[-1] += " for approval"
    return Applied("; ".join((outcome.message, ", ".join(counts)))) if counts else outcome


def _count_ready(findings: Findings, ready: AbstractSet[Claimant]) -> int:
    return sum(dimension.claimant in ready for dimension in findings.inventory.dimensions)


def _database_details(findings: Findings, subject: Subject[Any], ready: AbstractSet[Claimant]) -> dict[str, Any]:
    details: dict[str, Any] = {
        "ownerId": subject.resource.owner_id if subject.resource else subject.status.get("ownerId"),
        "dimensions": {"total": len(findings.inventory.dimensions), "ready": _count_ready(findings, ready)},
    }
    if findings.plan is None:
        # What was known stays: the database could not be asked.
        known = {key: subject.status.get(key) for key in ("version", "revision", "pendingMigrations")}
        return details | known
    return details | {
        "version": format_version(findings.plan.server_version),
        "revision": findings.revision or findings.plan.revision,
        "pendingMigrations": findings.pending,
    }


def _postgrest_details(findings: Findings, subject: Subject[Any]) -> dict[str, Any]:
    api = findings.apis.get(subject.claimant)
    roles = [role.name for role in subject.resource.api_roles] if subject.resource else subject.status.get("roles")
    if api is None:
        known = {key: subject.status.get(key) for key in ("url", "readyReplicas", "servedResources")}
        return known | {"roles": roles}
    return {
        "url": api.url,
        "readyReplicas": api.ready_replicas,
        "servedResources": len(api.served),
        "roles": roles,
    }


def _dimension_details(findings: Findings, subject: Subject[Any], now: datetime) -> dict[str, Any]:
    known = {key: subject.status.get(key) for key in ("relations", "revision", "migration", "drift")}
    effective = _effective(findings, subject)
    if findings.plan is None:
        return known | {"effective": effective}
    claimant = subject.claimant
    relations = _relations(findings, claimant, known["relations"] or ())
    return {
        "relations": relations[:_MOST_RELATIONS] or None,
        "revision": findings.revisions.get(claimant) or findings.plan.revisions.get(claimant),
        "effective": effective,
        "migration": findings.migrations.get(claimant),
        "drift": drift_report(find_drift(findings, subject), known["drift"], now),
    }


def _relations(findings: Findings, claimant: Claimant, known: Collection[str]) -> list[str]:
    """Return tables, views and queries; functions that serve triggers are their tables' own matter.

    Which functions are queries is not told by what is applied, only by what is declared: else it stays as known.
    """
    if isinstance(findings.outcomes[claimant], Applied) and claimant in findings.units:
        objects = findings.units[claimant].objects
        queries = {item.id for item in served_objects(objects)}
        return [str(item.id) for item in objects if item.id.kind == "table" or item.id in queries]
    applied = sorted(findings.applied.get(claimant, ()))
    return [str(identity) for identity in applied if identity.kind in ("table", "view") or str(identity) in known]


def _effective(findings: Findings, subject: Subject[Dimension]) -> dict[str, Any] | None:
    """Return the spec as understood, whether or not it could be compiled or applied; None only before it ever loaded.

    What needs a compilation, the key's type among it, stays as last known where there is none.
    """
    known: dict[str, Any] = subject.status.get("effective") or {}
    dimension = subject.resource
    if dimension is None:
        return known or None
    effective: dict[str, Any] = {
        "type": dimension.spec.type,
        "table": {"schema": dimension.spec.schema_, "name": dimension.table_name},
        "owner": findings.owner or known.get("owner"),
        "primaryKey": _effective_key(findings, subject.claimant, dimension) or known.get("primaryKey"),
    }
    if dimension.api_view is not None:
        schema, name = dimension.api_view
        effective["view"] = {"schema": schema, "name": name}
    return {key: value for key, value in effective.items() if value is not None}


def _effective_key(findings: Findings, claimant: Claimant, dimension: Dimension) -> dict[str, Any] | None:
    unit = findings.units.get(claimant)
    identity = ObjectId("table", dimension.spec.schema_, dimension.table_name)
    table = next((item for item in unit.objects if item.id == identity), None) if unit else None
    if not isinstance(table, Table) or table.primary_key is None:
        return None
    declared = dimension.spec.primary_key
    strategy = declared.strategy if declared else "Identity"
    key: dict[str, Any] = {"strategy": strategy, "columns": list(table.primary_key.columns)}
    column = table.column(table.primary_key.columns[0])
    if strategy != "Natural" and column is not None:
        key["type"] = column.type
    return key


def format_version(number: int) -> str:
    """Return `18.6` for 180006, as Postgres itself writes it."""
    return f"{number // 10000}.{number % 10000}"
