"""What planning and applying cost beside the bare DDL: `python benchmarks/plan_and_apply.py [dimensions] [--profile]`.

The baseline sends the very same statements through psycopg, one by one and in transactions of the same size, to an
empty database of the same server; the ratio is ours to that.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from pgcraft_core.compile import CompileInput, compile_resources
from pgcraft_core.migrate.script import upgrade_statements
from pgcraft_core.migrate.session import Session
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.plan.model import PlannedMigration
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension
from playground.postgres import EmbeddedPostgres, PostgresServer

T = TypeVar("T")
OWNER = "bench_owner"


def main(arguments: Sequence[str]) -> None:
    count = next((int(argument) for argument in arguments if argument.isdigit()), 300)
    rows: list[tuple[str, float, float | None]] = []
    with EmbeddedPostgres() as server:
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute("CREATE ROLE reader")
            admin.execute("CREATE ROLE bench_owner")
        with open_session(server, "ours") as session:
            seconds, units = timed(lambda: compiled(count))
            rows.append((f"compile {count} dimensions", seconds, None))
            seconds, plan = timed(lambda: session.plan(units))
            rows.append(("plan the first deployment", seconds, None))
            profile = cProfile.Profile() if "--profile" in arguments else None
            if profile:
                profile.enable()
            seconds, _ = timed(lambda: [session.apply(migration) for migration in plan.migrations])
            if profile:
                profile.disable()
                pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
            rows.append((f"apply it in {len(plan.migrations)} migrations", seconds, baseline(server, plan.migrations)))
            seconds, nothing = timed(lambda: session.plan(units))
            assert nothing.is_empty
            rows.append(("plan of nothing", seconds, None))
            grown = compiled(count, extra=True)
            seconds, plan = timed(lambda: session.plan(grown))
            rows.append(("plan one added column", seconds, None))
            (migration,) = plan.migrations
            seconds, _ = timed(lambda: session.apply(migration))
            rows.append(("apply it", seconds, baseline(server, [migration], "first")))
    show(rows)


def compiled(count: int, *, extra: bool = False) -> tuple[Unit, ...]:
    """Return the units of dimensions with eight columns, a check, an index, a reference and an API view."""
    database = load("Database", "warehouse", Database, {"connection": {"secretRef": {"name": "w"}}})
    dimensions = tuple(
        load("Dimension", f"dimension-{number}", Dimension, dimension(number, extra=extra and number == 0))
        for number in range(count)
    )
    return compile_resources(CompileInput(database=database, database_name="ours", dimensions=dimensions))


def dimension(number: int, *, extra: bool) -> dict[str, Any]:
    columns: list[dict[str, Any]] = [
        {"name": "code", "type": "varchar(8)", "nullable": False, "unique": True, "comment": "Its code"},
        {"name": "name", "type": "text", "nullable": False, "check": "name <> ''", "comment": "Its name"},
        {"name": "height", "type": "numeric(7,2)", "default": "0", "check": "height between -500 and 9000"},
        {"name": "feet", "type": "numeric", "generated": "height * 3.28084"},
        {"name": "opened", "type": "date"},
        {"name": "active", "type": "boolean", "nullable": False, "default": "true"},
        {"name": "tags", "type": "text[]"},
    ]
    if number:
        columns.append({"name": "parent", "type": "bigint", "references": {"dimension": f"dimension-{number // 2}"}})
    if extra:
        columns.append({"name": "extra", "type": "text"})
    return {
        "databaseRef": {"name": "warehouse"},
        "schema": "bench",
        "table": f"dimension_{number}",
        "comment": f"Dimension {number}",
        "columns": columns,
        "indexes": [{"name": "by_lower_name", "expressions": ["lower(name)"]}],
        "api": {"schema": "api", "grants": [{"role": "reader", "privileges": ["select"]}]},
    }


def load(kind: str, name: str, model: Callable[..., Any], spec: dict[str, Any]) -> Any:
    return model(apiVersion="pgcraft.io/v1alpha1", kind=kind, metadata={"name": name, "namespace": "a"}, spec=spec)


def open_session(server: PostgresServer, name: str) -> Session:
    url = server.create_database(name)
    return Session(
        SessionSettings(url=url, owner_id="bench", owner_role=OWNER, database=Claimant("Database", "a", "warehouse"))
    )


def baseline(server: PostgresServer, migrations: Sequence[PlannedMigration], after: str = "") -> float:
    """Return the seconds the same statements take by themselves; `after` says that the database was made before."""
    if not after:
        server.create_database("baseline")
    url = server.url.removesuffix("postgres") + "baseline"
    started = time.perf_counter()
    with psycopg.connect(url) as connection:
        for migration in migrations:
            if not after:
                connection.execute(f"GRANT CREATE ON DATABASE baseline TO {OWNER}")
            for statement in upgrade_statements([step.operation for step in migration.operations], OWNER):
                connection.execute(statement)  # ty: ignore[no-matching-overload]
            connection.commit()
    return time.perf_counter() - started


def timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def show(rows: Sequence[tuple[str, float, float | None]]) -> None:
    print(f"{'':34} {'seconds':>9} {'bare DDL':>9} {'ratio':>6}")
    for what, seconds, bare in rows:
        beside = f" {bare:9.3f} {seconds / bare:6.2f}" if bare else ""
        print(f"{what:34} {seconds:9.3f}{beside}")


if __name__ == "__main__":
    main(sys.argv[1:])
