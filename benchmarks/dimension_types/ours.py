"""Our own: a Dimension compiled, planned and applied as the operator and the command do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks.dimension_types.columns import COLUMNS, Column
from benchmarks.dimension_types.loading import Times, execute, load_versions
from benchmarks.dimension_types.subject import OURS, DimensionType, Relation, Subject
from pgcraft_core.compile import CompileInput, compile_resources
from pgcraft_core.migrate.session import Session
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension

PAST: dict[DimensionType, dict[Relation, str]] = {
    "Simple": {},
    "AppendOnly": {"as_of": "api.airports_as_of($1)", "versions": "api.airports_versions"},
    "EAV": {
        "attributes": "api.airports_attributes",
        "attribute_history": "api.airports_attribute_history",
        "attributes_as_of": "api.airports_attributes_as_of($1)",
    },
}


class NotAppliedError(Exception):
    """A benchmark's own dimension could not be compiled or applied."""


def make_ours(
    url: str, admin_url: str, dimension_type: DimensionType, size: int, owner: str, role: str
) -> tuple[Subject, Times]:
    """Apply the dimension to the database of `admin_url`, load it through its own triggers, and say when."""
    _apply(admin_url, dimension_type, owner, role)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        execute(connection, f"GRANT USAGE ON SCHEMA api TO {role}")  # what a PostgREST resource grants
        times = load_versions(connection, "geo.airports", size)
        execute(connection, "VACUUM ANALYZE")
    relations: dict[Relation, str] = {"current": "api.airports", **PAST[dimension_type]}
    return Subject(OURS, url, admin_url, "geo.airports", relations), times


def _apply(url: str, dimension_type: DimensionType, owner: str, role: str) -> None:
    connection = {"secretRef": {"name": "warehouse"}}
    database = _load(Database, "Database", "warehouse", {"connection": connection, "owner": owner})
    dimension = _load(Dimension, "Dimension", "airports", _spec(dimension_type, role))
    settings = SessionSettings(
        url=url, owner_id="benchmark", owner_role=owner, database=Claimant("Database", "benchmark", "warehouse")
    )
    with Session(settings) as session:
        units = compile_resources(
            CompileInput(
                database=database,
                database_name=session.database_name,
                dimensions=(dimension,),
                server_version=session.server_version,
            )
        )
        plan = session.plan(units)
        said = [str(finding) for found in plan.diagnostics.values() for finding in found]
        if said or plan.waiting:
            raise NotAppliedError("; ".join(said) or "the plan waits for an approval")
        for migration in plan.migrations:
            session.apply(migration)


def _spec(dimension_type: DimensionType, role: str) -> dict[str, Any]:
    return {
        "databaseRef": {"name": "warehouse"},
        "schema": "geo",
        "type": dimension_type,
        "columns": [_column(column) for column in COLUMNS],
        "indexes": [{"name": f"by_{column.name}", "columns": [column.name]} for column in COLUMNS if column.indexed],
        "api": {
            "schema": "api",
            "grants": [{"role": role, "privileges": ["select", "insert", "update", "delete"]}],
            **({"history": True} if dimension_type != "Simple" else {}),
        },
    }


def _column(column: Column) -> dict[str, Any]:
    given = {"check": column.check, "default": column.default, "unique": column.unique or None}
    wanted = {key: value for key, value in given.items() if value is not None}
    return {"name": column.name, "type": column.type, "nullable": column.nullable, **wanted}


def _load(model: Callable[..., Any], kind: str, name: str, spec: dict[str, Any]) -> Any:
    return model(
        apiVersion="pgcraft.io/v1alpha1", kind=kind, metadata={"name": name, "namespace": "benchmark"}, spec=spec
    )
