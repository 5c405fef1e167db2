"""What a namespace may use of a database: its schemas, roles and referenced tables, as the Database allows."""

from __future__ import annotations

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plugins.vocabulary import CompileContext
from pgcraft_core.spec.database import AllowedNamespace, Database
from pgcraft_core.spec.dimension import Dimension, Target
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_core.sql.identifiers import named


def check_dimension(dimension: Dimension, context: CompileContext) -> list[Diagnostic]:
    """Return what the dimension uses without having been given it; nothing in the Database's own namespace."""
    namespace = dimension.metadata.namespace
    if namespace == context.database.metadata.namespace:
        return []
    allowed = context.database.allows(namespace)
    if allowed is None:
        return [_no_access(namespace, context.database)]
    spec = dimension.spec
    schemas = [("spec.schema", spec.schema_)]
    if spec.api is not None and spec.api.expose:
        schemas.append(("spec.api.schema", spec.api.schema_))
    for column in spec.columns:
        if column.references is not None:
            schemas += _referenced(f"spec.columns[{column.name}].references", column.references, dimension, context)
    for key in spec.foreign_keys:
        schemas += _referenced(f"spec.foreignKeys[{key.name}].references", key.references, dimension, context)
    findings = [
        _denied(path, "schema", name, allowed, context) for path, name in schemas if name not in allowed.schemas
    ]
    if spec.api is not None:
        findings += [
            _denied(f"spec.api.grants[{grant.role}].role", "role", grant.role, allowed, context)
            for grant in spec.api.grants
            if grant.role not in allowed.roles
        ]
    return findings


def check_postgrest(postgrest: PostgREST, context: CompileContext) -> list[Diagnostic]:
    """Return what the API uses without having been given it, and in any namespace the use of the owner role."""
    namespace = postgrest.metadata.namespace
    findings = _owner_findings(postgrest, context)
    if namespace == context.database.metadata.namespace:
        return findings
    allowed = context.database.allows(namespace)
    if allowed is None:
        return [_no_access(namespace, context.database)]
    findings += [
        _denied("spec.schemas", "schema", name, allowed, context)
        for name in postgrest.spec.schemas
        if name not in allowed.schemas
    ]
    for role in postgrest.api_roles:
        findings += [
            _denied("spec.roles", "role", name, allowed, context)
            for name in (role.name, *role.inherits)
            if name not in allowed.roles
        ]
    login = _declared_login(postgrest)
    if login is not None and login not in allowed.roles:
        findings.append(_denied("spec.authenticator.name", "role", login, allowed, context))
    return findings


def allowed_schemas(namespace: str, database: Database) -> frozenset[str] | None:
    """Return the schemas whose types a namespace's expressions may use; None for all of them."""
    if namespace == database.metadata.namespace:
        return None
    allowed = database.allows(namespace)
    return frozenset(allowed.schemas) if allowed else frozenset()


def _owner_findings(postgrest: PostgREST, context: CompileContext) -> list[Diagnostic]:
    """Find the owner role among the API's: it carries our mark, so nothing else would keep it from becoming a login."""
    owner = context.database.spec.owner or named(context.database_name, "owner")
    used = [("spec.roles", name) for role in postgrest.api_roles for name in (role.name, *role.inherits)]
    used.append(("spec.authenticator.name", _declared_login(postgrest) or ""))
    message = (
        f"{owner} owns all that is made in {context.database.key}, and no request may run as it; name another role"
    )
    return [Diagnostic(path, message, reason="PolicyDenied") for path, name in used if name == owner]


def _declared_login(postgrest: PostgREST) -> str | None:
    return postgrest.spec.authenticator.name if postgrest.spec.authenticator else None


def _referenced(path: str, target: Target, dimension: Dimension, context: CompileContext) -> list[tuple[str, str]]:
    if target.table is not None:
        return [(f"{path}.table.schema", target.table.schema_)]
    namespace = target.namespace or dimension.metadata.namespace
    referenced = context.dimensions.get((namespace, target.dimension or ""))
    return [(f"{path}.dimension", referenced.spec.schema_)] if referenced else []


def _denied(path: str, what: str, name: str, allowed: AllowedNamespace, context: CompileContext) -> Diagnostic:
    given = allowed.schemas if what == "schema" else allowed.roles
    return Diagnostic(
        path,
        f"namespace {allowed.namespace} may not use {what} {name} of {context.database.key} "
        f"(it may use: {', '.join(given) or 'none'}); the platform can add it to spec.allowedNamespaces there",
        reason="PolicyDenied",
    )


def _no_access(namespace: str, database: Database) -> Diagnostic:
    return Diagnostic(
        "spec.databaseRef",
        f"namespace {namespace} may not use {database.key}; the platform can add it to spec.allowedNamespaces there",
        reason="PolicyDenied",
    )
