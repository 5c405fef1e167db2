"""Declared columns: type, nullability, default, generation, comment."""

from __future__ import annotations

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.primary_key import key_columns
from pgcraft_core.plugins.vocabulary import COLUMNS, DIAGNOSTICS, DIMENSION, ORIGINS, Origin
from pgcraft_core.schema.table import Column
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.sql.types import TypeNameError, canonical_type


class ColumnsPlugin(Plugin):
    """Turns `spec.columns` into columns of the table."""

    name = "columns"

    @requires(DIMENSION)
    @produces(COLUMNS, ORIGINS, DIAGNOSTICS)
    def columns(self, dimension: Dimension) -> tuple[list[Column], list[Origin], list[Diagnostic]]:
        """Return the columns in declared order; those of a natural key never accept NULL."""
        columns: list[Column] = []
        origins: list[Origin] = []
        diagnostics: list[Diagnostic] = []
        key = key_columns(dimension)
        for declared in dimension.spec.columns:
            path = f"spec.columns[{declared.name}]"
            try:
                type_ = canonical_type(declared.type)
            except TypeNameError as error:
                diagnostics.append(Diagnostic(f"{path}.type", str(error)))
                continue
            columns.append(
                Column(
                    name=declared.name,
                    type=type_,
                    nullable=declared.nullable and declared.name not in key,
                    default=declared.default,
                    generated=declared.generated,
                    comment=declared.comment,
                    renamed_from=declared.renamed_from,
                )
            )
            origins.append(Origin(f"type:{declared.name}", f"{path}.type"))
            if declared.default is not None:
                origins.append(Origin(f"default:{declared.name}", f"{path}.default"))
            if declared.generated is not None:
                origins.append(Origin(f"generated:{declared.name}", f"{path}.generated"))
        return columns, origins, diagnostics
