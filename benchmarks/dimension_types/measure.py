"""Measuring: many short slices of each subject in turn, so that whatever else the machine does falls on all alike."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime

from benchmarks.dimension_types.cases import Case
from benchmarks.dimension_types.draw import Draw
from benchmarks.dimension_types.prepared import Clock, Prepared, StatementError
from benchmarks.dimension_types.subject import OURS, PEER, PLAIN, DimensionType, Subject

_WARM = 8
"""Executions before the first slice: after five, Postgres may choose a generic plan."""

_AT_LEAST = 3


class UnequalAnswersError(Exception):
    """Two subjects answer a question differently, so that comparing their times would mean nothing."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure: slices of a case, milliseconds of each, and seconds after which a subject gets no more.

    What takes longer gets `_AT_LEAST` slices all the same, but for the peer, whose statements are cancelled then.
    """

    slices: int = 60
    slice_ms: float = 8
    limit_s: float = 8
    clock: Clock = "wall"


@dataclass(slots=True)
class Timing:
    """Seconds an execution took, one figure a slice; or why there is none."""

    slices: list[float] = field(default_factory=list)
    missing: str | None = None

    @property
    def median(self) -> float | None:
        """The seconds of one execution."""
        return statistics.median(self.slices) if self.slices else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What a case cost each subject, by name."""

    dimension_type: DimensionType
    size: int
    case: Case
    timings: dict[str, Timing]

    def ratio(self, name: str) -> float | None:
        """Return the median of the ratios of neighbouring slices to the plain table's."""
        ratios = self._ratios(name)
        return statistics.median(ratios) if ratios else None

    def spread(self, name: str) -> tuple[float, float] | None:
        """Return the quartiles of these ratios."""
        ratios = self._ratios(name)
        if len(ratios) < 4:
            return None
        low, _, high = statistics.quantiles(ratios, n=4)
        return low, high

    @property
    def meets(self) -> bool:
        """Whether our ratio, to two decimals, is at most the bar; true where there is none."""
        ratio = self.ratio(OURS)
        return self.bar is None or ratio is None or round(ratio, 2) <= self.bar

    @property
    def bar(self) -> float | None:
        """The most our ratio may be."""
        return self.case.bars.get(self.dimension_type)

    def _ratios(self, name: str) -> list[float]:
        if name not in self.timings:
            return []
        pairs = zip(self.timings[name].slices, self.timings[PLAIN].slices, strict=False)
        return [ours / plain for ours, plain in pairs]


def measure(
    case: Case,
    subjects: Sequence[Subject],
    dimension_type: DimensionType,
    size: int,
    instant: datetime,
    role: str,
    pace: Pace,
) -> Measured:
    """Measure a case on every subject that can do it.

    Raises `StatementError` where ours or the plain table cannot, `UnequalAnswersError` where answers differ.
    """
    timings = {subject.name: Timing() for subject in subjects}
    with ExitStack() as stack:
        runs: list[_Run] = []
        for subject in subjects:
            relation = subject.relations.get(case.relation)
            if relation is None:
                timings[subject.name].missing = subject.lacks.get(case.relation, "has none")
                continue
            draw = stack.enter_context(closing(Draw(subject, size, instant)))
            if case.writes:
                draw.tidy()
            statement = case.statement.format(relation=relation)
            timeout_ms = int(pace.limit_s * 1000) if subject.name == PEER else 0
            try:
                prepared = stack.enter_context(Prepared(subject.url, role, statement, pace.clock, timeout_ms))
            except StatementError as error:
                _note(subject.name, timings[subject.name], error)
            else:
                runs.append(_Run(case, subject.name, prepared, draw, timings[subject.name]))
        if not case.writes:
            _compare(case, runs)
        for run in runs:
            run.warm(pace)
        for number in range(pace.slices):
            # Whoever comes first finds the caches as the other left them: take turns.
            for run in runs if number % 2 else reversed(runs):
                run.slice(number, pace)
    return Measured(dimension_type, size, case, timings)


@dataclass(slots=True)
class _Run:
    """One subject under measurement."""

    case: Case
    name: str
    prepared: Prepared
    draw: Draw
    timing: Timing
    executions: int = 1
    spent: float = 0.0

    def warm(self, pace: Pace) -> None:
        """Execute until plans and caches have settled, and learn how many executions fill a slice."""
        self.draw.start_over(-1)
        for _ in range(_WARM):
            took = self._time(1)
            if took is None:
                return
            self.executions = max(1, round(pace.slice_ms / 1000 / took))
            if self.spent > pace.limit_s / 4:
                return

    def slice(self, number: int, pace: Pace) -> None:
        """Measure one slice, unless this subject has failed or used up its time."""
        enough = self.name == PEER or len(self.timing.slices) >= _AT_LEAST
        if self.timing.missing or (enough and self.spent > pace.limit_s):
            return
        self.draw.start_over(number)
        took = self._time(self.executions)
        if took is not None:
            self.timing.slices.append(took)

    def _time(self, executions: int) -> float | None:
        """Return the seconds of one execution; a failure of the peer's is noted, another's raised."""
        calls = self.case.draws(self.draw, executions)
        try:
            took = self.prepared.seconds(calls)
        except StatementError as error:
            _note(self.name, self.timing, error)
            return None
        self.spent += took
        return took / executions


def _note(name: str, timing: Timing, error: StatementError) -> None:
    """Note that the peer cannot; that we or the plain table cannot is an error."""
    if name != PEER:
        raise error
    timing.missing = str(error).strip().splitlines()[0].removeprefix("ERROR:").strip()


def _compare(case: Case, runs: Sequence[_Run]) -> None:
    answers = {}
    for run in runs:
        run.draw.start_over(0)
        (parameters,) = case.draws(run.draw, 1)
        try:
            answers[run.name] = run.prepared.answer(parameters)
        except StatementError as error:
            _note(run.name, run.timing, error)
    expected = answers[PLAIN]
    for name, answer in answers.items():
        if answer != expected:
            example = next((pair for pair in zip(answer, expected, strict=False) if pair[0] != pair[1]), None)
            counts = f"{len(answer)} rows instead of {len(expected)}"
            raise UnequalAnswersError(f"{case.name}: {name} answers {counts}; the first that differ: {example}")
