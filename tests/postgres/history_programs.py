"""Programs of statements, from one session and from several at once, run against Postgres and a model side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.postgres.history_model import Effect, Model, Row, Transaction
from tests.postgres.history_statements import TABLE, VIEW, Relation, Simple, Statement, simple, statements
from tests.postgres.history_world import Stage, Writer

NOBODY = "postgres"
"""Who acts where no JWT claims say it: the session's user."""

_EXAMPLES = os.environ.get("PGCRAFT_EXAMPLES")
EXAMPLES = settings(
    max_examples=int(_EXAMPLES or 30),
    derandomize=_EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
"""The same few programs every time; `PGCRAFT_EXAMPLES=1000` looks for new ones."""


class Control(Enum):
    """What else a session does."""

    BEGIN = "BEGIN"
    COMMIT = "COMMIT"
    ROLLBACK = "ROLLBACK"
    SAVEPOINT = "SAVEPOINT s"
    ROLLBACK_TO = "ROLLBACK TO s"


@dataclass(frozen=True)
class Said:
    """A statement, where it is said and by whom."""

    statement: Statement
    relation: Relation = TABLE
    actor: str | None = None


RELATIONS: st.SearchStrategy[Any] = st.sampled_from([TABLE, VIEW])
ACTORS = st.sampled_from([None, "ann", "bob"])
_CONTROLS = st.sampled_from(list(Control))


def programs() -> st.SearchStrategy[list[Control | Said]]:
    """Make what one session does."""
    said = st.builds(Said, statements(), RELATIONS, ACTORS)
    return st.lists(st.one_of(said, said, said, _CONTROLS), min_size=8, max_size=20)


@dataclass(frozen=True)
class Interleaved:
    """What several sessions do in turn, whether each reads as of its beginning, and how they end, in which order."""

    steps: list[tuple[int, Control | Said]]
    repeatable: tuple[bool, bool, bool]
    ends: list[tuple[int, Control]]


@st.composite
def interleaved(draw: st.DrawFn) -> Interleaved:
    """Make what three sessions do."""
    said = st.builds(Said, simple(conflicts=["fail"]), RELATIONS, ACTORS)
    control = st.sampled_from(
        [Control.COMMIT, Control.COMMIT, Control.ROLLBACK, Control.SAVEPOINT, Control.ROLLBACK_TO]
    )
    steps = draw(st.lists(st.tuples(st.integers(0, 2), st.one_of(said, said, control)), min_size=12, max_size=40))
    repeatable = draw(st.tuples(*[st.sampled_from([False, False, True])] * 3))
    order = draw(st.permutations(range(3)))
    ends = [(number, draw(st.sampled_from([Control.COMMIT, Control.COMMIT, Control.ROLLBACK]))) for number in order]
    return Interleaved(steps, repeatable, ends)


def run_alone(stage: Stage, world: int, program: Sequence[Control | Said]) -> Model:
    """Let one session do all of it, and see that each statement leaves the rows it should."""
    stage.clear()
    writer, model, transaction = stage.writers[0], Model(), None
    merges_into_views = writer.connection.info.server_version >= 170000
    for step in [*program, Control.COMMIT]:
        match step:
            case Said(statement, relation, actor):
                if not isinstance(statement, Simple) and not merges_into_views:
                    relation = TABLE
                now = model.state()
                for effect in transaction.effects if transaction else ():
                    now = {key: row for key, row in {**now, effect.key: effect.row}.items() if row is not None}
                effects = list(statement.effects(now))
                found = writer.act(statement, world, relation, actor)
                if isinstance(statement, Simple):
                    assert sorted(found, key=repr) == sorted(effects, key=repr), step
                done = [_numbered(model, key, row, actor) for key, row in effects]
                if transaction is None:
                    model.commit(done)
                else:
                    transaction.effects.extend(done)
            case Control():
                transaction = _controlled(writer, model, transaction, step)
        model.note(stage.now())
    return model


def run_together(stage: Stage, world: int, program: Interleaved) -> Model:
    """Let three sessions do it in turn; one that waits for another does nothing more until it need not wait.

    What a statement did is what it says it did (RETURNING): whom it found, having waited, is Postgres's business.
    """
    stage.clear()
    run = _Together(stage, world, program.repeatable)
    for number, step in program.steps:
        run.step(number, step)
    for number, control in program.ends * 3:  # who waited for another ends in a later round
        run.step(number, control)
    assert not run.open, "nobody waits for ever"
    return run.model


_LOST_RACES = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
)


class _Together:
    """Several sessions at work."""

    def __init__(self, stage: Stage, world: int, repeatable: tuple[bool, ...]) -> None:
        self._stage, self._world, self._repeatable = stage, world, repeatable
        self.model = Model()
        self.open: dict[Writer, Transaction] = {}
        self._actors: dict[Writer, str | None] = {}

    def step(self, number: int, step: Control | Said) -> None:
        """Let a session do something, unless it waits for another; then see who is through."""
        writer = self._stage.writers[number]
        if writer.running is not None:
            return
        match step:
            case Said(statement, relation, actor):
                assert isinstance(statement, Simple)
                if writer not in self.open:
                    level = "REPEATABLE READ" if self._repeatable[number] else "READ COMMITTED"
                    writer.control(f"BEGIN ISOLATION LEVEL {level}")
                    self.open[writer] = Transaction()
                self._actors[writer] = actor
                writer.start(statement, self._world, relation, actor)
            case Control():
                if writer in self.open:
                    left = _controlled(writer, self.model, self.open.pop(writer), step)
                    if left is not None:
                        self.open[writer] = left
        while ended := self._stage.settle():
            for one in ended:
                self._collect(one)
        if all(one.running is None for one in self._stage.writers):
            self.model.note(self._stage.now())

    def _collect(self, writer: Writer) -> None:
        assert writer.running is not None
        running, writer.running = writer.running, None
        try:
            found = running.result()
        except _LOST_RACES:
            _controlled(writer, self.model, self.open.pop(writer), Control.ROLLBACK)
            return
        for key, row in found:
            self.open[writer].effects.append(_numbered(self.model, key, row, self._actors[writer]))


def _controlled(writer: Writer, model: Model, transaction: Transaction | None, control: Control) -> Transaction | None:
    """Begin or end a transaction, where that is possible, in Postgres and in the model."""
    match control, transaction:
        case Control.BEGIN, None:
            transaction = Transaction()
        case Control.COMMIT, Transaction():
            model.commit(transaction.effects)
            transaction = None
        case Control.ROLLBACK, Transaction():
            transaction = None
        case Control.SAVEPOINT, Transaction():
            transaction.mark = len(transaction.effects)
        case Control.ROLLBACK_TO, Transaction(mark=int()):
            del transaction.effects[transaction.mark :]
        case _:
            return transaction
    writer.control(control.value)
    return transaction


def _numbered(model: Model, key: int, row: Row | None, actor: str | None) -> Effect:
    model.position += 1
    return Effect(model.position, key, row, actor or NOBODY)
