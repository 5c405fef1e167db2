"""Indexes over columns and expressions."""

from __future__ import annotations

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.vocabulary import DIMENSION, INDEXES, ORIGINS, Origin
from pgcraft_core.schema.table import Index, IndexElement
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.dimension import Index as IndexSpec
from pgcraft_core.sql.identifiers import named


class IndexesPlugin(Plugin):
    """Turns `spec.indexes` into indexes of the table."""

    name = "indexes"

    @requires(DIMENSION)
    @produces(INDEXES, ORIGINS)
    def indexes(self, dimension: Dimension) -> tuple[list[Index], list[Origin]]:
        """Return the indexes and where their expressions stand."""
        indexes: list[Index] = []
        origins: list[Origin] = []
        for declared in dimension.spec.indexes:
            name = named(dimension.table_name, declared.name)
            indexes.append(
                Index(
                    name=name,
                    elements=_elements(declared),
                    include=declared.include,
                    method=declared.method,
                    unique=declared.unique,
                    nulls_not_distinct=declared.nulls_not_distinct,
                    where=declared.where,
                    comment=declared.comment,
                )
            )
            origins.append(Origin(f"index:{name}", f"spec.indexes[{declared.name}]"))
        return indexes, origins


def _elements(declared: IndexSpec) -> tuple[IndexElement, ...]:
    """Return columns, then expressions, each with its operator class by column name or by position."""
    classes = declared.operator_classes
    columns = [
        IndexElement(column=column, operator_class=classes.get(column) or classes.get(str(position)))
        for position, column in enumerate(declared.columns)
    ]
    expressions = [
        IndexElement(expression=expression, operator_class=classes.get(str(position)))
        for position, expression in enumerate(declared.expressions, start=len(columns))
    ]
    return tuple(columns + expressions)
