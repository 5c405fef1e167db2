"""Puts the parts together into the dimension's table."""

from __future__ import annotations

from collections import Counter

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.vocabulary import (
    CHECKS,
    COLUMNS,
    DIAGNOSTICS,
    DIMENSION,
    FOREIGN_KEYS,
    INDEXES,
    KEY_COLUMNS,
    OBJECTS,
    PRIMARY_KEY,
    SCHEMAS,
    TABLE,
    TRIGGERS,
    UNIQUES,
)
from pgcraft_core.schema.table import Check, Column, ForeignKey, Index, PrimaryKey, Table, Trigger, Unique
from pgcraft_core.spec.dimension import Dimension

OPEN_COLUMN = "extra"
"""The column of attributes that are not declared."""


class TablePlugin(Plugin):
    """Makes the table `schema.name`, key columns first."""

    name = "table"

    @requires(DIMENSION, KEY_COLUMNS, COLUMNS, PRIMARY_KEY, UNIQUES, CHECKS, FOREIGN_KEYS, INDEXES, TRIGGERS)
    @produces(TABLE, OBJECTS, SCHEMAS, DIAGNOSTICS)
    def table(
        self,
        dimension: Dimension,
        key: tuple[Column, ...],
        columns: tuple[Column, ...],
        primary_key: PrimaryKey,
        uniques: tuple[Unique, ...],
        checks: tuple[Check, ...],
        foreign_keys: tuple[ForeignKey, ...],
        indexes: tuple[Index, ...],
        triggers: tuple[Trigger, ...],
    ) -> tuple[Table, tuple[Table], tuple[str], list[Diagnostic]]:
        """Return the table, as the one object, with the schema it needs."""
        table = Table(
            schema_name=dimension.spec.schema_,
            name=dimension.table_name,
            columns=key + columns,
            primary_key=primary_key,
            uniques=uniques,
            checks=checks,
            foreign_keys=foreign_keys,
            indexes=indexes,
            triggers=triggers,
            open_column=OPEN_COLUMN if dimension.spec.open else None,
            comment=dimension.spec.comment,
        )
        return table, (table,), (table.schema_name,), _clashes(table)


def _clashes(table: Table) -> list[Diagnostic]:
    """Find two parts under one name: constraints and indexes share a namespace, and so do columns."""
    parts = [*table.constraints, *table.indexes]
    names = Counter(part.name for part in parts)
    diagnostics = [
        Diagnostic(
            "spec",
            f"{count} constraints or indexes of {table.qualified_name} would be named {name}; rename one of them",
        )
        for name, count in names.items()
        if count > 1
    ]
    columns = Counter(column.name for column in table.columns)
    diagnostics += [
        Diagnostic("spec.columns", f"{count} columns are named {name}; rename one of them, or the plugin's column")
        for name, count in columns.items()
        if count > 1
    ]
    return diagnostics
