"""What planning asks the database beside its catalog: whether expressions may run, and which rows are at stake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.evidence import count_non_null, estimate_non_null, read_evidence
from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.probe import Allowance, Finding, ScratchUnavailableError, probe_tables
from pgcraft_core.catalog.registry import Registry
from pgcraft_core.catalog.scratch import expressions_of, is_unusual, without_elements
from pgcraft_core.catalog.session import driver_of
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.migrate.connect import execute
from pgcraft_core.migrate.errors import InsufficientPrivilegeError
from pgcraft_core.migrate.open_columns import refuse_unfit_values
from pgcraft_core.migrate.past import refuse_incomparable_keys, refuse_taken_names
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.plan.diff_table import retain_data
from pgcraft_core.plan.draft_context import Draft
from pgcraft_core.plan.hazards import LARGE_TABLE_BYTES, RowEvidence, columns_at_risk, touches_rows
from pgcraft_core.plan.ignored_renames import refuse_ignored_renames
from pgcraft_core.plan.partitions import refuse_repartitioning
from pgcraft_core.plan.past_key import refuse_key_changes
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.spec.dimension_type import STAMPED_COLUMNS
from pgcraft_core.sql.identifiers import quote_identifier

_TYPES_OF_OURS = frozenset({"boolean", "text", "timestamp with time zone"})
"""Types of what histories and logs add to the columns they repeat; every author may use them."""


def find_objections(
    connection: Connection,
    units: Sequence[Unit],
    registry: Registry,
    catalog: Catalog,
    held: Mapping[ObjectId, Sequence[str]],
    settings: SessionSettings,
) -> Mapping[Claimant, Sequence[Diagnostic]]:
    """Return what speaks against units that settling accepts; `held` are the attributes open columns still hold."""
    objections: dict[Claimant, list[Diagnostic]] = {}
    for claimant, found in probe_units(connection, units, registry, settings).items():
        objections.setdefault(claimant, []).extend(found)
    for findings in (
        refuse_repartitioning(units, registry),
        refuse_key_changes(units, registry),
        refuse_ignored_renames(units, registry),
        refuse_incomparable_keys(connection, units),
    ):
        for claimant, found in findings.items():
            objections.setdefault(claimant, []).extend(found)
    # Rows are looked at last, and for types that were found to be their author's to use.
    sound = [unit for unit in units if unit.claimant not in objections]
    objections |= {
        claimant: [*found] for claimant, found in refuse_taken_names(connection, sound, registry, catalog).items()
    }
    sound = [unit for unit in sound if unit.claimant not in objections]
    return {**objections, **refuse_unfit_values(connection, sound, catalog, held)}


def probe_units(
    connection: Connection, units: Sequence[Unit], registry: Registry, settings: SessionSettings
) -> Mapping[Claimant, Sequence[Diagnostic]]:
    """Return what is wrong with types and expressions that are new or changed since they were applied."""
    findings: dict[Claimant, list[Diagnostic]] = {}
    for allowed_schemas, some in _by_allowed_schemas(units, settings).items():
        owners: dict[ObjectId, Unit] = {}
        tables: list[Table] = []
        for unit in some:
            for table in _tables_to_probe(unit, registry):
                owners[table.id] = unit
                tables.append(table)
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


def _tables_to_probe(unit: Unit, registry: Registry) -> Iterator[Table]:
    """Yield the tables of a resource, as far as its author wrote them, that hold something to try.

    A history or log does not: it repeats the types of the table it belongs to, which comes before it.
    """
    judged = set(_TYPES_OF_OURS)
    for item in unit.objects:
        if not isinstance(item, Table):
            continue
        table = _without_stamps(item, unit)
        types = {column.type for column in table.columns}
        says_more = expressions_of(table) or any(map(is_unusual, table.indexes)) or types - judged
        if says_more and _is_changed(item, registry):
            yield table
        judged |= types


def _without_stamps(table: Table, unit: Unit) -> Table:
    """Return the table without the defaults that are ours, which no author may write: they read the request's claims.

    Ours are those of columns that a type reserves for itself, where the resource does not say them.
    """
    ours = {
        f"default:{name}"
        for names in STAMPED_COLUMNS.values()
        for name in names
        if (table.id, f"default:{name}") not in unit.origins
    }
    return without_elements(table, [Finding(table.id, element, "") for element in ours])


def _is_changed(table: Table, registry: Registry) -> bool:
    """Whether a table differs from what was applied, triggers, comment and columns aside that it only retains."""
    entry = registry.entries.get(table.id)
    if entry is None or not isinstance(entry.object, Table):
        return True
    ignored = {"triggers": (), "comment": None}
    goal = retain_data(entry.object, table).model_copy(update=ignored)
    return goal.fingerprint() != entry.object.model_copy(update=ignored).fingerprint()


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
