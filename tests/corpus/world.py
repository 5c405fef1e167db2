"""The smallest world a dimension lives in: a Database, roles, and a session as the login that owns the database."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from pgcraft_core.catalog.model import Catalog, CatalogRole, CatalogSchema, CatalogView
from pgcraft_core.catalog.registry import Registry, RegistryEntry
from pgcraft_core.compile import CompileInput, compile_resources
from pgcraft_core.migrate.execute import Applied
from pgcraft_core.migrate.session import Session
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.plan.assemble import assemble
from pgcraft_core.plan.draft import draft_schemas, draft_unit
from pgcraft_core.plan.draft_context import Draft, DraftContext
from pgcraft_core.plan.hazards import RowEvidence
from pgcraft_core.plan.model import Plan, PlannedMigration
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.postgrest import PostgREST
from playground.postgres import ScratchDatabase

READER, WRITER = "reader", "writer"
WAREHOUSE = Claimant("Database", "platform", "warehouse")
FINGERPRINTS = ("f" * 64, "e" * 64)
"""What tests take for the SHA-256 of the login's verifier, before and after a rotation."""
VERIFIER = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" + "a" * 43 + "=:" + "b" * 43 + "="
API: Mapping[str, Any] = {
    "schema": "api",
    "grants": [
        {"role": READER, "privileges": ["select"]},
        {"role": WRITER, "privileges": ["select", "insert", "update", "delete"]},
    ],
}


def sql(text: str) -> Any:
    """Return SQL that a test put together; the driver's types would have literals only."""
    return text


def load(document: Mapping[str, Any]) -> Any:
    """Return the resource of a document that is well formed."""
    loaded = load_resource(document)
    assert not isinstance(loaded, list), "; ".join(map(str, loaded))
    return loaded


def warehouse(**spec: Any) -> Database:
    """Return the Database `platform/warehouse`."""
    return load(
        _document("Database", "warehouse", "platform", {"connection": {"secretRef": {"name": "warehouse"}}, **spec})
    )


def dimension(name: str, *columns: Mapping[str, Any], namespace: str = "platform", **spec: Any) -> Dimension:
    """Return a dimension of the warehouse in schema `geo`, unless said otherwise; `foreign_keys` is `foreignKeys`."""
    camel = {"".join([key.split("_")[0], *map(str.title, key.split("_")[1:])]): value for key, value in spec.items()}
    reference = {"name": "warehouse", "namespace": "platform"}
    return load(
        _document(
            "Dimension", name, namespace, {"databaseRef": reference, "schema": "geo", "columns": [*columns], **camel}
        )
    )


def postgrest(name: str = "api", namespace: str = "platform", **spec: Any) -> PostgREST:
    """Return a PostgREST of the warehouse."""
    reference = {"name": "warehouse", "namespace": "platform"}
    return load(_document("PostgREST", name, namespace, {"databaseRef": reference, **spec}))


def login_of(resource: PostgREST, fingerprint: str = FINGERPRINTS[0]) -> dict[str, Any]:
    """Return the argument of `compiled` that gives a PostgREST's login its password."""
    claimant = Claimant("PostgREST", resource.metadata.namespace, resource.metadata.name)
    return {"verifier_fingerprints": {claimant: fingerprint}}


def compiled(*resources: Dimension | PostgREST, server_version: int = 180000, **given: Any) -> tuple[Unit, ...]:
    """Return the units of these resources; `database` and `verifier_fingerprints` may be given."""
    return compile_resources(
        CompileInput(
            database=given.pop("database", None) or warehouse(),
            database_name="warehouse",
            dimensions=tuple(item for item in resources if isinstance(item, Dimension)),
            postgrests=tuple(item for item in resources if isinstance(item, PostgREST)),
            server_version=server_version,
            **given,
        )
    )


def empty_catalog(**fields: Any) -> Catalog:
    """Return a database that holds nothing but the two API roles."""
    roles = {name: CatalogRole(name, False, True, False, False, None) for name in (READER, WRITER)}
    given: dict[str, Any] = {"roles": roles, **fields}
    return Catalog(server_version=180000, database="warehouse", login="login", superuser=False, **given)


def catalog_of(registry: Registry | None) -> Catalog:
    """Return a database that holds what was made in it, as far as planning looks."""
    made = registry.entries if registry else {}
    views = [QualifiedName(identity.schema, identity.name) for identity in made if identity.kind == "view"]
    functions = [QualifiedName(identity.schema, identity.name) for identity in made if identity.kind == "function"]
    return empty_catalog(
        functions=dict.fromkeys(functions, ()),
        schemas={item.name: CatalogSchema(item.name, "owner") for item in made if item.kind == "schema"},
        views={view: CatalogView(1, view.schema, view.name, "owner", "", (), None) for view in views},
    )


def context(registry: Registry | None = None, catalog: Catalog | None = None) -> DraftContext:
    """Return what drafting looks at, without a database."""
    return DraftContext(catalog or catalog_of(registry), registry or Registry(), "warehouse", "owner", WAREHOUSE)


def drafted(units: Sequence[Unit], registry: Registry | None = None, catalog: Catalog | None = None) -> list[Draft]:
    """Return the drafts of units that all compiled."""
    for unit in units:
        assert not unit.diagnostics, "; ".join(map(str, unit.diagnostics))
    given = context(registry, catalog)
    return draft_schemas(units, given) + [draft for unit in units for draft in draft_unit(unit, given)]


def planned(
    units: Sequence[Unit],
    registry: Registry | None = None,
    catalog: Catalog | None = None,
    evidence: Mapping[QualifiedName, RowEvidence] | None = None,
    approval: Any = "Never",
) -> tuple[tuple[PlannedMigration, ...], tuple[PlannedMigration, ...]]:
    """Return the ready and the waiting migrations, without a database."""
    return assemble(drafted(units, registry, catalog), evidence or {}, approval)


def applied(migrations: Iterable[PlannedMigration], registry: Registry | None = None) -> Registry:
    """Return what the registry says after migrations."""
    entries: dict[ObjectId, RegistryEntry] = dict((registry or Registry()).entries)
    for migration in migrations:
        for change in migration.changes:
            if change.object is None:
                del entries[change.id]
            else:
                entries[change.id] = RegistryEntry(
                    change.id,
                    "warehouse",
                    change.claimant,
                    change.state,
                    change.object,
                    change.object.fingerprint(),
                    None,
                    "0",
                )
    return Registry(entries, "0", installed=True)


def settings(database: ScratchDatabase, **changes: Any) -> SessionSettings:
    """Return the settings of a session as the login that owns the database."""
    given: dict[str, Any] = {
        "url": database.owner_url,
        "owner_id": "warehouse",
        "owner_role": f"{database.name}_owner",
        "database": WAREHOUSE,
        "lock_timeout_ms": 100,
    }
    return SessionSettings(**given | changes)


@contextmanager
def open_session(database: ScratchDatabase, **changes: Any) -> Generator[Session]:
    """Give a session on a database whose server has the two API roles."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        for role in (READER, WRITER):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).rowcount == 0:
                connection.execute(sql(f"CREATE ROLE {role}"))
    with Session(settings(database, **changes)) as session:
        yield session


def deploy(session: Session, *resources: Dimension | PostgREST, **given: Any) -> list[Applied]:
    """Apply all that is ready, and see that nothing more is then to be done and nobody is told of anything."""
    given.setdefault("database", warehouse(owner=session.owner_role))  # guards name the role that owns what they guard
    units = compiled(*resources, server_version=session.server_version, **given)
    plan = session.plan(units)
    assert not plan.diagnostics, said(plan)
    done = [session.apply(migration, dict.fromkeys(FINGERPRINTS, VERIFIER)) for migration in plan.migrations]
    again = session.plan(units)
    assert not again.migrations, again.migrations[0].sql
    assert not again.drift
    assert not again.diagnostics, said(again)
    assert [item.plan_hash for item in again.waiting] == [item.plan_hash for item in session.plan(units).waiting]
    return done


def said(plan: Plan) -> str:
    """Return what the plan says of the resources, one finding a line."""
    return "\n".join(f"{claimant}: {finding}" for claimant, found in plan.diagnostics.items() for finding in found)


def _document(kind: str, name: str, namespace: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "pgcraft.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": dict(spec)}
