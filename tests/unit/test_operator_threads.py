"""Threads that nobody abandons."""

import asyncio
import threading

import pytest

from pgcraft_operator.threads import Threads


async def test_a_result_and_an_error_come_back() -> None:
    threads = Threads()
    assert await threads.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    threads.close()


async def test_a_cancelled_caller_interrupts_its_thread_and_waits_for_its_end() -> None:
    threads = Threads()
    begun, interrupted, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        interrupted.wait(5)
        ended.set()

    task = asyncio.create_task(threads.run(work, cancel=interrupted.set))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    threads.close()


async def test_a_second_cancellation_does_not_abandon_the_thread() -> None:
    threads = Threads()
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait(5)
        ended.set()

    task = asyncio.create_task(threads.run(work))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
    threads.close()
