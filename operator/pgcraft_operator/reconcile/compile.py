"""The step between reading and planning: a unit for every resource, and how the engine is to treat the database."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version

from pgcraft_core.compile import CompileInput, compile_resources
from pgcraft_core.compile.policy import allowed_schemas
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.duration import parse_duration
from pgcraft_core.sql.identifiers import named
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.reconcile.expose import Secrets
from pgcraft_operator.reconcile.inventory import Inventory

ACTOR = f"pgcraft-operator/{version('pgcraft-operator')}"


def session_settings(
    database: Database, connection: ConnectionParameters, namespaces: Collection[str] | None
) -> SessionSettings:
    """Return how the engine is to work on a Database, of which the resources in `namespaces` were listed."""
    migrations = database.migrations
    return SessionSettings(
        url=connection.url(),
        owner_id=database.owner_id,
        owner_role=owner_role(database, connection),
        database=database.key,
        lock_timeout_ms=round(parse_duration(migrations.lock_timeout).total_seconds() * 1000),
        approval=migrations.approval,
        apply=migrations.mode == "Apply",
        extensions=database.spec.extensions,
        allowed_functions=database.spec.allowed_functions,
        allowed_schemas=lambda claimant: allowed_schemas(claimant.namespace, database),
        namespaces=frozenset(namespaces) if namespaces is not None else None,
        actor=ACTOR,
    )


def owner_role(database: Database, connection: ConnectionParameters) -> str:
    """Return the role that is to own what is made."""
    return database.spec.owner or named(connection.dbname, "owner")


def compile_units(
    database: Database, connection: ConnectionParameters, inventory: Inventory, secrets: Secrets, server_version: int
) -> tuple[Unit, ...]:
    """Return a unit for every resource; those that cannot be compiled have one that says why.

    They need one: a resource without a unit counts as deleted, and what it has would be withdrawn.
    """
    compiled = compile_resources(
        CompileInput(
            database=database,
            database_name=connection.dbname,
            dimensions=tuple(subject.resource for subject in inventory.dimensions if subject.resource),
            postgrests=tuple(
                subject.resource
                for subject in inventory.postgrests
                if subject.resource and subject.claimant not in secrets.refusals
            ),
            verifier_fingerprints=secrets.fingerprints,
            server_version=server_version,
        )
    )
    unfit = (
        Unit(
            subject.claimant,
            diagnostics=diagnostics,
            created=subject.manifest["metadata"].get("creationTimestamp", ""),
            uid=subject.manifest["metadata"]["uid"],
        )
        for subject in (*inventory.dimensions, *inventory.postgrests)
        if (diagnostics := subject.diagnostics or refusal_of(subject.claimant, secrets))
    )
    return (*compiled, *unfit)


def refusal_of(claimant: Claimant, secrets: Secrets) -> tuple[Diagnostic, ...]:
    """Return why a PostgREST has no Secret, if it has none: without its password its login must not be touched."""
    refusal = secrets.refusals.get(claimant)
    return (refusal,) if refusal else ()
