"""The roles of an API: those that requests run as, and the authenticator that becomes one of them."""

from __future__ import annotations

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plugins.vocabulary import CompileContext
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.role import Role, SchemaGrant
from pgcraft_core.schema.unit import Unit
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_core.sql.identifiers import named


def authenticator_name(postgrest: PostgREST, database_name: str) -> str:
    """Return the login PostgREST connects with: as declared, or named after the database it serves."""
    declared = postgrest.spec.authenticator.name if postgrest.spec.authenticator else None
    return declared or named(database_name, "authenticator")


def compile_postgrest(postgrest: PostgREST, context: CompileContext) -> Unit:
    """Return the roles to be, their memberships, and USAGE of the API schemas."""
    claimant = postgrest.key
    roles = postgrest.api_roles
    names = [role.name for role in roles]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        message = f"role {duplicates[0]} is named twice, or is the anonymous role as well; name each role once"
        return Unit(claimant, diagnostics=(Diagnostic("spec.roles", message),))

    objects: list[AnyObject] = [
        Role(name=role.name, member_of=tuple(sorted(role.inherits))) for role in roles if role.create
    ]
    login = authenticator_name(postgrest, context.database_name)
    objects.append(
        Role(
            name=login,
            login=True,
            inherit=False,
            member_of=tuple(sorted(names)),
            verifier_fingerprint=context.verifier_fingerprints.get(claimant),
        )
    )
    objects += [SchemaGrant(schema_name=schema, role=name) for schema in postgrest.spec.schemas for name in names]
    created = {item.name for item in objects if isinstance(item, Role)}
    wanted = {*names, *(inherited for role in roles for inherited in role.inherits)}
    return Unit(
        claimant,
        objects=tuple(objects),
        schemas=frozenset(postgrest.spec.schemas),
        roles=frozenset(wanted - created),
        created=postgrest.metadata.creation_timestamp or "",
        uid=postgrest.metadata.uid,
    )
