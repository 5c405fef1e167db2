"""What a session needs to know: where the database is, who we are in it, and how careful to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgcraft_core.plan.assemble import Approval
from pgcraft_core.schema.unit import Claimant


def _every_schema(_: Claimant) -> frozenset[str] | None:
    return None


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How to reach and treat one database.

    `url` is a libpq URI (`postgresql://…`) of a direct connection, with TLS options as its parameters. `database` is
    the resource on whose behalf shared objects such as schemas are made. `apply` is false under `mode: Observe`.
    `allowed_schemas` gives the schemas whose types a resource's author may use, None for all. `namespaces` are those
    that were looked at, None for all: what belongs to others is never taken for gone. `cluster` and `actor` are
    recorded for information.
    """

    url: str
    owner_id: str
    owner_role: str
    database: Claimant
    lock_timeout_ms: int = 400
    approval: Approval = "OnHazard"
    apply: bool = True
    extensions: tuple[str, ...] = ()
    allowed_functions: tuple[str, ...] = ()
    allowed_schemas: Callable[[Claimant], frozenset[str] | None] = _every_schema
    namespaces: frozenset[str] | None = None
    cluster: str = ""
    actor: str = "pgcraft"
