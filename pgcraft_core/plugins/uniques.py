"""Unique constraints, of one column and of several."""

from __future__ import annotations

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.vocabulary import DIMENSION, UNIQUES
from pgcraft_core.schema.table import Unique
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.sql.identifiers import named, unique_name


class UniquesPlugin(Plugin):
    """Turns `unique: true` of columns and `spec.uniques` into constraints."""

    name = "uniques"

    @requires(DIMENSION)
    @produces(UNIQUES)
    def uniques(self, dimension: Dimension) -> list[Unique]:
        """Return the constraints, those of single columns first."""
        table = dimension.table_name
        single = [
            Unique(name=unique_name(table, column.name), columns=(column.name,))
            for column in dimension.spec.columns
            if column.unique
        ]
        several = [
            Unique(
                name=named(table, unique.name),
                columns=unique.columns,
                nulls_not_distinct=unique.nulls_not_distinct,
                comment=unique.comment,
            )
            for unique in dimension.spec.uniques
        ]
        return single + several
