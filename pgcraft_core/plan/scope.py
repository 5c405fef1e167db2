"""Which schemas and roles a plan has to look at: what is declared, what it refers to, and what is recorded."""

from __future__ import annotations

from collections.abc import Iterable

from pgcraft_core.catalog.registry import Registry
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.role import Role, SchemaGrant
from pgcraft_core.schema.unit import Unit
from pgcraft_core.schema.view import View


def schemas_of(units: Iterable[Unit], registry: Registry) -> set[str]:
    """Return the schemas whose relations and functions matter."""
    schemas = {entry.id.schema for entry in registry.entries.values()}
    schemas |= {entry.id.name for entry in registry.entries.values() if entry.id.kind == "schema"}
    for unit in units:
        schemas |= unit.schemas
        schemas |= {reference.schema for reference in unit.references}
        schemas |= {item.id.schema for item in unit.objects}
    return schemas - {""}


def roles_of(units: Iterable[Unit], registry: Registry) -> set[str]:
    """Return the roles that matter."""
    roles: set[str] = set()
    for entry in registry.entries.values():
        roles |= _roles_of_object(entry.object)
    for unit in units:
        roles |= unit.roles
        for item in unit.objects:
            roles |= _roles_of_object(item)
    return roles


def _roles_of_object(item: AnyObject) -> set[str]:
    match item:
        case Role():
            return {item.name, *item.member_of}
        case SchemaGrant():
            return {item.role}
        case View():
            return {grant.role for grant in item.grants}
        case Function():
            return set(item.executors)
        case _:
            return set()
