"""Check constraints, of a column and of the row."""

from __future__ import annotations

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.vocabulary import CHECKS, DIMENSION, ORIGINS, Origin
from pgcraft_core.schema.table import Check
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.sql.identifiers import check_name, named


class ChecksPlugin(Plugin):
    """Turns `check` of columns and `spec.checks` into constraints."""

    name = "checks"

    @requires(DIMENSION)
    @produces(CHECKS, ORIGINS)
    def checks(self, dimension: Dimension) -> tuple[list[Check], list[Origin]]:
        """Return the constraints, those of columns first, and where their expressions stand."""
        table = dimension.table_name
        checks: list[Check] = []
        origins: list[Origin] = []
        for column in dimension.spec.columns:
            if column.check is not None:
                name = check_name(table, column.name)
                checks.append(Check(name=name, expression=column.check))
                origins.append(Origin(f"check:{name}", f"spec.columns[{column.name}].check"))
        for check in dimension.spec.checks:
            name = named(table, check.name)
            checks.append(Check(name=name, expression=check.expression, comment=check.comment))
            origins.append(Origin(f"check:{name}", f"spec.checks[{check.name}].expression"))
        return checks, origins
