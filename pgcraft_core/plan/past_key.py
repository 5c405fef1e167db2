"""The key under which a past is kept: it never becomes another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pgcraft_core.catalog.registry import Registry
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.diff_column import find_renames
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant, Unit


def tables_with_past(unit: Unit) -> Iterator[tuple[Table, Table]]:
    """Yield the tables of a resource that another keeps the past of, which is keyed by their key and more, with it."""
    tables = [item for item in unit.objects if isinstance(item, Table)]
    for table in tables:
        key = table.primary_key.columns if table.primary_key else ()
        for other in tables if key else ():
            longer = other.primary_key.columns if other.primary_key else ()
            if longer[: len(key)] == key and len(longer) > len(key):
                yield table, other


def refuse_key_changes(units: Sequence[Unit], registry: Registry) -> Mapping[Claimant, Sequence[Diagnostic]]:
    """Return for each resource that would key its rows otherwise why it cannot, where their past is kept.

    A column that the key gets would have to be made up for rows that are gone, and without one they would not be told
    apart. A rename is no change.
    """
    findings: dict[Claimant, Sequence[Diagnostic]] = {}
    for unit in units:
        for table, past in tables_with_past(unit):
            entry = registry.entries.get(table.id)
            applied = entry.object if entry is not None else None
            if not isinstance(applied, Table) or applied.primary_key is None or table.primary_key is None:
                continue
            renames = find_renames(applied, table)
            before = [renames.get(name, name) for name in applied.primary_key.columns]
            if set(before) != set(table.primary_key.columns):
                sentence = (
                    f"{past.qualified_name} keeps the past by {', '.join(before)}, and the key of a row with a past "
                    "never changes: make a new dimension with the other key, move the data, and delete this one"
                )
                findings[unit.claimant] = [Diagnostic("spec.primaryKey", sentence)]
    return findings
