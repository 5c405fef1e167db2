"""The step that has PostgREST serve what was applied, and says of each dimension whether it is served."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pgcraft_core.diagnostics import Diagnostic, DiagnosticReason
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.cluster import Cluster
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.outcome import ApiState, Stalled, Waiting
from pgcraft_operator.postgrest import WorkloadError, WorkloadSecret, ensure_secret, expose
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.inventory import Subject

_UNAPPLIED = Diagnostic("", "not as declared yet", reason="DependencyNotReady")


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
    waiting_for_api = [
        _expose_one(cluster, findings, subject.resource, secrets.found[subject.claimant])
        for subject in findings.inventory.postgrests
        if subject.resource and subject.claimant in secrets.found and _has_roles(findings, subject.claimant)
    ]
    await asyncio.gather(*waiting_for_api)
    for claimant, unit in findings.units.items():
        views = [item for item in unit.objects if isinstance(item, View)]
        if views:
            state = serving_state(views, findings)
            if state is not None:
                findings.api_states[claimant] = state


async def _expose_one(cluster: Cluster, findings: Findings, postgrest: PostgREST, secret: WorkloadSecret) -> None:
    claimant = Claimant(postgrest.kind, postgrest.metadata.namespace, postgrest.metadata.name)
    api = await expose(cluster, postgrest, _migrated(findings), secret)
    findings.apis[claimant] = api
    if api.failed:
        findings.settle(claimant, Stalled(Reason.RETRIES_EXHAUSTED, api.failed))
    findings.must_retry |= api.waiting is not None
    message = api.failed or api.waiting or f"{api.url} serves {len(api.served)} relations"
    findings.api_states[claimant] = ApiState(api.ready, message)


def _migrated(findings: Findings) -> tuple[Unit, ...]:
    """Return all units, those whose views could not be migrated marked as such.

    They keep their own resource from being Ready, not the API of all others.
    """
    planned = findings.plan.waiting if findings.plan else ()
    waiting = {change.claimant for migration in planned for change in migration.changes if change.id.kind == "view"}
    refused = {
        claimant
        for claimant, outcome in findings.outcomes.items()
        if not isinstance(outcome, Waiting) or outcome.reason != Reason.APPROVAL_PENDING
    }
    return tuple(
        replace(unit, diagnostics=unit.diagnostics or (_UNAPPLIED,)) if claimant in waiting | refused else unit
        for claimant, unit in findings.units.items()
    )


def serving_state(views: Sequence[View], findings: Findings) -> ApiState | None:
    """Return whether every PostgREST of the views' schemas serves them; None where there is no such PostgREST."""
    serving: list[str] = []
    missing: list[str] = []
    for view in views:
        for subject in findings.inventory.postgrests:
            if subject.resource is None or view.schema_name not in subject.resource.spec.schemas:
                continue
            api = findings.apis.get(subject.claimant)
            if api is not None and api.ready and api.replicas == 0:
                continue  # switched off on purpose
            if api is not None and (view.schema_name, view.name) in api.served:
                serving.append(f"{subject.claimant} serves {view.qualified_name}")
            else:
                outcome = findings.outcomes.get(subject.claimant)
                why = (api.failed or api.waiting) if api else outcome.message if outcome else None
                missing.append(
                    f"{subject.claimant} does not serve {view.qualified_name} yet" + (f": {why}" if why else "")
                )
    if missing:
        return ApiState(serving=False, message="; ".join(missing))
    return ApiState(serving=True, message="; ".join(serving)) if serving else None


def _has_roles(findings: Findings, claimant: Claimant) -> bool:
    """Whether an API's roles and grants are applied, but for what waits for approval, so that its pods can log in."""
    match findings.outcomes.get(claimant):
        case None | Waiting(Reason.APPROVAL_PENDING):
            return True
        case _:
            return False


def _may_use(database: Database, claimant: Claimant) -> bool:
    return claimant.namespace == database.metadata.namespace or database.allows(claimant.namespace) is not None
