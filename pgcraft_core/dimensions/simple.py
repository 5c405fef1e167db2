"""Simple: the dimension is one table, updated in place."""

from __future__ import annotations

from pgcraft_core.engine.registry import DimensionType
from pgcraft_core.plugins.checks import ChecksPlugin
from pgcraft_core.plugins.columns import ColumnsPlugin
from pgcraft_core.plugins.foreign_keys import ForeignKeysPlugin
from pgcraft_core.plugins.indexes import IndexesPlugin
from pgcraft_core.plugins.primary_key import PrimaryKeyPlugin
from pgcraft_core.plugins.table import TablePlugin
from pgcraft_core.plugins.uniques import UniquesPlugin

SIMPLE = DimensionType(
    name="Simple",
    plugins=(
        PrimaryKeyPlugin,
        ColumnsPlugin,
        UniquesPlugin,
        ChecksPlugin,
        ForeignKeysPlugin,
        IndexesPlugin,
        TablePlugin,
    ),
)
