"""The built-in dimension types, each a tuple of plugins."""

from pgcraft_core.dimensions.simple import SIMPLE
from pgcraft_core.engine.registry import DimensionType

DIMENSION_TYPES: tuple[DimensionType, ...] = (SIMPLE,)

__all__ = ["DIMENSION_TYPES"]
