"""Per resource: the operations that bring its objects to where they should be, and what the registry says then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import assert_never

from pgcraft_core.catalog.registry import RegistryEntry
from pgcraft_core.plan.diff_function import diff_function
from pgcraft_core.plan.diff_role import diff_role
from pgcraft_core.plan.diff_table import altered_columns
from pgcraft_core.plan.diff_view import diff_view
from pgcraft_core.plan.draft_context import Draft, DraftContext, applied_object
from pgcraft_core.plan.draft_table import draft_removals, draft_table, follow_attributes
from pgcraft_core.plan.model import RegistryChange
from pgcraft_core.plan.operations.backwards import RestoreView
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.function import CreateFunction, DropFunction
from pgcraft_core.plan.operations.registration import Forget, Release, TakeBack
from pgcraft_core.plan.operations.role import DropRole
from pgcraft_core.plan.operations.schema import CreateSchema, GrantSchemaUsage, OpenSchema, RevokeSchemaUsage
from pgcraft_core.plan.operations.view import CreateView, DropView
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.function import TRIGGER, Function
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.role import Role, Schema, SchemaGrant
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View


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
    operations: list[Operation] = []
    changes: list[RegistryChange] = []
    tables = [draft_table(item, context) for item in unit.objects if isinstance(item, Table)]
    goals = {table.goal.qualified_name: table.goal for table in tables}
    pinned: dict[QualifiedName, set[str]] = {}
    for table in tables:
        found = [*table.operations, *follow_attributes(table.goal, tables)]
        pinned[table.goal.qualified_name] = altered_columns(table.operations)
        _collect(table.goal, found, unit.claimant, context, operations, changes)
    rebuilt: set[QualifiedName] = set()
    widened: set[QualifiedName] = set()
    for item in _bases_first(item for item in unit.objects if not isinstance(item, Table)):
        goal = item.completed(goals) if isinstance(item, Function) else item
        found = _diff(goal, pinned, rebuilt, widened, context)
        if isinstance(goal, View) and any(isinstance(operation, DropView) for operation in found):
            rebuilt.add(goal.qualified_name)
        widened.update(operation.view.qualified_name for operation in found if isinstance(operation, RestoreView))
        _collect(goal, found, unit.claimant, context, operations, changes)
    removals = draft_removals(unit, tables, changes, context.catalog)

    declared = {item.id for item in unit.objects}
    for entry in context.own_entries.get(unit.claimant, ()):
        if entry.id not in declared and entry.state == "managed":
            _withdraw(entry, context, operations, changes)
    _drop_dependants_first(operations)
    own = [Draft(unit.claimant, tuple(operations), tuple(changes), unit.needs)] if operations else []
    return own + removals


def _bases_first(items: Iterable[AnyObject]) -> list[AnyObject]:
    """Return what stands on relations after the relations, those of one rank as they were."""
    found = list(items)
    made = {item.qualified_name: item for item in found if isinstance(item, View)}

    def rank(item: AnyObject) -> int:
        base = item.base if isinstance(item, View) else item.rows_of if isinstance(item, Function) else None
        return 1 + rank(made[base]) if base in made and made[base] is not item else 0

    return sorted(found, key=rank)


def _drop_dependants_first(operations: list[Operation]) -> None:
    """Put the drops of views, among their places, into an order in which none stands on one that is gone.

    Restoring is done on the way back, so it stands where drops do.
    """
    places = [place for place, operation in enumerate(operations) if isinstance(operation, DropView | RestoreView)]
    by_view = {
        operation.view.id: operation for operation in operations if isinstance(operation, DropView | RestoreView)
    }
    in_order = _bases_first(operation.view for operation in by_view.values())
    for place, view in zip(places, reversed(in_order), strict=True):
        operations[place] = by_view[view.id]


def draft_release(claimant: Claimant, context: DraftContext, taken: AbstractSet[ObjectId]) -> list[Draft]:
    """Return what withdraws a resource that is gone: views and grants go, data stays.

    `taken` are the objects that other resources take over in the same plan.
    """
    operations: list[Operation] = []
    changes: list[RegistryChange] = []
    for entry in context.own_entries.get(claimant, ()):
        if entry.state != "managed" or entry.id in taken:
            continue
        if isinstance(entry.object, Function) and entry.object.returns == TRIGGER:
            # The table stays, and with it what keeps its history.
            operations.append(Release(entry.id))
            changes.append(RegistryChange(entry.id, entry.claimant, entry.object, entry.fingerprint, "released"))
        else:
            _withdraw(entry, context, operations, changes)
    _drop_dependants_first(operations)
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


def _diff(
    item: AnyObject,
    pinned: Mapping[QualifiedName, AbstractSet[str]],
    rebuilt: AbstractSet[QualifiedName],
    widened: AbstractSet[QualifiedName],
    context: DraftContext,
) -> list[Operation]:
    match item:
        case View():
            applied = applied_object(item, context, View)
            operations = diff_view(applied, item, pinned.get(item.base, frozenset()), displaced=item.base in rebuilt)
            gone = applied is not None and item.qualified_name not in context.catalog.views
            # Somebody dropped it: what would change it makes it anew; by itself it is drift, which is only reported.
            return [CreateView(item.id, item)] if gone and operations else operations
        case Function():
            applied = applied_object(item, context, Function)
            operations = diff_function(
                applied, item, displaced=item.rows_of in rebuilt, widened=item.rows_of in widened
            )
            gone = applied is not None and item.qualified_name not in context.catalog.functions
            return [CreateFunction(item.id, item)] if gone and operations else operations
        case Role():
            # A role that exists though the registry does not know it carries our mark, or settling had refused it.
            applied = applied_object(item, context, Role) or _marked_role(item, context)
            version = context.catalog.server_version
            return diff_role(applied, item, owner_id=context.owner_id, server_version=version)
        case SchemaGrant():
            granted = applied_object(item, context, SchemaGrant) is not None
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
        case Function():
            is_there = item.qualified_name in context.catalog.functions
            operations.append(DropFunction(entry.id, item) if is_there else Forget(entry.id, str(entry.id)))
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


def _marked_role(item: Role, context: DraftContext) -> Role | None:
    role = context.catalog.roles.get(item.name)
    if role is None:
        return None
    return Role(name=role.name, login=role.login, inherit=role.inherit, member_of=role.member_of)


def _recorded(goal: AnyObject, claimant: Claimant, context: DraftContext) -> RegistryChange:
    entry = context.registry.entries.get(goal.id)
    return RegistryChange(goal.id, claimant, goal, before=entry.fingerprint if entry else None)
