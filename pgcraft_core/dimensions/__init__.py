"""The built-in dimension types, each a tuple of plugins."""

from pgcraft_core.dimensions.append_only import APPEND_ONLY
from pgcraft_core.dimensions.eav import EAV
from pgcraft_core.dimensions.simple import SIMPLE
from pgcraft_core.engine.registry import DimensionType

DIMENSION_TYPES: tuple[DimensionType, ...] = (
    SIMPLE,
    APPEND_ONLY,
    EAV,
)

__all__ = ["DIMENSION_TYPES"]
