"""The step that has PostgREST serve what was applied, and says of each dimension whether it is served."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pgcraft_core.diagnostics import Diagnostic, DiagnosticReason
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.cluster import Cluster
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.outcome import ApiState, Outcome, Stalled, Waiting
from pgcraft_operator.postgrest import WorkloadError, WorkloadSecret, ensure_secret, expose, served_objects
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.inventory import Subject

_SERVED_KINDS = ("view", "function")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The workload Secret of each PostgREST, or why it has none."""

    found: Mapping[Claimant, WorkloadSecret]
    refusals: Mapping[Claimant, Diagnostic]

    @property
    def verifiers(self) -> dict[str, str]:
        """SCRAM verifiers by their fingerprint."""
        return {secret.verifier_fingerprint: secret.verifier for secret in self.found.values()}

    @property
    def fingerprints(self) -> dict[Claimant, str]:
        """The fingerprint of each PostgREST's verifier: two of them may claim one login, and only one gets it."""
        return {claimant: secret.verifier_fingerprint for claimant, secret in self.found.items()}


@dataclass(frozen=True, slots=True)
class Exposure:
    """What APIs are to serve: units as they are applied, and what was applied in another shape than declared."""

    units: tuple[Unit, ...]
    standing: Mapping[ObjectId, Claimant]
    doubted: frozenset[Claimant]
    """Resources whose objects somebody has changed since, so that an earlier answer says nothing of them."""


async def ensure_secrets(
    cluster: Cluster, database: Database, postgrests: Sequence[Subject[PostgREST]], connection: ConnectionParameters
) -> Secrets:
    """Return the workload Secret of every PostgREST that may use the Database, made where missing."""
    found: dict[Claimant, WorkloadSecret] = {}
    refusals: dict[Claimant, Diagnostic] = {}
    for subject in postgrests:
        if subject.resource is None or not _may_use(database, subject.claimant):
            continue  # compiling says why
        try:
            found[subject.claimant] = await ensure_secret(cluster, subject.resource, connection)
        except WorkloadError as error:
            reason: DiagnosticReason = "DependencyNotReady" if error.heals else "InvalidSpec"
            refusals[subject.claimant] = Diagnostic("", str(error), reason)
    return Secrets(found, refusals)


async def expose_apis(cluster: Cluster, findings: Findings, secrets: Secrets) -> None:
    """Bring up every PostgREST whose roles and grants are applied, and note what each of them serves."""
    exposure = find_exposure(findings)
    waiting_for_api = [
        _expose_one(cluster, findings, exposure, subject.resource, secrets.found[subject.claimant])
        for subject in findings.inventory.postgrests
        if subject.resource and subject.claimant in secrets.found and _has_roles(findings, subject.claimant)
    ]
    await asyncio.gather(*waiting_for_api)
    for subject in findings.inventory.dimensions:
        state = serving_state(subject.claimant, findings)
        if state is not None:
            findings.api_states[subject.claimant] = state


async def _expose_one(
    cluster: Cluster, findings: Findings, exposure: Exposure, postgrest: PostgREST, secret: WorkloadSecret
) -> None:
    claimant = postgrest.key
    api = await expose(cluster, postgrest, exposure.units, secret, standing=exposure.standing, doubted=exposure.doubted)
    findings.apis[claimant] = api
    if api.failed:
        findings.settle(claimant, Stalled(Reason.RETRIES_EXHAUSTED, api.failed))
    findings.must_retry |= api.waiting is not None
    message = api.failed or api.waiting or f"{api.url} serves {len(api.served)} relations and functions"
    findings.api_states[claimant] = ApiState(api.ready, message)


def find_exposure(findings: Findings) -> Exposure:
    """Return what is applied, which is what APIs are asked for, whatever else is declared.

    A resource that is refused, waits or failed keeps itself from being Ready, and no API and no other resource: its
    views, if it has any in the database, stand in the shape they were applied in, which is not known here.
    """
    waiting = _find_waiting(findings)
    decided = {claimant for claimant in findings.units if _is_decided(claimant, findings, waiting)}
    return Exposure(
        units=tuple(
            replace(unit, objects=tuple(item for item in unit.objects if item.id in findings.applied.get(claimant, ())))
            for claimant, unit in findings.units.items()
            if claimant in decided
        ),
        standing={
            identity: claimant
            for claimant in findings.applied.keys() - decided
            for identity in _applied_views(claimant, findings)
        },
        doubted=_find_doubted(findings),
    )


def _find_waiting(findings: Findings) -> frozenset[Claimant]:
    """Return whose objects in the served schemas would be changed by what waits."""
    schemas = {schema for api in findings.inventory.postgrests if api.resource for schema in api.resource.spec.schemas}
    return frozenset(
        change.claimant
        for migration in (findings.plan.waiting if findings.plan else ())
        for change in migration.changes
        if change.id.kind in _SERVED_KINDS and change.id.schema in schemas
    )


def _is_decided(claimant: Claimant, findings: Findings, waiting: Collection[Claimant]) -> bool:
    """Whether a resource's objects in the served schemas, where they are applied, are as declared."""
    outcome = findings.outcomes.get(claimant)
    return claimant not in waiting and (outcome is None or _waits_for_approval(outcome))


def _find_doubted(findings: Findings) -> frozenset[Claimant]:
    """Return whose views may no longer be served: what drifted, and everything where roles or schemas drifted."""
    drifted = frozenset(findings.plan.drift) if findings.plan else frozenset()
    is_common = any(claimant.kind != "Dimension" for claimant in drifted)
    return drifted | findings.applied.keys() if is_common else drifted


def serving_state(claimant: Claimant, findings: Findings) -> ApiState | None:
    """Return whether every PostgREST serves a resource's own views and queries; None where none has their schemas."""
    serving: list[str] = []
    missing: list[str] = []
    for identity in _find_served(claimant, findings):
        name = f"{identity.schema}.{identity.name}"
        for subject in findings.inventory.postgrests:
            if subject.resource is None or identity.schema not in subject.resource.spec.schemas:
                continue
            api = findings.apis.get(subject.claimant)
            if identity not in findings.applied.get(claimant, ()):
                missing.append(f"{identity} is not applied")
            elif api is not None and api.ready and api.replicas == 0:
                continue  # switched off on purpose
            elif api is not None and identity in api.served:
                serving.append(f"{subject.claimant} serves {name}")
            else:
                outcome = findings.outcomes.get(subject.claimant)
                why = api.why_not_served(identity) if api else outcome.message if outcome else None
                missing.append(f"{subject.claimant} does not serve {name}" + (f": {why}" if why else " yet"))
    if missing:
        return ApiState(serving=False, message="; ".join(dict.fromkeys(missing)))
    return ApiState(serving=True, message="; ".join(serving)) if serving else None


def _find_served(claimant: Claimant, findings: Findings) -> list[ObjectId]:
    """Return what APIs are to serve of a resource; no query where it is not known whether it is applied as declared."""
    unit = findings.units.get(claimant)
    declared = [item.id for item in served_objects(unit.objects)] if unit else []
    views = [identity for identity in declared if identity.kind == "view"]
    queries = [identity for identity in declared if identity.kind == "function"]
    if queries and not _is_decided(claimant, findings, _find_waiting(findings)):
        queries = []
    return list(dict.fromkeys([*_applied_views(claimant, findings), *views, *queries]))


def _applied_views(claimant: Claimant, findings: Findings) -> list[ObjectId]:
    return sorted(identity for identity in findings.applied.get(claimant, ()) if identity.kind == "view")


def _waits_for_approval(outcome: Outcome) -> bool:
    return isinstance(outcome, Waiting) and outcome.reason is Reason.APPROVAL_PENDING


def _has_roles(findings: Findings, claimant: Claimant) -> bool:
    """Whether an API's roles and grants are applied, but for what waits for approval, so that its pods can log in."""
    match findings.outcomes.get(claimant):
        case None | Waiting(Reason.APPROVAL_PENDING):
            return True
        case _:
            return False


def _may_use(database: Database, claimant: Claimant) -> bool:
    return claimant.namespace == database.metadata.namespace or database.allows(claimant.namespace) is not None
