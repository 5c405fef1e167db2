"""What an object looks like to Postgres, in a form that is equal exactly when nothing about the object changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any, TypeAlias, assert_never

from pgcraft_core.catalog.model import (
    AccessGrant,
    Catalog,
    CatalogColumn,
    CatalogFunction,
    CatalogRole,
    CatalogTable,
    CatalogTrigger,
    CatalogView,
)
from pgcraft_core.schema.base import ObjectId, QualifiedName

Rendering: TypeAlias = dict[str, Any]
"""JSON values only, and nothing that changes by itself: no OIDs, sizes or row counts."""


def render(catalog: Catalog, identity: ObjectId) -> Rendering | None:
    """Return the rendering of an object, or None where the database does not hold it.

    Everything that hangs on a table or view, and every function of a name, is listed whoever made it, so that what a
    stranger added can be named too.
    """
    match identity.kind:
        case "table":
            table = catalog.tables.get(QualifiedName(identity.schema, identity.name))
            return None if table is None else _render_table(table)
        case "view":
            view = catalog.views.get(QualifiedName(identity.schema, identity.name))
            return None if view is None else _render_view(view)
        case "function":
            functions = catalog.functions.get(QualifiedName(identity.schema, identity.name))
            return None if functions is None else _render_functions(functions)
        case "schema":
            schema = catalog.schemas.get(identity.name)
            return None if schema is None else {"owner": schema.owner}
        case "role":
            role = catalog.roles.get(identity.name)
            return None if role is None else _render_role(role)
        case "schema_grant":
            schema = catalog.schemas.get(identity.schema)
            grants = () if schema is None else schema.grants
            usage = any(grant.grantee == identity.name and grant.privilege == "USAGE" for grant in grants)
            return {"usage": True} if usage else None
        case never:
            assert_never(never)


def _render_table(table: CatalogTable) -> Rendering:
    return {
        "kind": table.kind,
        "owner": table.owner,
        "comment": table.comment,
        "row_security": table.row_security,
        "options": list(table.options),
        "columns": {column.name: _render_column(column) for column in table.columns},
        "constraints": {
            constraint.name: {
                "definition": constraint.definition,
                "validated": constraint.validated,
                "comment": constraint.comment,
            }
            for constraint in table.constraints
        },
        "indexes": {
            index.name: {"definition": index.definition, "valid": index.valid, "comment": index.comment}
            for index in table.indexes
        },
        "triggers": _render_triggers(table.triggers),
        "partitions": {
            partition.name: {"bounds": partition.bounds, "triggers": _render_triggers(partition.triggers)}
            for partition in table.partitions
        },
        "grants": _render_grants(table.grants),
    }


def _render_view(view: CatalogView) -> Rendering:
    return {
        "owner": view.owner,
        "comment": view.comment,
        "options": list(view.options),
        "definition": view.definition,
        "columns": {
            column.name: {"type": column.type, "default": column.default, "comment": column.comment}
            for column in view.columns
        },
        "triggers": _render_triggers(view.triggers),
        "grants": _render_grants(view.grants),
    }


def _render_functions(functions: Iterable[CatalogFunction]) -> Rendering:
    return {
        "signatures": {
            f"({function.arguments})": {
                "owner": function.owner,
                "definition": function.definition,
                "comment": function.comment,
                "grants": _render_grants(function.grants),
            }
            for function in functions
        }
    }


def _render_role(role: CatalogRole) -> Rendering:
    return {
        "login": role.login,
        "inherit": role.inherit,
        "superuser": role.superuser,
        "create_role": role.create_role,
        "comment": role.comment,
        "member_of": sorted(role.member_of),
    }


def _render_column(column: CatalogColumn) -> Rendering:
    return {
        "type": column.type,
        "nullable": column.nullable,
        "default": column.default,
        "identity": column.identity,
        "generated": column.generated,
        "virtual": column.virtual,
        "collation": column.collation,
        "comment": column.comment,
    }


def _render_triggers(triggers: Iterable[CatalogTrigger]) -> Rendering:
    return {
        trigger.name: {"definition": trigger.definition, "enabled": trigger.enabled, "comment": trigger.comment}
        for trigger in triggers
    }


def _render_grants(grants: Iterable[AccessGrant]) -> dict[str, list[str]]:
    """Return privileges by grantee: `SELECT`, of a column `SELECT (name)`, each with its grant option if it has one."""
    privileges: defaultdict[str, set[str]] = defaultdict(set)
    for grant in grants:
        column = f" ({grant.column})" if grant.column else ""
        option = " WITH GRANT OPTION" if grant.grantable else ""
        privileges[grant.grantee].add(f"{grant.privilege}{column}{option}")
    return {grantee: sorted(names) for grantee, names in sorted(privileges.items())}


_PARTS: Mapping[str, str] = {
    "columns": "column",
    "constraints": "constraint",
    "indexes": "index",
    "triggers": "trigger",
    "partitions": "partition",
    "signatures": "signature",
}
"""Fields of a rendering that map names to parts, and what one of them is called."""


def differences(recorded: Mapping[str, Any] | None, current: Mapping[str, Any] | None) -> list[str]:
    """Return in sentences what became of an object since its rendering was recorded; nothing where both are equal.

    A field that one side does not know, because another release wrote it, says nothing and is passed over.
    """
    if recorded is None or current is None:
        if recorded == current:
            return []
        return ["it is gone" if current is None else "it is there, and was not before"]
    return _field_differences("", recorded, current)


def _field_differences(subject: str, recorded: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Compare what both sides know of an object, or of the part of it that the sentences begin with."""
    sentences: list[str] = []
    for field, before in recorded.items():
        if field not in current or before == (after := current[field]):
            continue
        if field in _PARTS:
            sentences += [f"{subject}{sentence}" for sentence in _part_differences(_PARTS[field], before, after)]
        elif field == "grants":
            sentences += [f"{subject}{sentence}" for sentence in _grant_differences(before, after)]
        elif field == "definition" and "\n" in f"{before}{after}":
            sentences.append(_line_change(subject, before, after))
        else:
            sentences.append(_change(subject, field, before, after))
    return sentences


def _part_differences(noun: str, recorded: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    gone = [f"{noun} {name} is gone" for name in recorded if name not in current]
    changed = [
        sentence
        for name, part in recorded.items()
        if name in current
        for sentence in _field_differences(f"{noun} {name}: ", part, current[name])
    ]
    added = [f"{noun} {name} was added" for name in current if name not in recorded]
    return gone + changed + added


def _line_change(subject: str, before: str | None, after: str | None) -> str:
    """Say where a text of many lines begins to differ; all of it would be too much for a status."""
    lines = zip_longest((before or "").split("\n"), (after or "").split("\n"))
    number, (old, new) = next((at, pair) for at, pair in enumerate(lines, start=1) if pair[0] != pair[1])
    return _change(f"{subject}definition, line {number}: ", "", old, new)


def _grant_differences(recorded: Mapping[str, list[str]], current: Mapping[str, list[str]]) -> list[str]:
    sentences = []
    for grantee in sorted(recorded.keys() | current.keys()):
        before, after = set(recorded.get(grantee, ())), set(current.get(grantee, ()))
        sentences += [f"role {grantee} lacks {privilege}" for privilege in sorted(before - after)]
        sentences += [f"role {grantee} has {privilege}" for privilege in sorted(after - before)]
    return sentences


def _change(subject: str, field: str, before: object, after: object) -> str:
    what = f"{subject}{field.replace('_', ' ')} " if field else subject
    if before is None or before == []:
        return f"{what}{_shown(after)} was added"
    if after is None or after == []:
        return f"{what}{_shown(before)} is gone"
    return f"{what}{_shown(before)} became {_shown(after)}"


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value).strip()
