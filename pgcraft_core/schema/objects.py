"""The closed set of objects, and their way back from the registry's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgcraft_core.schema.base import ObjectKind
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.role import Role, Schema, SchemaGrant
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.view import View

AnyObject = Schema | Role | Table | View | Function | SchemaGrant

OBJECT_TYPES: Mapping[ObjectKind, type[AnyObject]] = {
    model.kind: model for model in (Schema, Role, Table, View, Function, SchemaGrant)
}


def parse_definition(kind: ObjectKind, definition: Mapping[str, Any]) -> AnyObject:
    """Return the object whose `definition()` was stored.

    Raises:
        pydantic.ValidationError: the stored form is not one this release can read.
    """
    return OBJECT_TYPES[kind].model_validate(definition)
