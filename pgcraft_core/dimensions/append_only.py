"""AppendOnly: the dimension is a current table and the history of what it was (slowly changing, type 2)."""

from __future__ import annotations

from pgcraft_core.dimensions.simple import SIMPLE
from pgcraft_core.engine.registry import DimensionType
from pgcraft_core.plugins.append_only.history_table import HistoryTablePlugin
from pgcraft_core.plugins.append_only.past import VersionQueriesPlugin
from pgcraft_core.plugins.append_only.version_columns import VersionColumnsPlugin
from pgcraft_core.plugins.append_only.versioning import VersioningPlugin

APPEND_ONLY = DimensionType(
    name="AppendOnly",
    plugins=(*SIMPLE.plugins, VersionColumnsPlugin, VersioningPlugin, HistoryTablePlugin, VersionQueriesPlugin),
)
