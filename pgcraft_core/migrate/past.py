"""What planning asks of dimensions that keep a past: whether their keys compare, and their names are free in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.key_equality import find_foreign_equality
from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.open_attributes import count_logged_attribute, count_open_attribute
from pgcraft_core.catalog.registry import Registry
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.diff_column import find_renames
from pgcraft_core.plan.past_key import tables_with_past
from pgcraft_core.schema.table import Column, Table
from pgcraft_core.schema.unit import Claimant, Unit


def refuse_incomparable_keys(connection: Connection, units: Sequence[Unit]) -> Mapping[Claimant, Sequence[Diagnostic]]:
    """Return for each resource with a past which of its key columns have a type that triggers cannot compare.

    They run without a search path, for whoever writes, and find no operator but those of pg_catalog.
    """
    keys = {unit.claimant: _key_columns(unit) for unit in units}
    foreign = find_foreign_equality(connection, {column.type for columns in keys.values() for column in columns})
    return {
        claimant: found
        for claimant, columns in keys.items()
        if (found := [_incomparable(column) for column in columns if column.type in foreign])
    }


def refuse_taken_names(
    connection: Connection, units: Sequence[Unit], registry: Registry, catalog: Catalog
) -> Mapping[Claimant, Sequence[Diagnostic]]:
    """Return for each resource which attributes cannot be renamed, since rows or the log have others of that name.

    Rows are looked at only where a rename is about to be planned.

    Raises:
        sqlalchemy.exc.DBAPIError: a table may not be read, or is locked for longer than the session waits.
    """
    findings: dict[Claimant, list[Diagnostic]] = {}
    for unit in units:
        for table, past in tables_with_past(unit):
            entry = registry.entries.get(table.id)
            if entry is None or not isinstance(entry.object, Table) or past.attributes_of != table.name:
                continue
            renames = find_renames(entry.object, table)
            # What is itself renamed leaves its name, in the log as well.
            for after in [name for name in renames.values() if name not in renames]:
                findings.setdefault(unit.claimant, []).extend(_taken(connection, table, past, after, catalog))
    return {claimant: found for claimant, found in findings.items() if found}


def _key_columns(unit: Unit) -> list[Column]:
    return [
        column
        for table, _ in tables_with_past(unit)
        for name in (table.primary_key.columns if table.primary_key else ())
        if (column := table.column(name)) is not None
    ]


def _incomparable(column: Column) -> Diagnostic:
    return Diagnostic(
        "spec.primaryKey",
        f"type {column.type} of {column.name} is compared by an operator outside pg_catalog, which what keeps the past "
        f"cannot use; take a generated key, and make {column.name} a unique column",
    )


def _taken(connection: Connection, table: Table, log: Table, name: str, catalog: Catalog) -> Iterator[Diagnostic]:
    path, source = f"spec.columns[{name}].renamedFrom", table.qualified_name
    if table.open_column is not None and catalog.holds_column(source, table.open_column):
        held = count_open_attribute(connection, source, table.open_column, name)
        if held:
            rows = "1 row holds" if held == 1 else f"{held:,} rows hold"
            yield Diagnostic(
                path,
                f"{rows} an attribute {name} in {table.open_column} that is not declared, and would have two of that "
                f"name; rename or remove it in {table.open_column} first, or choose another name",
            )
            return  # taking it out of there is logged, and told then
    if log.qualified_name in catalog.tables:
        logged = count_logged_attribute(connection, log.qualified_name, name)
        if logged:
            values = "1 value" if logged == 1 else f"{logged:,} values"
            yield Diagnostic(
                path,
                f"{log.qualified_name} holds {values} that another attribute {name} had, and the two pasts could not "
                "be told apart; choose another name",
            )
