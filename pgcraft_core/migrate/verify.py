"""Read back what a migration made, before it commits: it is there, it is ours, and it is granted as declared."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from pgcraft_core.catalog.model import AccessGrant, Catalog
from pgcraft_core.migrate.errors import VerificationError
from pgcraft_core.plan.model import RegistryChange
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.view import View
from pgcraft_core.sql.identifiers import quote_identifier


def verify_changes(
    changes: Iterable[RegistryChange], made: AbstractSet[ObjectId], catalog: Catalog, owner_role: str
) -> None:
    """Check that relations are as the registry is about to say; `made` are those that are new.

    What strangers were granted on a view that was there before is theirs: drift, and reported as such.

    Raises:
        VerificationError: one is missing, belongs to somebody else, or is granted to more or fewer than declared.
    """
    for change in changes:
        match change.object:
            case Table() as table:
                _check_owner(table.qualified_name, catalog, owner_role)
            case View() as view if change.state == "managed":
                _check_owner(view.qualified_name, catalog, owner_role)
                _check_grants(view, catalog.views[view.qualified_name].grants, owner_role, is_new=view.id in made)
            case _:
                pass


def _check_owner(name: QualifiedName, catalog: Catalog, owner_role: str) -> None:
    found = catalog.tables.get(name) or catalog.views.get(name)
    if found is None:
        raise VerificationError(f"{name} is not there after the migration that made it; nothing was changed")
    if found.owner != owner_role:
        raise VerificationError(f"{name} belongs to {found.owner}, not to {owner_role}; nothing was changed")


def _check_grants(view: View, actual: Iterable[AccessGrant], owner_role: str, *, is_new: bool) -> None:
    declared = {(grant.role, privilege) for grant in view.grants for privilege in grant.privileges}
    found = {(grant.grantee, grant.privilege) for grant in actual}
    missing = sorted(declared - found)
    if missing:
        raise VerificationError(f"{missing[0][0]} did not receive {missing[0][1]} on {view.qualified_name}")
    extra = sorted(found - declared)
    if extra and is_new:
        role, privilege = extra[0]
        grantee = role if role == "PUBLIC" else quote_identifier(role)
        raise VerificationError(
            f"{role} would have {privilege} on {view.qualified_name}, which nobody declared: default privileges do. "
            f"Run: ALTER DEFAULT PRIVILEGES FOR ROLE {quote_identifier(owner_role)} "
            f"IN SCHEMA {quote_identifier(view.schema_name)} REVOKE ALL ON TABLES FROM {grantee};"
        )
