"""EAV: the current values of declared attributes in one table, and a log of every value that no longer stands."""

from __future__ import annotations

from pgcraft_core.dimensions.simple import SIMPLE
from pgcraft_core.engine.registry import DimensionType
from pgcraft_core.plugins.eav.bookkeeping import BookkeepingPlugin
from pgcraft_core.plugins.eav.log import AttributeLogPlugin
from pgcraft_core.plugins.eav.triggers import AttributeTriggersPlugin

EAV = DimensionType(
    name="EAV",
    plugins=(*SIMPLE.plugins, BookkeepingPlugin, AttributeTriggersPlugin, AttributeLogPlugin),
)
