"""The step that has PostgREST serve what was applied, and says of each dimension whether it is served."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from pgcraft_core.schema.unit import Claimant
from pgcraft_core.schema.view import View
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.cluster import Cluster
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.outcome import ApiState, Outcome, Stalled, Waiting
from pgcraft_operator.postgrest import ApiOutcome, WorkloadError, WorkloadSecret, ensure_secret, expose
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.findings import Findings
from pgcraft_operator.reconcile.inventory import Subject

Secrets = dict[Claimant, WorkloadSecret]


async def ensure_secrets(
    cluster: Cluster, database: Database, findings: Findings, connection: ConnectionParameters
) -> Secrets:
    """Return the workload Secret of each PostgREST that has one; the others get an outcome that says why not."""
    secrets: Secrets = {}
    for subject in findings.inventory.postgrests:
        if subject.resource is None or not _may_use(database, subject.claimant):
            continue  # compiling says why
        try:
            secrets[subject.claimant] = await ensure_secret(cluster, subject.resource, connection)
        except WorkloadError as error:
            findings.settle(subject.claimant, _refusal(error))
            findings.must_retry |= error.heals
    return secrets


async def expose_apis(cluster: Cluster, findings: Findings, secrets: Secrets) -> None:
    """Bring up every PostgREST whose roles and grants are applied, and note what each of them serves."""
    waiting_for_api = [
        _expose_one(cluster, findings, subject.resource, secrets[subject.claimant])
        for subject in findings.inventory.postgrests
        if subject.resource and subject.claimant in secrets and subject.claimant not in findings.outcomes
    ]
    await asyncio.gather(*waiting_for_api)
    for claimant, unit in findings.units.items():
        views = [item for item in unit.objects if isinstance(item, View)]
        if views:
            state = serving_state(views, findings.inventory.postgrests, findings.apis)
            if state is not None:
                findings.api_states[claimant] = state


async def _expose_one(cluster: Cluster, findings: Findings, postgrest: PostgREST, secret: WorkloadSecret) -> None:
    claimant = Claimant(postgrest.kind, postgrest.metadata.namespace, postgrest.metadata.name)
    api = await expose(cluster, postgrest, tuple(findings.units.values()), secret)
    findings.apis[claimant] = api
    if api.failed:
        findings.settle(claimant, Stalled(Reason.RETRIES_EXHAUSTED, api.failed))
    findings.must_retry |= api.waiting is not None
    message = api.failed or api.waiting or f"{api.url} serves {len(api.served)} relations"
    findings.api_states[claimant] = ApiState(api.ready, message)


def serving_state(
    views: list[View], postgrests: tuple[Subject[PostgREST], ...], apis: Mapping[Claimant, ApiOutcome]
) -> ApiState | None:
    """Return whether every PostgREST of the views' schemas serves them; None where there is no such PostgREST."""
    serving: list[str] = []
    missing: list[str] = []
    for view in views:
        for subject in postgrests:
            if subject.resource is None or view.schema_name not in subject.resource.spec.schemas:
                continue
            api = apis.get(subject.claimant)
            if api is not None and api.ready and api.replicas == 0:
                continue  # switched off on purpose
            if api is not None and (view.schema_name, view.name) in api.served:
                serving.append(f"{subject.claimant} serves {view.qualified_name}")
            else:
                why = (api.failed or api.waiting) if api else "it is not up"
                missing.append(
                    f"{subject.claimant} does not serve {view.qualified_name} yet" + (f": {why}" if why else "")
                )
    if missing:
        return ApiState(serving=False, message="; ".join(missing))
    return ApiState(serving=True, message="; ".join(serving)) if serving else None


def _may_use(database: Database, claimant: Claimant) -> bool:
    return claimant.namespace == database.metadata.namespace or database.allows(claimant.namespace) is not None


def _refusal(error: WorkloadError) -> Outcome:
    if error.heals:
        return Waiting(Reason.DEPENDENCY_NOT_READY, str(error))
    return Stalled(Reason.INVALID_SPEC, str(error))
