"""The log of an EAV table beside it, with the views and the query that show it."""

from __future__ import annotations

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.eav.as_of import ATTRIBUTES_AS_OF, attributes_as_of
from pgcraft_core.plugins.eav.canonical_text import text_function
from pgcraft_core.plugins.eav.log_table import LOG, log_table
from pgcraft_core.plugins.eav.views import ATTRIBUTE_HISTORY, ATTRIBUTES, attribute_history_view, attributes_view
from pgcraft_core.plugins.history.conflicts import reserved_columns
from pgcraft_core.plugins.history.guards import past_guard
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.plugins.partitioning import history_partitioning
from pgcraft_core.plugins.vocabulary import (
    CONTEXT,
    DIAGNOSTICS,
    DIMENSION,
    OBJECTS,
    PAST,
    TABLE,
    CompileContext,
    Past,
    PastFunction,
)
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.table import Column, Table
from pgcraft_core.spec.dimension import Dimension

RESERVED = ("attribute", "row_number")
"""Names that stand beside the columns of the table where the log is written."""


class AttributeLogPlugin(Plugin):
    """Makes the log of an EAV table, and the views and the query that show it."""

    name = "attributeLog"

    @requires(DIMENSION, CONTEXT, TABLE)
    @produces(OBJECTS, PAST, DIAGNOSTICS)
    def log(
        self, dimension: Dimension, context: CompileContext, table: Table
    ) -> tuple[list[AnyObject], list[Past], list[Diagnostic]]:
        """Return the guarded log, views and query beside the table, and what the API may show of them."""
        subject = Subject.of(dimension, context)
        guard, guards = past_guard(subject, LOG)
        key = tuple(column for name in subject.key if (column := table.column(name)) is not None)
        log = log_table(subject, key, guards, history_partitioning(dimension, context))
        attributes = _attributes(table, dimension, subject)
        views = {
            ATTRIBUTES: attributes_view(subject, key, attributes, is_open=dimension.spec.open),
            ATTRIBUTE_HISTORY: attribute_history_view(subject, key, attributes, is_open=dimension.spec.open),
        }
        query = PastFunction(ATTRIBUTES_AS_OF, lambda schema, name, _: attributes_as_of(subject, schema, name))
        as_of = attributes_as_of(subject, subject.schema, subject.table)
        objects = [log, guard, text_function(subject), *views.values(), as_of]
        return objects, [Past(views, (query,))], reserved_columns(dimension, table, RESERVED)


def _attributes(table: Table, dimension: Dimension, subject: Subject) -> list[Column]:
    """Return the columns of the declared attributes that are logged: neither key nor computed from others."""
    declared = {column.name for column in dimension.spec.columns}
    return [
        column
        for column in table.columns
        if column.name in declared and column.name not in subject.key and column.generated is None
    ]
