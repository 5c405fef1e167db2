"""Reads the annotations of models: what a field holds, and by which name its path and its entries go."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from pgcraft_core.spec.annotations import MapList


@dataclass(frozen=True)
class Shape:
    """A type without its `| None`, and the markers that stood around it."""

    type: Any
    markers: tuple[Any, ...]

    @property
    def model(self) -> type[BaseModel] | None:
        """The model, where the type is one."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, BaseModel) else None

    @cached_property
    def entry(self) -> Shape | None:
        """Shape of the entries, where the type is a list."""
        return shape_of(get_args(self.type)[0]) if get_origin(self.type) is tuple else None

    @cached_property
    def map_key(self) -> str | None:
        """Alias of the field that identifies an entry; None where positions do."""
        return next((marker.key for marker in self.markers if isinstance(marker, MapList)), None)


def shape_of(annotation: Any, markers: Iterable[Any] = ()) -> Shape:
    """Return the shape of `annotation`; `markers` are those pydantic took from around it."""
    if get_origin(annotation) is Annotated:
        inner, *found = get_args(annotation)
        return shape_of(inner, (*found, *markers))
    if get_origin(annotation) in {Union, types.UnionType}:
        present = [choice for choice in get_args(annotation) if choice is not type(None)]
        if len(present) == 1:
            return shape_of(present[0], markers)
    return Shape(annotation, tuple(markers))


@cache
def fields_of(model: type[BaseModel]) -> Mapping[str, tuple[str, Shape]]:
    """Return attribute name and shape of every field by the name users write."""
    return {
        field.alias or name: (name, shape_of(field.annotation, field.metadata))
        for name, field in model.model_fields.items()
    }
