"""The history: every version that was closed, in rows that nobody changes."""

from __future__ import annotations

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.append_only.version_columns import MADE_BY, MADE_VIA
from pgcraft_core.plugins.history.conflicts import following_keys, reserved_columns
from pgcraft_core.plugins.history.guards import past_guard
from pgcraft_core.plugins.history.stamp import TIME_TYPE, VERSION
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.plugins.partitioning import history_partitioning
from pgcraft_core.plugins.vocabulary import CONTEXT, DIAGNOSTICS, DIMENSION, OBJECTS, TABLE, CompileContext
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Column, PrimaryKey, Table
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.sql.identifiers import primary_key_name

HISTORY = "history"

VERSION_COLUMNS = (
    Column(name=VERSION.time, type=TIME_TYPE, nullable=False, comment="Since when the version stood."),
    Column(
        name="valid_to",
        type=TIME_TYPE,
        nullable=False,
        comment="When the version was closed; from then on it did not stand.",
    ),
    Column(name="operation", type="text", nullable=False, comment="What closed the version: UPDATE or DELETE."),
    Column(name=VERSION.by, type="text", nullable=False, comment=MADE_BY),
    Column(name=VERSION.via, type="text", nullable=False, comment=MADE_VIA),
    Column(
        name="closed_by",
        type="text",
        nullable=False,
        comment="Who closed the version: the subject of the request's token, else its role, else the user.",
    ),
    Column(
        name="closed_via",
        type="text",
        nullable=False,
        comment="The database user through which the version was closed.",
    ),
)
"""What the history knows of a version beside its values."""

CLOSING_NAMES = tuple(column.name for column in VERSION_COLUMNS if column.name not in VERSION.names)


class HistoryTablePlugin(Plugin):
    """Makes `name_history`, which only the triggers of the current table write."""

    name = "historyTable"

    @requires(DIMENSION, CONTEXT, TABLE)
    @produces(OBJECTS, DIAGNOSTICS)
    def history(
        self, dimension: Dimension, context: CompileContext, table: Table
    ) -> tuple[tuple[Table, Function], list[Diagnostic]]:
        """Return the history with its guard, and what it cannot keep."""
        subject = Subject.of(dimension, context)
        guard, triggers = past_guard(subject, HISTORY)
        name = subject.derived(HISTORY)
        history = Table(
            schema_name=table.schema_name,
            name=name,
            columns=(*(_past_column(column, subject) for column in declared_columns(table)), *VERSION_COLUMNS),
            primary_key=PrimaryKey(name=primary_key_name(name), columns=(*subject.key, "valid_to")),
            triggers=triggers,
            partitioning=history_partitioning(dimension, context),
            comment=f"Versions of {table.qualified_name} that were closed",
        )
        return (history, guard), [
            *reserved_columns(dimension, table, CLOSING_NAMES),
            *following_keys(dimension, subject),
        ]


def declared_columns(table: Table) -> tuple[Column, ...]:
    """Return the columns of the current table that hold data: those of its key first, without the stamp."""
    return tuple(column for column in table.columns if column.name not in VERSION.names)


def _past_column(column: Column, subject: Subject) -> Column:
    """Return a column as the history has it: a plain one, for what was true once is neither checked nor made again."""
    return Column(
        name=column.name,
        type=column.type,
        nullable=column.name not in subject.key,
        comment=column.comment,
        renamed_from=column.renamed_from,
    )
