"""All pods of an API asked until they serve, and what they answered remembered, so that nothing is asked twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.unit import Claimant
from pgcraft_operator.postgrest.credentials import Credentials
from pgcraft_operator.postgrest.exposed import Exposed
from pgcraft_operator.postgrest.rollout import ReadyPod
from pgcraft_operator.postgrest.serving import PodApi, Shortfall, open_session

PATIENCE = 5.0  # seconds one confirmation lasts at most; PostgREST reloads its cache in a tenth of one
LONGEST_LAG = 10.0  # seconds a schema cache may lag behind the database before that takes a restart
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds


@dataclass(slots=True)
class Memory:
    """What the pods of one API have been seen to serve; lost with the operator's process, and found again."""

    confirmed: dict[str, dict[ObjectId, Exposed]] = field(default_factory=dict)
    """Incarnation of a pod -> what it serves, as it was asked for."""
    withdrawn: dict[ObjectId, Exposed] = field(default_factory=dict)
    """What was served once, is wanted no longer and was not yet seen to be gone."""
    stale_shape: str | None = None
    stale_since: float = 0.0
    """Since when (monotonic) the caches have not known the shape."""

    def note_wanted(self, wanted: Sequence[Exposed], pods: Sequence[ReadyPod], doubted: Collection[Claimant]) -> None:
        """Forget pods that are gone and what was seen of doubted claimants; note what is withdrawn."""
        keys = {item.key for item in wanted}
        once = self.withdrawn | {key: item for seen in self.confirmed.values() for key, item in seen.items()}
        self.withdrawn = {key: item for key, item in once.items() if key not in keys}
        trusted = {item.key for item in wanted if item.claimant not in doubted}
        self.confirmed = {pod.incarnation: self._confirmed_of(pod, trusted) for pod in pods}

    def unconfirmed(self, pod: ReadyPod, wanted: Sequence[Exposed]) -> list[Exposed]:
        """Return what a pod has not been seen to serve in its present shape."""
        seen = self.confirmed[pod.incarnation]
        return [item for item in wanted if seen.get(item.key) != item]

    def served(self) -> frozenset[ObjectId]:
        """Return what every pod has been seen to serve; nothing where there is no pod."""
        seen = [frozenset(served) for served in self.confirmed.values()]
        return frozenset.intersection(*seen) if seen else frozenset()

    def _confirmed_of(self, pod: ReadyPod, trusted: Collection[ObjectId]) -> dict[ObjectId, Exposed]:
        seen = self.confirmed.get(pod.incarnation, {})
        return {key: item for key, item in seen.items() if key in trusted}

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
    wanted: Sequence[Exposed],
    credentials: Credentials,
    *,
    doubted: Collection[Claimant] = frozenset(),
) -> dict[ObjectId, Shortfall]:
    """Ask pods for what they have not been seen to serve, for `PATIENCE` seconds while their caches catch up.

    Returns what is short at the end. With nothing new there is no request at all. What belongs to `doubted` claimants,
    whose objects somebody has changed, is asked for although it was seen to be served before.
    """
    memory.note_wanted(wanted, pods, doubted)
    if not pods or not (memory.withdrawn or any(memory.unconfirmed(pod, wanted) for pod in pods)):
        return {}
    pause, deadline = _FIRST_PAUSE, time.monotonic() + PATIENCE
    async with open_session() as session:
        apis = {pod: PodApi(session, pod, credentials) for pod in pods}
        while True:
            shortfalls = await _ask_once(memory, apis, wanted)
            if not any(shortfall.is_stale for shortfall in shortfalls.values()) or time.monotonic() + pause > deadline:
                return shortfalls
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


async def _ask_once(
    memory: Memory, apis: Mapping[ReadyPod, PodApi], wanted: Sequence[Exposed]
) -> dict[ObjectId, Shortfall]:
    asked = {pod: memory.unconfirmed(pod, wanted) for pod in apis}
    found = await asyncio.gather(*(api.find_shortfalls(asked[pod]) for pod, api in apis.items() if asked[pod]))
    short = dict(zip((pod for pod in apis if asked[pod]), found, strict=True))
    for pod, shortfalls in short.items():
        memory.confirmed[pod.incarnation] = {
            **memory.confirmed[pod.incarnation],
            **{item.key: item for item in asked[pod] if item.key not in shortfalls},
        }
        for key in shortfalls:
            memory.confirmed[pod.incarnation].pop(key, None)
    withdrawn = tuple(memory.withdrawn.values())
    lingering = await asyncio.gather(*(api.find_lingering(withdrawn) for api in apis.values()))
    still_there = {key for found in lingering for key in found}
    memory.withdrawn = {item.key: item for item in withdrawn if item.key in still_there}
    return {key: shortfall for found in (*short.values(), *lingering) for key, shortfall in found.items()}
