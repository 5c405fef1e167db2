"""All pods of an API asked until they serve, and what they answered remembered, so that nothing is asked twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pgcraft_core.schema.unit import Claimant
from pgcraft_operator.postgrest.credentials import Credentials
from pgcraft_operator.postgrest.exposed import ExposedView, ViewKey
from pgcraft_operator.postgrest.rollout import ReadyPod
from pgcraft_operator.postgrest.serving import PodApi, Shortfall, open_session

PATIENCE = 5.0  # seconds one confirmation lasts at most; PostgREST reloads its cache in a tenth of one
LONGEST_LAG = 10.0  # seconds a schema cache may lag behind the database before that takes a restart
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds


@dataclass(slots=True)
class Memory:
    """What the pods of one API have been seen to serve; lost with the operator's process, and found again."""

    confirmed: dict[str, dict[ViewKey, str]] = field(default_factory=dict)
    """Incarnation of a pod -> view -> fingerprint."""
    withdrawn: set[ViewKey] = field(default_factory=set)
    """Views served once, wanted no longer and not yet seen to be gone."""
    stale_shape: str | None = None
    stale_since: float = 0.0
    """Since when (monotonic) the caches have not known the shape."""

    def note_wanted(
        self, views: Sequence[ExposedView], pods: Sequence[ReadyPod], doubted: Collection[Claimant]
    ) -> None:
        """Forget pods that are gone and what was seen of the views of doubted claimants; note which are withdrawn."""
        wanted = {view.key for view in views}
        for seen in self.confirmed.values():
            self.withdrawn |= seen.keys() - wanted
        self.withdrawn -= wanted
        trusted = {view.key for view in views if view.claimant not in doubted}
        self.confirmed = {pod.incarnation: self._confirmed_of(pod, trusted) for pod in pods}

    def unconfirmed(self, pod: ReadyPod, views: Sequence[ExposedView]) -> list[ExposedView]:
        """Return the views that a pod has not been seen to serve in their present shape."""
        seen = self.confirmed[pod.incarnation]
        return [view for view in views if seen.get(view.key) != view.fingerprint]

    def served(self) -> frozenset[ViewKey]:
        """Return the views that every pod has been seen to serve; none where there is no pod."""
        seen = [frozenset(views) for views in self.confirmed.values()]
        return frozenset.intersection(*seen) if seen else frozenset()

    def _confirmed_of(self, pod: ReadyPod, trusted: Collection[ViewKey]) -> dict[ViewKey, str]:
        seen = self.confirmed.get(pod.incarnation, {})
        return {key: fingerprint for key, fingerprint in seen.items() if key in trusted}

    def lags_too_long(self, shape: str, *, is_stale: bool) -> bool:
        """Note whether the caches lag behind a shape, and return whether they have done so for `LONGEST_LAG`."""
        now = time.monotonic()
        if not is_stale:
            self.stale_shape = None
            return False
        if self.stale_shape != shape:
            self.stale_shape, self.stale_since = shape, now
        return now - self.stale_since >= LONGEST_LAG


async def confirm(
    memory: Memory,
    pods: Sequence[ReadyPod],
    views: Sequence[ExposedView],
    credentials: Credentials,
    *,
    doubted: Collection[Claimant] = frozenset(),
) -> dict[ViewKey, Shortfall]:
    """Ask pods for what they have not been seen to serve, for `PATIENCE` seconds while their caches catch up.

    Returns what is short at the end. With nothing new there is no request at all. Views of `doubted` claimants, whose
    objects somebody has changed, are asked for although they were seen to be served before.
    """
    memory.note_wanted(views, pods, doubted)
    if not pods or not (memory.withdrawn or any(memory.unconfirmed(pod, views) for pod in pods)):
        return {}
    pause, deadline = _FIRST_PAUSE, time.monotonic() + PATIENCE
    async with open_session() as session:
        apis = {pod: PodApi(session, pod, credentials) for pod in pods}
        while True:
            shortfalls = await _ask_once(memory, apis, views)
            if not any(shortfall.is_stale for shortfall in shortfalls.values()) or time.monotonic() + pause > deadline:
                return shortfalls
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


async def _ask_once(
    memory: Memory, apis: Mapping[ReadyPod, PodApi], views: Sequence[ExposedView]
) -> dict[ViewKey, Shortfall]:
    asked = {pod: memory.unconfirmed(pod, views) for pod in apis}
    found = await asyncio.gather(*(api.find_shortfalls(asked[pod]) for pod, api in apis.items() if asked[pod]))
    short = dict(zip((pod for pod in apis if asked[pod]), found, strict=True))
    for pod, shortfalls in short.items():
        memory.confirmed[pod.incarnation] = {
            **memory.confirmed[pod.incarnation],
            **{view.key: view.fingerprint for view in asked[pod] if view.key not in shortfalls},
        }
        for key in shortfalls:
            memory.confirmed[pod.incarnation].pop(key, None)
    lingering = await asyncio.gather(*(api.find_lingering(memory.withdrawn) for api in apis.values()))
    memory.withdrawn = {key for found in lingering for key in found}
    return {key: shortfall for found in (*short.values(), *lingering) for key, shortfall in found.items()}
