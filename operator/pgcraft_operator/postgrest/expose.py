"""The workload of one API brought to its declared form, and the API's answers awaited."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.cluster import Cluster, Kind, Manifest, NotFoundError, RefusedError
from pgcraft_operator.postgrest.comparison import is_applied
from pgcraft_operator.postgrest.confirmation import Memory, confirm
from pgcraft_operator.postgrest.credentials import Credentials
from pgcraft_operator.postgrest.errors import WorkloadError
from pgcraft_operator.postgrest.exposed import exposed_objects, shape_fingerprint
from pgcraft_operator.postgrest.ownership import label_selector, require_ownership
from pgcraft_operator.postgrest.rollout import ready_pods, what_rollout_awaits
from pgcraft_operator.postgrest.serving import Shortfall
from pgcraft_operator.postgrest.workload import RESTARTED_FOR, deployment, require_servable, service, service_url
from pgcraft_operator.postgrest.workload_secret import WorkloadSecret

_logger = logging.getLogger(__name__)
_memories: dict[str, Memory] = {}  # by uid of the PostgREST resource


@dataclass(frozen=True, slots=True)
class ApiOutcome:
    """What has become of one API: ready, or waiting for something that comes by itself, or failed until a person acts.

    `served` is what every ready pod serves in its present shape, views and queries, so nothing while there is no pod;
    `shortfalls` say what is wrong with the rest. An API of no replicas is ready, as declared, and serves nothing.
    """

    url: str
    replicas: int = 0
    ready_replicas: int = 0
    served: frozenset[ObjectId] = frozenset()
    shortfalls: Mapping[ObjectId, str] = field(default_factory=dict)
    waiting: str | None = None
    failed: str | None = None

    @property
    def ready(self) -> bool:
        """Whether all pods are up, of the declared form, and serve all that is declared and nothing withdrawn."""
        return self.waiting is None and self.failed is None

    def why_not_served(self, item: ObjectId) -> str | None:
        """Return what keeps one view or query from being served, where that is known; nothing of another's matter."""
        return self.failed or self.shortfalls.get(item) or (self.waiting if not self.shortfalls else None)


async def expose(
    cluster: Cluster,
    postgrest: PostgREST,
    units: Sequence[Unit],
    secret: WorkloadSecret,
    *,
    standing: Mapping[ObjectId, Claimant] = MappingProxyType({}),
    doubted: Collection[Claimant] = frozenset(),
) -> ApiOutcome:
    """Apply Deployment and Service where they differ, and ask pods for all that `units` expose until they serve it.

    `standing` is what was applied otherwise than `units` say, and stays; `doubted` are claimants whose objects are
    asked for anew. Returns within a few seconds: who gets `waiting` calls again. Writes nothing, and sends no request
    to a pod, when nothing has changed since the last call.

    Raises:
        ClusterError: the API server cannot be reached, or does not let us.
    """
    url = service_url(postgrest)
    try:
        require_servable(postgrest)
        workload = await _apply_deployment(cluster, postgrest, secret)
        await _apply_if_different(cluster, postgrest, service(postgrest))
    except WorkloadError as error:
        return ApiOutcome(url, waiting=str(error)) if error.heals else ApiOutcome(url, failed=str(error))
    except RefusedError as error:
        return ApiOutcome(url, failed=str(error))

    namespace = postgrest.metadata.namespace
    pods = await cluster.list_pods(namespace, label_selector(postgrest))
    exposed = exposed_objects(postgrest, units, standing)
    memory = _memories.setdefault(postgrest.metadata.uid, Memory())
    credentials = Credentials.of(postgrest, secret)
    shortfalls = await confirm(memory, ready_pods(pods), exposed, credentials, doubted=doubted)
    awaited = what_rollout_awaits(workload, pods) or _summarize(shortfalls.values())
    shape = shape_fingerprint(exposed)
    lags = memory.lags_too_long(shape, is_stale=any(shortfall.is_stale for shortfall in shortfalls.values()))
    if lags and _restarted_for(workload) != shape:
        # The notification was lost, or this PostgREST does not listen. Once a shape: a second restart would not help.
        _logger.warning("restarting the pods of %s: %s", postgrest.key, awaited)
        await cluster.apply(deployment(postgrest, secret, restarted_for=shape))
        awaited = "PostgREST is restarted, for its schema cache did not follow the database"
    return ApiOutcome(
        url,
        replicas=workload["spec"].get("replicas", 1),
        ready_replicas=workload.get("status", {}).get("readyReplicas", 0),
        served=memory.served(),
        shortfalls={key: shortfall.message for key, shortfall in shortfalls.items()},
        waiting=awaited,
    )


def forget(uid: str) -> None:
    """Drop what is remembered of the API whose PostgREST resource had this uid and is gone."""
    _memories.pop(uid, None)


async def _apply_deployment(cluster: Cluster, postgrest: PostgREST, secret: WorkloadSecret) -> Manifest:
    """Bring the Deployment to its declared form, without undoing a restart, and return it as it is then."""
    live = await _find(cluster, postgrest, "Deployment")
    manifest = deployment(postgrest, secret, restarted_for=_restarted_for(live))
    if live is not None and is_applied(manifest, live):
        return live
    return await cluster.apply(manifest)


async def _apply_if_different(cluster: Cluster, postgrest: PostgREST, manifest: Manifest) -> None:
    live = await _find(cluster, postgrest, manifest["kind"])
    if live is None or not is_applied(manifest, live):
        await cluster.apply(manifest)


async def _find(cluster: Cluster, postgrest: PostgREST, kind: Kind) -> Manifest | None:
    try:
        live = await cluster.get(kind, postgrest.metadata.namespace, postgrest.metadata.name)
    except NotFoundError:
        return None
    require_ownership(live, postgrest)
    return live


def _restarted_for(workload: Manifest | None) -> str | None:
    if workload is None:
        return None
    annotations = workload["spec"]["template"]["metadata"].get("annotations") or {}
    return annotations.get(RESTARTED_FOR)


def _summarize(shortfalls: Collection[Shortfall]) -> str | None:
    """Return the first of all sentences and how many more there are."""
    messages = sorted({shortfall.message for shortfall in shortfalls})
    if not messages:
        return None
    return messages[0] if len(messages) == 1 else f"{messages[0]} (and {len(messages) - 1} more)"
