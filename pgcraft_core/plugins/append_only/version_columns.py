"""The columns of the current table that say since when its version stands and who made it."""

from __future__ import annotations

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.history.stamp import VERSION
from pgcraft_core.plugins.vocabulary import COLUMNS, DIMENSION
from pgcraft_core.schema.table import Column
from pgcraft_core.spec.dimension import Dimension

SINCE = "Since when this version stands. Set by the database."
MADE_BY = (
    "Who made this version: the subject of the request's token, else its role, else the user. Set by the database."
)
MADE_VIA = "The database user through which this version was made. Set by the database."


class VersionColumnsPlugin(Plugin):
    """Adds `valid_from`, `changed_by` and `changed_via`."""

    name = "versionColumns"

    @requires(DIMENSION)
    @produces(COLUMNS)
    def columns(self, _: Dimension) -> tuple[Column, ...]:
        """Return the columns, whose defaults stamp what is inserted."""
        return VERSION.columns(SINCE, MADE_BY, MADE_VIA)
