"""Says what a long run is doing; a run that ends within a second says nothing until its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from types import TracebackType
from typing import Self

from pgcraft_core.schema.unit import Claimant
from pgcraft_operator.cluster import ClusterError
from pgcraft_operator.outcome import Progressing

logger = logging.getLogger(__name__)

_PATIENCE = 1.0  # seconds

Announce = Callable[[Progressing, Collection[Claimant]], Awaitable[None]]


class Progress:
    """Announces the latest stage once the run has taken a second, and every later one at once."""

    def __init__(self, announce: Announce, patience: float = _PATIENCE) -> None:
        self._announce = announce
        self._patience = patience
        self._stage: tuple[Progressing, Collection[Claimant]] | None = None
        self._is_slow = False
        self._timer: asyncio.Task[None] | None = None

    async def report(self, stage: Progressing, claimants: Collection[Claimant]) -> None:
        """Note the stage the run has come to, and whom it concerns."""
        self._stage = (stage, claimants)
        if self._is_slow:
            await self._tell()

    async def __aenter__(self) -> Self:
        self._timer = asyncio.create_task(self._wait())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is None:
            return
        if not self._is_slow:
            self._timer.cancel()
        # What is being written is let through: the end of the run compares with what was written before it.
        with contextlib.suppress(asyncio.CancelledError):
            await self._timer

    async def _wait(self) -> None:
        await asyncio.sleep(self._patience)
        self._is_slow = True
        await self._tell()

    async def _tell(self) -> None:
        if self._stage is None:
            return
        try:
            await self._announce(*self._stage)
        except ClusterError as error:
            logger.debug("progress was not announced: %s", error)  # the end of the run will be, or is retried
