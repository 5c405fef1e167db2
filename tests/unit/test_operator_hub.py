"""The hub: marks in, runs out, one at a time for each Database."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pgcraft_operator.hub import Again, DatabaseKey, Gone, Hub, Pace, Retry, Settled, Verdict

WAREHOUSE = DatabaseKey("platform", "warehouse")
SHOP = DatabaseKey("platform", "shop")
QUICK = Pace(quiet=0.01, longest=0.05, first_retry=0.02, last_retry=0.08, jitter=0.0)


@dataclass
class Runs:
    """A run that counts, and gives the verdicts it was told to, `Settled` when none is left."""

    verdicts: list[Verdict | Exception] = field(default_factory=list)
    begun: list[DatabaseKey] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    most_at_once: dict[DatabaseKey, int] = field(default_factory=dict)
    running: list[DatabaseKey] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: int = 0

    def __post_init__(self) -> None:
        self.hold.set()

    async def __call__(self, key: DatabaseKey) -> Verdict:
        self.running.append(key)
        self.most_at_once[key] = max(self.most_at_once.get(key, 0), self.running.count(key))
        self.times.append(asyncio.get_running_loop().time())
        async with self.changed:
            self.begun.append(key)
            self.changed.notify_all()
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running.remove(key)
        verdict = self.verdicts.pop(0) if self.verdicts else Settled()
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(holds)


async def test_many_marks_are_one_run() -> None:
    runs = Runs()
    hub = Hub(runs, QUICK)
    for _ in range(200):
        hub.mark(WAREHOUSE)
    await runs.until(lambda: len(runs.begun) == 1)
    await asyncio.sleep(0.1)  # long enough for a second run, had there been one
    assert runs.begun == [WAREHOUSE]
    await hub.close()


async def test_marks_that_never_pause_do_not_put_off_a_run_for_ever() -> None:
    runs = Runs()
    hub = Hub(runs, QUICK)

    async def keep_marking() -> None:
        while True:
            hub.mark(WAREHOUSE)
            await asyncio.sleep(0.002)

    marking = asyncio.create_task(keep_marking())
    await runs.until(lambda: len(runs.begun) >= 2)
    marking.cancel()
    await hub.close()


async def test_a_mark_during_a_run_starts_another_after_it_and_never_two_at_once() -> None:
    runs = Runs()
    hub = Hub(runs, QUICK)
    runs.hold.clear()
    hub.mark(WAREHOUSE)
    await runs.until(lambda: len(runs.begun) == 1)
    hub.mark(WAREHOUSE)
    hub.mark(WAREHOUSE)
    await asyncio.sleep(0.1)
    assert len(runs.begun) == 1
    runs.hold.set()
    await runs.until(lambda: len(runs.begun) == 2)
    await asyncio.sleep(0.1)
    assert len(runs.begun) == 2
    assert runs.most_at_once[WAREHOUSE] == 1
    await hub.close()


async def test_one_database_does_not_wait_for_another() -> None:
    runs = Runs()
    hub = Hub(runs, QUICK)
    runs.hold.clear()
    hub.mark(WAREHOUSE)
    await runs.until(lambda: runs.running == [WAREHOUSE])
    hub.mark(SHOP)
    await runs.until(lambda: sorted(runs.running) == [SHOP, WAREHOUSE])
    runs.hold.set()
    await hub.close()


async def test_an_exception_ends_no_task_and_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    runs = Runs(verdicts=[ZeroDivisionError("a bug"), Settled()])
    hub = Hub(runs, QUICK)
    hub.mark(WAREHOUSE)
    await runs.until(lambda: len(runs.begun) == 2)
    assert hub.healthy
    assert "a bug" in caplog.text
    await hub.close()


async def test_failures_are_retried_with_growing_pauses() -> None:
    runs = Runs(verdicts=[Retry(), Retry(), Retry(), Settled()])
    hub = Hub(runs, QUICK)
    hub.mark(WAREHOUSE)
    await runs.until(lambda: len(runs.begun) == 4)
    pauses = [later - earlier for earlier, later in zip(runs.times, runs.times[1:], strict=False)]
    assert [pause >= least for pause, least in zip(pauses, (0.02, 0.04, 0.08), strict=True)] == [True] * 3
    await hub.close()


async def test_a_mark_ends_the_pause_after_a_failure_and_starts_the_pauses_anew() -> None:
    runs = Runs(verdicts=[Retry(), Retry(), Settled()])
    hub = Hub(runs, Pace(quiet=0.01, longest=0.05, first_retry=60.0, last_retry=60.0))
    hub.mark(WAREHOUSE)
    await runs.until(lambda: len(runs.begun) == 1)
    for expected in (2, 3):
        hub.mark(WAREHOUSE)
        await runs.until(lambda expected=expected: len(runs.begun) == expected)
    await hub.close()


def test_pauses_double_from_five_seconds_to_five_minutes() -> None:
    pace = Pace(jitter=0.0)
    assert [pace.retry_after(failures) for failures in (1, 2, 3, 4, 5, 6, 7, 8, 1000)] == [
        *(5, 10, 20, 40, 80, 160, 300, 300, 300)
    ]
    assert 5 <= Pace().retry_after(1) <= 6


async def test_a_settled_database_is_looked_at_again_after_its_interval() -> None:
    runs = Runs(verdicts=[Settled(resync=0.02), Again(after=0.02)])
    hub = Hub(runs, QUICK)
    hub.mark(WAREHOUSE)
    await runs.until(lambda: len(runs.begun) == 3)
    await hub.close()


async def test_a_database_that_is_gone_has_no_task_until_it_is_marked_again() -> None:
    runs = Runs(verdicts=[Gone(), Settled()])
    hub = Hub(runs, QUICK)
    hub.mark(WAREHOUSE)
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == f"database {WAREHOUSE}"]
    async with asyncio.timeout(5):
        await task
    assert not hub.databases
    hub.mark(WAREHOUSE)
    await runs.until(lambda: len(runs.begun) == 2)
    assert hub.databases == {WAREHOUSE}
    await hub.close()


async def test_closing_cancels_what_runs_and_takes_no_more_marks() -> None:
    runs = Runs()
    hub = Hub(runs, QUICK)
    runs.hold.clear()
    hub.mark(WAREHOUSE)
    await runs.until(lambda: len(runs.begun) == 1)
    await hub.close()
    assert (runs.cancelled, runs.running) == (1, [])
    hub.mark(SHOP)
    assert SHOP not in hub.databases
