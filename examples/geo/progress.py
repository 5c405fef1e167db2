"""How a load shows where it is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Advance: TypeAlias = Callable[[int], None]
"""Called with the number of rows written since the last call."""

Track: TypeAlias = Callable[[str, int], AbstractContextManager[Advance]]
"""Called with a table's name and its number of rows; the context is the time its writing takes."""

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def show_progress(console: Console) -> Generator[Track, None, None]:
    """Give the way to follow tables on this console."""
    if not console.is_terminal:
        yield track_by_lines
        return
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:

        @contextmanager
        def track_by_bar(name: str, total: int) -> Generator[Advance, None, None]:
            task = progress.add_task(name, total=total)
            yield lambda count: progress.advance(task, count)
            progress.stop_task(task)

        yield track_by_bar


@contextmanager
def track_by_lines(name: str, total: int) -> Generator[Advance, None, None]:
    """Print a line at the start, and one now and then while it goes on."""
    print(f"{name}: writing {total:,} rows", flush=True)
    done = 0
    printed_at = time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, printed_at
        done += count
        if time.monotonic() - printed_at >= SECONDS_BETWEEN_LINES:
            print(f"{name}: {done:,} of {total:,} rows", flush=True)
            printed_at = time.monotonic()

    yield advance
