"""Read back what a migration made, before it commits: there, ours, at work, and granted as declared."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Literal

from pgcraft_core.catalog.model import AccessGrant, Catalog
from pgcraft_core.migrate.errors import VerificationError
from pgcraft_core.plan.ddl import PUBLIC
from pgcraft_core.plan.model import RegistryChange
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.view import View
from pgcraft_core.sql.identifiers import qualify, quote_identifier

_ENABLED = frozenset("OA")
"""`pg_trigger.tgenabled`: it fires as usual, or always; the others are disabled, and on a replica only."""


def verify_changes(
    changes: Iterable[RegistryChange], made: AbstractSet[ObjectId], catalog: Catalog, owner_role: str
) -> None:
    """Check that relations and functions are as the registry is about to say; `made` are those that are new.

    What strangers were granted on a view or function that was there before is theirs: drift, and reported as such. A
    trigger that does not fire is an error whoever disabled it, for the history would miss what happens meanwhile.

    Raises:
        VerificationError: one is missing, belongs to somebody else, does not fire, or is granted to more or fewer than
            declared.
    """
    for change in changes:
        is_new = change.id in made
        match change.object:
            case Table() as table:
                _check_owner(table.qualified_name, catalog, owner_role)
                if change.state == "managed":
                    _check_triggers(table, catalog)
            case View() as view if change.state == "managed":
                _check_owner(view.qualified_name, catalog, owner_role)
                declared = {(grant.role, privilege) for grant in view.grants for privilege in grant.privileges}
                actual = catalog.views[view.qualified_name].grants
                _check_grants(view.id, declared, actual, owner_role, is_new=is_new)
            case Function() as function if change.state == "managed":
                _check_function(function, catalog, owner_role, is_new=is_new)
            case _:
                pass


def _check_owner(name: QualifiedName, catalog: Catalog, owner_role: str) -> None:
    found = catalog.tables.get(name) or catalog.views.get(name)
    if found is None:
        raise VerificationError(f"{name} is not there after the migration that made it; nothing was changed")
    if found.owner != owner_role:
        raise VerificationError(f"{name} belongs to {found.owner}, not to {owner_role}; nothing was changed")


def _check_triggers(table: Table, catalog: Catalog) -> None:
    name = table.qualified_name
    found = {trigger.name: trigger for trigger in catalog.tables[name].triggers}
    for trigger in table.triggers:
        if trigger.name not in found:
            raise VerificationError(
                f"trigger {trigger.name} of {name} is not there after the migration that made it; nothing was changed"
            )
        if found[trigger.name].enabled not in _ENABLED:
            raise VerificationError(
                f"trigger {trigger.name} of {name} was disabled by somebody; nothing was changed. Run: ALTER TABLE "
                f"{qualify(name.schema, name.name)} ENABLE TRIGGER {quote_identifier(trigger.name)};"
            )


def _check_function(function: Function, catalog: Catalog, owner_role: str, *, is_new: bool) -> None:
    name = function.qualified_name
    found = catalog.functions.get(name, ())
    ours = [one for one in found if one.owner == owner_role]
    if not found:
        raise VerificationError(f"function {name} is not there after the migration that made it; nothing was changed")
    if not ours:
        raise VerificationError(
            f"function {name} belongs to {found[0].owner}, not to {owner_role}; nothing was changed"
        )
    if len(ours) > 1:
        signatures = " and ".join(f"({one.arguments})" for one in ours)
        raise VerificationError(
            f"function {name} would be there more than once, with the arguments {signatures}; nothing was changed. "
            f"Drop the one that is not pgcraft's: DROP FUNCTION {qualify(name.schema, name.name)}(…);"
        )
    callers = {*function.executors, *((PUBLIC,) if function.public else ())}
    declared = {(role, "EXECUTE") for role in callers}
    _check_grants(function.id, declared, ours[0].grants, owner_role, is_new=is_new)


def _check_grants(
    identity: ObjectId,
    declared: AbstractSet[tuple[str, str]],
    actual: Iterable[AccessGrant],
    owner_role: str,
    *,
    is_new: bool,
) -> None:
    found = {(grant.grantee, grant.privilege) for grant in actual}
    name = QualifiedName(identity.schema, identity.name)
    missing = sorted(declared - found)
    if missing:
        raise VerificationError(f"{missing[0][0]} did not receive {missing[0][1]} on {name}")
    extra = sorted(found - declared)
    if extra and is_new:
        role, privilege = extra[0]
        objects: Literal["FUNCTIONS", "TABLES"] = "FUNCTIONS" if identity.kind == "function" else "TABLES"
        grantee = role if role == PUBLIC else quote_identifier(role)
        raise VerificationError(
            f"{role} would have {privilege} on {name}, which nobody declared: default privileges do. "
            f"Run: ALTER DEFAULT PRIVILEGES FOR ROLE {quote_identifier(owner_role)} "
            f"IN SCHEMA {quote_identifier(identity.schema)} REVOKE {privilege} ON {objects} FROM {grantee}; "
            "-- and the same without IN SCHEMA, where it is granted in all schemas"
        )
