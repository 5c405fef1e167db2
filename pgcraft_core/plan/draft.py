"""Per resource: the operations that bring its objects to where they should be, and what the registry says then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, assert_never

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.registry import Registry, RegistryEntry
from pgcraft_core.plan.diff_role import diff_role
from pgcraft_core.plan.diff_table import diff_removed_columns, diff_table, retain_columns
from pgcraft_core.plan.diff_view import diff_view
from pgcraft_core.plan.model import RegistryChange
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.column import (
    AlterColumnType,
    DropGeneratedColumn,
    RenameColumn,
    ReplaceByGeneratedColumn,
)
from pgcraft_core.plan.operations.registration import Forget, Release, TakeBack
from pgcraft_core.plan.operations.role import DropRole
from pgcraft_core.plan.operations.schema import CreateSchema, GrantSchemaUsage, OpenSchema, RevokeSchemaUsage
from pgcraft_core.plan.operations.view import CreateView, DropView
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.role import Role, Schema, SchemaGrant
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View

_Object = TypeVar("_Object", Table, View, Role, SchemaGrant)


@dataclass(frozen=True, slots=True)
class Draft:
    """What one resource needs done, in no order yet; `needs` are objects that must be there before.

    A removal is a draft of its own, which always waits for approval.
    """

    claimant: Claimant
    operations: tuple[Operation, ...]
    changes: tuple[RegistryChange, ...]
    needs: frozenset[ObjectId] = frozenset()
    removal: bool = False


@dataclass(frozen=True)
class DraftContext:
    """What drafting looks at beside the unit itself."""

    catalog: Catalog
    registry: Registry
    owner_id: str
    owner_role: str
    database: Claimant
    namespaces: frozenset[str] | None = None

    @cached_property
    def own_entries(self) -> Mapping[Claimant, Sequence[RegistryEntry]]:
        """What the registry holds for each resource of this Database."""
        held: dict[Claimant, list[RegistryEntry]] = {}
        for entry in self.registry.entries.values():
            if entry.owner_id == self.owner_id:
                held.setdefault(entry.claimant, []).append(entry)
        return held


def draft_schemas(units: Iterable[Unit], context: DraftContext) -> list[Draft]:
    """Return drafts that make the schemas that are missing, and open those of others to the owner role.

    Schemas belong to the Database, since resources share them; each is a draft of its own, so that one that cannot be
    made or opened holds back only what is to be in it.
    """
    drafts: list[Draft] = []
    for name in sorted({name for unit in units for name in unit.schemas}):
        schema = Schema(name=name)
        actual = context.catalog.schemas.get(name)
        if actual is None:
            operation: Operation = CreateSchema(schema.id, name)
        elif not actual.may_create(context.owner_role):
            operation = OpenSchema(schema.id, name, context.owner_role)
        else:
            continue
        drafts.append(Draft(context.database, (operation,), (_recorded(schema, context.database, context),)))
    return drafts


def draft_unit(unit: Unit, context: DraftContext) -> list[Draft]:
    """Return what a resource needs done: its safe part, and the removals that wait for approval."""
    tables = [item for item in unit.objects if isinstance(item, Table)]
    operations: list[Operation] = []
    changes: list[RegistryChange] = []
    removals: list[Draft] = []
    pinned: dict[QualifiedName, set[str]] = {}
    for table in tables:
        recorded = _applied(table, context, Table)
        applied, forgotten = _without_vanished(recorded, context)
        goal = retain_columns(applied, table)
        found = [*forgotten, *diff_table(applied, goal)]
        pinned[table.qualified_name] = _altered_columns(found)
        _collect(goal, found, unit.claimant, context, operations, changes)
        dropped = diff_removed_columns(goal, table)
        if dropped:
            # The safe part comes first, and where there is none, the registry stays as it is.
            before = goal if changes and changes[-1].id == table.id else recorded or goal
            change = RegistryChange(table.id, unit.claimant, _without_retained(goal), before=before.fingerprint())
            removals.append(Draft(unit.claimant, tuple(dropped), (change,), removal=True))
    for item in unit.objects:
        if isinstance(item, Table):
            continue
        _collect(item, _diff(item, pinned, context), unit.claimant, context, operations, changes)

    declared = {item.id for item in unit.objects}
    for entry in context.own_entries.get(unit.claimant, ()):
        if entry.id not in declared and entry.state == "managed":
            _withdraw(entry, context, operations, changes)
    own = [Draft(unit.claimant, tuple(operations), tuple(changes), unit.needs)] if operations else []
    return own + removals


def draft_release(claimant: Claimant, context: DraftContext, taken: AbstractSet[ObjectId]) -> list[Draft]:
    """Return what withdraws a resource that is gone: views and grants go, data stays.

    `taken` are the objects that other resources take over in the same plan.
    """
    operations: list[Operation] = []
    changes: list[RegistryChange] = []
    for entry in context.own_entries.get(claimant, ()):
        if entry.state == "managed" and entry.id not in taken:
            _withdraw(entry, context, operations, changes)
    return [Draft(claimant, tuple(operations), tuple(changes))] if operations else []


def released_claimants(units: Iterable[Unit], context: DraftContext) -> tuple[Claimant, ...]:
    """Return the resources that the registry still holds managed objects for, though they are gone.

    Absence counts only in namespaces that were looked at.
    """
    alive = {unit.claimant for unit in units} | {context.database}
    scope = context.namespaces
    return tuple(
        sorted(
            claimant
            for claimant, entries in context.own_entries.items()
            if claimant not in alive
            and (scope is None or claimant.namespace in scope)
            and any(entry.state == "managed" for entry in entries)
        )
    )


def _diff(item: AnyObject, pinned: Mapping[QualifiedName, AbstractSet[str]], context: DraftContext) -> list[Operation]:
    match item:
        case View():
            applied = _applied(item, context, View)
            operations = diff_view(applied, item, pinned.get(item.base, frozenset()))
            gone = applied is not None and item.qualified_name not in context.catalog.views
            # Somebody dropped it: what would change it makes it anew; by itself it is drift, which is only reported.
            return [CreateView(item.id, item)] if gone and operations else operations
        case Role():
            # A role that exists though the registry does not know it carries our mark, or settling had refused it.
            applied = _applied(item, context, Role) or _marked_role(item, context)
            version = context.catalog.server_version
            return diff_role(applied, item, owner_id=context.owner_id, server_version=version)
        case SchemaGrant():
            granted = _applied(item, context, SchemaGrant) is not None
            return [] if granted else [GrantSchemaUsage(item.id, item.schema_name, item.role)]
        case Schema() | Table():
            raise AssertionError(f"{item.id} is drafted elsewhere")
        case _ as unreachable:
            assert_never(unreachable)


def _collect(
    goal: AnyObject,
    found: Sequence[Operation],
    claimant: Claimant,
    context: DraftContext,
    operations: list[Operation],
    changes: list[RegistryChange],
) -> None:
    """Take the operations of one object, and what the registry says after them."""
    entry = context.registry.entries.get(goal.id)
    taken_back = entry is not None and (entry.state == "released" or entry.claimant != claimant)
    if not found and not taken_back:
        return
    operations.extend(found)
    if taken_back:
        operations.append(TakeBack(goal.id))
    changes.append(_recorded(goal, claimant, context))


def _withdraw(
    entry: RegistryEntry, context: DraftContext, operations: list[Operation], changes: list[RegistryChange]
) -> None:
    """Take away what serves a resource; keep what holds data, and roles, which others may use."""
    item = entry.object
    gone = RegistryChange(entry.id, entry.claimant, None, before=entry.fingerprint)
    kept = RegistryChange(entry.id, entry.claimant, item, before=entry.fingerprint, state="released")
    match item:
        case View():
            is_there = item.qualified_name in context.catalog.views
            operations.append(DropView(entry.id, item) if is_there else Forget(entry.id, str(entry.id)))
            changes.append(gone)
        case SchemaGrant():
            operations.append(RevokeSchemaUsage(entry.id, item.schema_name, item.role))
            changes.append(gone)
        case Role() if item.login:
            # Our own login, the authenticator, holds nothing but memberships, which go with it.
            operations.append(DropRole(entry.id, item))
            changes.append(gone)
        case Role() | Table() | Schema():
            operations.append(Release(entry.id))
            changes.append(kept)
        case _ as unreachable:
            assert_never(unreachable)


def _applied(item: AnyObject, context: DraftContext, type_: type[_Object]) -> _Object | None:
    entry = context.registry.entries.get(item.id)
    return entry.object if entry is not None and isinstance(entry.object, type_) else None


def _marked_role(item: Role, context: DraftContext) -> Role | None:
    role = context.catalog.roles.get(item.name)
    if role is None:
        return None
    return Role(name=role.name, login=role.login, inherit=role.inherit, member_of=role.member_of)


def _recorded(goal: AnyObject, claimant: Claimant, context: DraftContext) -> RegistryChange:
    entry = context.registry.entries.get(goal.id)
    return RegistryChange(goal.id, claimant, goal, before=entry.fingerprint if entry else None)


def _without_vanished(applied: Table | None, context: DraftContext) -> tuple[Table | None, list[Operation]]:
    """Return the table without the retained columns that somebody has dropped meanwhile, and what notes that."""
    if applied is None or applied.qualified_name not in context.catalog.tables:
        return applied, []
    vanished = [
        column
        for column in applied.columns
        if column.retained and not context.catalog.holds_column(applied.qualified_name, column.name)
    ]
    left = tuple(column for column in applied.columns if column not in vanished)
    name = applied.qualified_name
    forgotten = [Forget(applied.id, f"column {column.name} of {name}") for column in vanished]
    return applied.model_copy(update={"columns": left}), [*forgotten]


def _without_retained(table: Table) -> Table:
    return table.model_copy(update={"columns": tuple(column for column in table.columns if not column.retained)})


def _altered_columns(operations: Iterable[Operation]) -> set[str]:
    """Return the columns that cannot be altered while a view selects them."""
    altered: set[str] = set()
    for operation in operations:
        match operation:
            case AlterColumnType() | ReplaceByGeneratedColumn():
                altered.add(operation.after.name)
            case DropGeneratedColumn():
                altered.add(operation.column.name)
            case RenameColumn():
                altered.add(operation.before)
            case _:
                pass
    return altered
