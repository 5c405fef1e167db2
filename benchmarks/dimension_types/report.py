"""The figures as text: what everything costs as a ratio to hand-written tables, and whether that grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.dimension_types.measure import Measured
from benchmarks.dimension_types.subject import OURS, PEER, PLAIN

_HEAD = f"{'':26}{'plain':>11}{'ours':>11}{'ratio':>8}  {'quartiles':13}{'bar':>5}  {'':8}"


def table(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield the lines of the table of one type and size."""
    first = measured[0]
    with_peer = any(PEER in item.timings for item in measured)
    notes: dict[str, int] = {}
    yield f"{first.dimension_type}, {first.size:,} entities; microseconds of one execution"
    yield _HEAD + (f"{PEER:>14}{'ratio':>9}" if with_peer else "")
    for item in measured:
        yield (_line(item) + (_peer(item, notes) if with_peer else "")).rstrip()
    for note, number in notes.items():
        yield f"[{number}] {note}"


def growth(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield the lines that show how each ratio moves with the number of entities."""
    sizes = sorted({item.size for item in measured})
    ratios = {(item.dimension_type, item.case.name, item.size): item.ratio(OURS) for item in measured}
    yield "Our ratio by number of entities: what grows here grows faster than on a plain table"
    yield f"{'':38}" + "".join(f"{size:>11,}" for size in sizes) + f"{'last/first':>12}"
    for kind, name in dict.fromkeys((kind, name) for kind, name, _ in ratios):
        row = [ratio for size in sizes if (ratio := ratios.get((kind, name, size))) is not None]
        if len(row) == len(sizes):
            yield f"{kind + ' ' + name:38}" + "".join(f"{ratio:>11.2f}" for ratio in row) + f"{row[-1] / row[0]:>12.2f}"


def verdict(measured: Sequence[Measured]) -> str:
    """Return one sentence on how many bars are met, and which are not."""
    judged = [item for item in measured if item.bar is not None]
    missed = [
        f"{item.dimension_type} {item.case.name} at {item.size:,} ({_ratio(item.ratio(OURS))} > {item.bar})"
        for item in judged
        if not item.meets
    ]
    return f"{len(judged) - len(missed)} of {len(judged)} bars met" + (f"; not: {', '.join(missed)}" if missed else "")


def _line(item: Measured) -> str:
    ratio, spread = item.ratio(OURS), item.spread(OURS)
    met = "" if item.bar is None else "met" if item.meets else "NOT MET"
    quartiles = f"{spread[0]:.2f} to {spread[1]:.2f}" if spread else ""
    bar = f"{item.bar:.1f}" if item.bar else ""
    return (
        f"{item.case.name:26}{_time(item, PLAIN):>11}{_time(item, OURS):>11}"
        f"{_ratio(ratio):>8}  {quartiles:13}{bar:>5}  {met:8}"
    )


def _peer(item: Measured, notes: dict[str, int]) -> str:
    timing = item.timings[PEER]
    if timing.missing:
        number = notes.setdefault(timing.missing, len(notes) + 1)
        return f"{f'[{number}]':>14}"
    return f"{_time(item, PEER):>14}{_ratio(item.ratio(PEER)):>9}"


def _time(item: Measured, name: str) -> str:
    timing = item.timings.get(name)
    median = timing.median if timing else None
    return "" if median is None else f"{median * 1e6:,.1f}" if median < 0.001 else f"{median * 1e6:,.0f}"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}" if ratio < 100 else f"{ratio:,.0f}"
