"""The columns an EAV table has besides its key and attributes: who made a row and when, and undeclared attributes."""

from __future__ import annotations

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.history.conflicts import following_keys
from pgcraft_core.plugins.history.stamp import CREATION
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.plugins.table import OPEN_COLUMN
from pgcraft_core.plugins.vocabulary import CHECKS, COLUMNS, CONTEXT, DIAGNOSTICS, DIMENSION, INDEXES, CompileContext
from pgcraft_core.schema.table import Check, Column, Index, IndexElement
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.sql.identifiers import check_name, named

BOOKKEEPING = (*CREATION.names, OPEN_COLUMN)
"""What these columns are called; no key or attribute is, nor is an undeclared attribute."""


class BookkeepingPlugin(Plugin):
    """Adds `created_at`, `created_by` and `created_via`, and with `spec.open` the column `extra`."""

    name = "bookkeeping"

    @requires(DIMENSION, CONTEXT)
    @produces(COLUMNS, CHECKS, INDEXES, DIAGNOSTICS)
    def bookkeeping(
        self, dimension: Dimension, context: CompileContext
    ) -> tuple[list[Column], list[Check], list[Index], list[Diagnostic]]:
        """Return the columns, what holds and finds the undeclared attributes, and keys that do not go."""
        subject = Subject.of(dimension, context)
        columns = [*CREATION.columns("Since when the row is there", "Who made the row", "Through which database user")]
        checks: list[Check] = []
        indexes: list[Index] = []
        if dimension.spec.open:
            columns.append(
                Column(
                    name=OPEN_COLUMN,
                    type="jsonb",
                    nullable=False,
                    default="'{}'::jsonb",
                    comment="Attributes that are not declared, by name",
                )
            )
            checks.append(
                Check(name=check_name(subject.table, OPEN_COLUMN), expression=f"jsonb_typeof({OPEN_COLUMN}) = 'object'")
            )
            indexes.append(
                Index(
                    name=named(subject.table, OPEN_COLUMN), elements=(IndexElement(column=OPEN_COLUMN),), method="gin"
                )
            )
        return columns, checks, indexes, following_keys(dimension, subject)
