"""Dirty marks and one task a Database: debounced, level-based, retried with back-off; knows nothing of Kubernetes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

logger = logging.getLogger(__name__)


class DatabaseKey(NamedTuple):
    """Names a Database resource, whether it exists or not."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """`platform/warehouse`, the form used in messages and logs."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is left to do; look again in `resync` seconds, or only when marked."""

    resync: float | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Something is awaited that no event announces; look again in `after` seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class Retry:
    """The run failed in a way that may pass: look again with growing pauses."""


@dataclass(frozen=True, slots=True)
class Gone:
    """There is nothing to reconcile here any more; the task ends until the next mark."""


Verdict = Settled | Again | Retry | Gone
Run = Callable[[DatabaseKey], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of the hub, in seconds."""

    quiet: float = 0.075
    """How long no further mark may come before a run starts."""
    longest: float = 0.5
    """How long marks can put off a run at most."""
    first_retry: float = 5.0
    last_retry: float = 300.0
    jitter: float = 0.2
    """Largest part of a pause that is added to it at random, so that failing databases do not retry in step."""

    def retry_after(self, failures: int) -> float:
        """Return the pause after so many failures in a row, the first being 1."""
        pause = min(self.first_retry * 2.0 ** min(failures - 1, 16), self.last_retry)
        return pause * (1 + random.uniform(0, self.jitter))  # noqa: S311 - spreads load, hides nothing


@dataclass(slots=True)
class _Lane:
    """One Database: whether it is marked, and how often in a row its runs failed."""

    marked: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    task: asyncio.Task[None] | None = None


class Hub:
    """Starts `run` for every marked Database: never two at once for one, any number for several.

    A mark during a run starts another run after it. Nothing that a run raises ends its task.
    """

    def __init__(self, run: Run, pace: Pace | None = None) -> None:
        self._run = run
        self._pace = pace or Pace()
        self._lanes: dict[DatabaseKey, _Lane] = {}
        self._closed = False

    def mark(self, key: DatabaseKey) -> None:
        """Note that something about a Database changed: O(1), and a new start for its back-off."""
        if self._closed:
            return
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
            lane.task = asyncio.create_task(self._serve(key, lane), name=f"database {key}")
        lane.failures = 0
        lane.marked.set()

    @property
    def databases(self) -> frozenset[DatabaseKey]:
        """The Databases that have a task."""
        return frozenset(self._lanes)

    @property
    def healthy(self) -> bool:
        """Whether every task is still running, as they all should until the hub is closed."""
        return self._closed or all(lane.task and not lane.task.done() for lane in self._lanes.values())

    async def close(self) -> None:
        """Stop taking marks, cancel what runs, and return once every run has really ended."""
        self._closed = True
        tasks = [lane.task for lane in self._lanes.values() if lane.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, key: DatabaseKey, lane: _Lane) -> None:
        pause: float | None = None
        while True:
            await self._await_turn(lane, pause)
            verdict = await self._attempt(key)
            match verdict:
                case Gone():
                    if not lane.marked.is_set():
                        del self._lanes[key]  # no await since the check, so no mark is lost
                        return
                    pause = None
                case Settled(resync):
                    lane.failures, pause = 0, resync
                case Again(after):
                    lane.failures, pause = 0, after
                case Retry():
                    lane.failures += 1
                    pause = self._pace.retry_after(lane.failures)
                    if not lane.marked.is_set():
                        logger.info("database %s: next attempt in %.0f s", key, pause, extra={"database": str(key)})
                case _:
                    assert_never(verdict)

    async def _attempt(self, key: DatabaseKey) -> Verdict:
        try:
            return await self._run(key)
        except Exception:
            logger.exception("database %s: the run ended unexpectedly", key, extra={"database": str(key)})
            return Retry()

    async def _await_turn(self, lane: _Lane, pause: float | None) -> None:
        """Return when the pause is over, or marks came and then were quiet; clears the mark."""
        if not await _within(lane.marked, pause):
            return
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._pace.longest
        while True:
            lane.marked.clear()
            if not await _within(lane.marked, min(self._pace.quiet, latest - loop.time())):
                return


async def _within(event: asyncio.Event, seconds: float | None) -> bool:
    """Return whether the event was set before so many seconds had passed; for ever where None."""
    if seconds is not None and seconds <= 0:
        return False
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
