"""What should have been recorded: the effects of statements on a few rows, in the order in which they took place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

ATTRIBUTES = ("a", "n", "doc")


class Row(NamedTuple):
    """The declared values of a thing; the document as its text, since json has no equality."""

    a: str | None = None
    n: int | None = None
    doc: str | None = None

    def texts(self) -> tuple[str | None, ...]:
        """Return the values as Postgres writes them."""
        return tuple(None if value is None else str(value) for value in self)


State = Mapping[int, Row]


@dataclass(frozen=True)
class Effect:
    """One row as one command left it; None where it was deleted."""

    position: int
    key: int
    row: Row | None
    actor: str


@dataclass(frozen=True)
class Version:
    """A row from one effect to the next; `operation` and `closed_by` are None while it stands."""

    row: Row
    changed_by: str
    operation: str | None
    closed_by: str | None


@dataclass(frozen=True)
class Held:
    """A value an attribute held; `closed_by` is None while it stands."""

    value: str
    changed_by: str
    closed_by: str | None


@dataclass
class Model:
    """All that was committed, and the instants between which it took place."""

    effects: list[Effect] = field(default_factory=list)
    instants: list[tuple[int, datetime]] = field(default_factory=list)
    position: int = 0

    def commit(self, effects: Iterable[Effect]) -> None:
        """Take in what a transaction did."""
        self.effects.extend(effects)

    def note(self, instant: datetime) -> None:
        """Remember that whatever was done so far lies before the instant, and whatever comes behind it."""
        self.instants.append((self.position, instant))

    def state(self, position: int | None = None) -> dict[int, Row]:
        """Return the rows after that many effects, of those that were committed sooner or later."""
        rows = {
            effect.key: effect.row
            for effect in sorted(self.effects, key=lambda effect: effect.position)
            if position is None or effect.position <= position
        }
        return {key: row for key, row in rows.items() if row is not None}

    def entities(self) -> list[int]:
        """Return the key of every row there ever was."""
        return sorted({effect.key for effect in self.effects})

    def changes(self, key: int) -> list[Effect]:
        """Return the effects on one row that changed it."""
        effects = sorted((effect for effect in self.effects if effect.key == key), key=lambda effect: effect.position)
        absent = Effect(-1, key, None, "")
        return [after for before, after in pairwise([absent, *effects]) if before.row != after.row]

    def versions(self, key: int) -> list[Version]:
        """Return the versions of one row, oldest first."""
        changes: list[Effect | None] = [*self.changes(key), None]
        versions = []
        for effect, end in pairwise(changes):
            if effect is None or effect.row is None:
                continue
            operation = None if end is None else "DELETE" if end.row is None else "UPDATE"
            versions.append(Version(effect.row, effect.actor, operation, None if end is None else end.actor))
        return versions

    def held(self, key: int, attribute: str) -> list[Held]:
        """Return the values one attribute of one row held, oldest first."""
        held: list[Held] = []
        before: tuple[str, str] | None = None
        for effect in self.changes(key):
            row = effect.row
            value = None if row is None else row.texts()[ATTRIBUTES.index(attribute)]
            if before is not None and before[0] == value:
                continue
            if before is not None:
                held.append(Held(*before, closed_by=effect.actor))
            before = None if value is None else (value, effect.actor)
        return held if before is None else [*held, Held(*before, closed_by=None)]


@dataclass
class Transaction:
    """What a transaction did so far; `mark` is how much of it before its last savepoint."""

    effects: list[Effect] = field(default_factory=list)
    mark: int | None = None
