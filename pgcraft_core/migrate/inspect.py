"""What planning asks the database beside its catalog: whether expressions may run, and which rows are at stake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.evidence import count_non_null, estimate_non_null, read_evidence
from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.probe import Allowance, Finding, ScratchUnavailableError, probe_tables
from pgcraft_core.catalog.registry import Registry
from pgcraft_core.catalog.session import driver_of
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.migrate.connect import execute
from pgcraft_core.migrate.errors import InsufficientPrivilegeError
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.plan.diff_table import retain_columns
from pgcraft_core.plan.draft import Draft
from pgcraft_core.plan.hazards import LARGE_TABLE_BYTES, RowEvidence, columns_at_risk, touches_rows
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.sql.identifiers import quote_identifier


def probe_units(
    connection: Connection, units: Sequence[Unit], registry: Registry, settings: SessionSettings
) -> Mapping[Claimant, Sequence[Diagnostic]]:
    """Return what is wrong with types and expressions of tables that are new or changed since they were applied."""
    findings: dict[Claimant, list[Diagnostic]] = {}
    for allowed_schemas, some in _by_allowed_schemas(units, settings).items():
        owners: dict[ObjectId, Unit] = {}
        tables: list[Table] = []
        for unit in some:
            for item in unit.objects:
                if isinstance(item, Table) and _is_changed(item, registry):
                    owners[item.id] = unit
                    tables.append(item)
        if not tables:
            continue
        allowance = Allowance(
            schemas=_every_schema(connection) if allowed_schemas is None else allowed_schemas,
            extensions=frozenset(settings.extensions),
            functions=settings.allowed_functions,
        )
        for finding in _probe(connection, tables, allowance, settings):
            unit = owners[finding.table]
            path = unit.origins.get((finding.table, finding.element), "spec")
            findings.setdefault(unit.claimant, []).append(Diagnostic(path, finding.message))
    return findings


def read_row_evidence(
    connection: Connection, drafts: Sequence[Draft], catalog: Catalog
) -> Mapping[QualifiedName, RowEvidence]:
    """Return what is at stake in the tables that operations would read, rewrite or take data from."""
    operations = [operation for draft in drafts for operation in draft.operations]
    tables = {table for operation in operations if (table := touches_rows(operation)) in catalog.tables and table}
    if not tables:
        return {}
    columns: dict[QualifiedName, set[str]] = {}
    for operation in operations:
        risk = columns_at_risk(operation)
        if risk is not None and catalog.holds_column(*risk):
            columns.setdefault(risk[0], set()).add(risk[1])
    evidence: dict[QualifiedName, RowEvidence] = {}
    for table, found in read_evidence(connection, tables).items():
        names = sorted(columns.get(table, ()))
        # A plan that waits is made anew on every look: counting a large table exactly each time would be a burden.
        count = count_non_null if found.size < LARGE_TABLE_BYTES else estimate_non_null
        values = count(connection, table, names)
        estimate = max(found.rows, *values.values(), 1)
        evidence[table] = RowEvidence(rows=0 if found.empty else estimate, size=found.size, values=values)
    return evidence


def _is_changed(table: Table, registry: Registry) -> bool:
    """Whether a table differs from what was applied, columns aside that it only retains."""
    entry = registry.entries.get(table.id)
    if entry is None or not isinstance(entry.object, Table):
        return True
    return retain_columns(entry.object, table).fingerprint() != entry.fingerprint


def _probe(
    connection: Connection, tables: Sequence[Table], allowance: Allowance, settings: SessionSettings
) -> Sequence[Finding]:
    try:
        return probe_tables(connection, tables, allowance)
    except ScratchUnavailableError as error:
        database = quote_identifier(driver_of(connection).info.dbname)
        raise InsufficientPrivilegeError(
            f"role {settings.owner_role} may not make the temporary tables in which expressions are tried; have an "
            f"administrator run: GRANT TEMPORARY ON DATABASE {database} TO {quote_identifier(settings.owner_role)};"
        ) from error


def _every_schema(connection: Connection) -> frozenset[str]:
    rows = execute(
        connection,
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pgcraft')",
    )
    return frozenset(name for (name,) in rows)


def _by_allowed_schemas(
    units: Sequence[Unit], settings: SessionSettings
) -> Mapping[frozenset[str] | None, Sequence[Unit]]:
    grouped: dict[frozenset[str] | None, list[Unit]] = {}
    for unit in units:
        grouped.setdefault(settings.allowed_schemas(unit.claimant), []).append(unit)
    return grouped
