"""Long runs say what they are doing, short ones are silent."""

import asyncio
from collections.abc import Collection

from pgcraft_core.schema.unit import Claimant
from pgcraft_operator.outcome import Progressing
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.progress import Progress

AIRPORTS = Claimant("Dimension", "geo", "airports")
PLANNING = Progressing(Reason.PLANNING, "comparing")
APPLYING = Progressing(Reason.APPLYING, "adding a column")


class Told:
    """What was announced, and when writing it ended."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[Progressing] = asyncio.Queue()
        self.may_end = asyncio.Event()
        self.ended: list[Progressing] = []

    async def __call__(self, stage: Progressing, claimants: Collection[Claimant]) -> None:
        assert list(claimants) == [AIRPORTS]
        self.begun.put_nowait(stage)
        await self.may_end.wait()
        self.ended.append(stage)


async def test_a_short_run_is_silent() -> None:
    told = Told()
    async with Progress(told, patience=60) as progress:
        await progress.report(PLANNING, [AIRPORTS])
    assert told.begun.empty()


async def test_a_long_run_tells_its_stage_and_every_later_one_at_once() -> None:
    told = Told()
    told.may_end.set()
    async with Progress(told, patience=0.01) as progress, asyncio.timeout(5):
        await progress.report(PLANNING, [AIRPORTS])
        assert await told.begun.get() == PLANNING
        await progress.report(APPLYING, [AIRPORTS])
        assert told.ended == [PLANNING, APPLYING]


async def test_the_end_of_a_run_waits_for_what_is_being_written() -> None:
    told = Told()
    async with Progress(told, patience=0.01) as progress, asyncio.timeout(5):
        await progress.report(PLANNING, [AIRPORTS])
        await told.begun.get()
        asyncio.get_running_loop().call_later(0.05, told.may_end.set)
    assert told.ended == [PLANNING]
