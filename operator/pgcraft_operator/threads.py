"""Blocking calls off the event loop, which nobody abandons: a cancelled caller waits until its thread has ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_MOST = 64
"""Databases worked on at once; in asyncio's own pool (six threads on two cores) one would wait for another."""


class Threads:
    """The threads that hold database connections."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(_MOST, thread_name_prefix="pgcraft-session")

    async def run(self, call: Callable[[], T], *, cancel: Callable[[], None] | None = None) -> T:
        """Return what `call` returns, or raise what it raises.

        When the awaiting task is cancelled, `cancel` is called (in a thread of its own, for it may talk to the server)
        to make `call` end early, and the cancellation goes on only after `call` has really ended.
        """
        work = asyncio.get_running_loop().run_in_executor(self._executor, call)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            interruption = None if cancel is None else asyncio.create_task(asyncio.to_thread(cancel))
            while not work.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([work])
            if interruption is not None:
                await asyncio.wait([interruption])
                interruption.exception()  # retrieved: the server may be gone, and the call has ended anyway
            if not work.cancelled():
                work.exception()  # retrieved: the cancellation is what the caller hears of
            raise

    def close(self) -> None:
        """Let the threads go; none of them runs any more once every caller has returned."""
        self._executor.shutdown(wait=False)
