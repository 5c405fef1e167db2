"""What planning asks of open columns: which declared attributes they still hold, and whether those can be moved."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import psycopg
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.open_attributes import (
    UnfitValues,
    count_breaking_rows,
    find_open_attributes,
    find_unfit_values,
)
from pgcraft_core.catalog.scratch import is_authors_fault
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.diff_column import mentions
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.table import Column, Table
from pgcraft_core.schema.unit import Claimant, Unit


def read_open_attributes(
    connection: Connection, units: Sequence[Unit], catalog: Catalog
) -> Mapping[ObjectId, tuple[str, ...]]:
    """Return for each table which declared attributes are still in its open column; tables without any are left out.

    Raises:
        sqlalchemy.exc.DBAPIError: a table is locked for longer than the session waits.
    """
    found: dict[ObjectId, tuple[str, ...]] = {}
    for table in _open_tables(units, catalog):
        names = [column.name for column in _movable(table)]
        held = find_open_attributes(connection, table.qualified_name, table.open_column or "", names)
        if held:
            found[table.id] = held
    return found


def refuse_unfit_values(
    connection: Connection, units: Sequence[Unit], catalog: Catalog, held: Mapping[ObjectId, Collection[str]]
) -> Mapping[Claimant, Sequence[Diagnostic]]:
    """Return for each resource the columns that cannot take what their attributes hold so far.

    Were such a column made, those values would stay behind in `extra` for good. Types and checks are those of
    units that were probed: their authors may use them.
    """
    findings: dict[Claimant, Sequence[Diagnostic]] = {}
    for unit in units:
        for table in unit.objects:
            if isinstance(table, Table) and table.id in held:
                columns = [column for column in _movable(table) if column.name in held[table.id]]
                found = [finding for column in columns if (finding := _misfit(connection, table, column))]
                added = [column for column in columns if not catalog.holds_column(table.qualified_name, column.name)]
                if not found and added:
                    found = list(_broken_checks(connection, unit, table, added))
                if found:
                    findings[unit.claimant] = found
    return findings


def _misfit(connection: Connection, table: Table, column: Column) -> Diagnostic | None:
    name, open_column = table.qualified_name, table.open_column or ""
    unfit = find_unfit_values(connection, name, open_column, column.name, column.type, nullable=column.nullable)
    return _refusal(column, unfit) if unfit is not None else None


def _broken_checks(connection: Connection, unit: Unit, table: Table, added: Sequence[Column]) -> Iterator[Diagnostic]:
    """Yield what checks of columns that are to be added say against the values that would move there."""
    for check in table.checks:
        if not any(mentions(check.expression, column.name) for column in added):
            continue
        path = unit.origins.get((table.id, f"check:{check.name}"), "spec.checks")
        try:
            rows = count_breaking_rows(
                connection, table.qualified_name, table.open_column or "", added, check.expression
            )
        except DBAPIError as error:
            if not is_authors_fault(error) or not isinstance(error.orig, psycopg.Error):
                raise
            reason = error.orig.diag.message_primary
            yield Diagnostic(path, f"it cannot be computed for what the attributes hold so far: {reason}")
            continue
        if rows:
            broken = "1 row holds a value" if rows == 1 else f"{rows:,} rows hold values"
            yield Diagnostic(
                path, f"{broken} of the attributes so far that would break the check; correct them first, or the check"
            )


def _refusal(column: Column, unfit: UnfitValues) -> Diagnostic:
    rows = "1 row holds a value" if unfit.count == 1 else f"{unfit.count:,} rows hold values"
    return Diagnostic(
        f"spec.columns[{column.name}].type",
        f"{rows} of the attribute so far that {'does' if unfit.count == 1 else 'do'} not fit {column.type}, such as "
        f"{unfit.example}; correct them first, or choose another type",
    )


def _open_tables(units: Sequence[Unit], catalog: Catalog) -> Iterator[Table]:
    """Yield the tables that have an open column already."""
    for unit in units:
        for item in unit.objects:
            if (
                isinstance(item, Table)
                and item.open_column is not None
                and catalog.holds_column(item.qualified_name, item.open_column)
            ):
                yield item


def _movable(table: Table) -> list[Column]:
    """Return the columns that values of the open column can move into."""
    return [column for column in table.columns if column.generated is None and column.name != table.open_column]
