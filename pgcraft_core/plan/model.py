"""What planning gives: migrations ready to run, migrations that wait, and what is to be said of each resource."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.operations.backfill import Backfill
from pgcraft_core.plan.operations.base import PlannedOperation
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.unit import Claimant


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """What the registry says of one object before and after a migration.

    `object` is the state the object is in afterwards, None where it is gone; `before` is the fingerprint recorded now,
    None where there is no entry.
    """

    id: ObjectId
    claimant: Claimant
    object: AnyObject | None
    before: str | None
    state: Literal["managed", "released"] = "managed"

    @property
    def after(self) -> str | None:
        """The fingerprint recorded afterwards, None where the entry goes."""
        return self.object.fingerprint() if self.object is not None else None


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """What must be atomic together: it commits or fails as one."""

    operations: tuple[PlannedOperation, ...]
    changes: tuple[RegistryChange, ...]
    claimants: tuple[Claimant, ...]


@dataclass(frozen=True)
class PlannedMigration:
    """One transaction to be: groups in order."""

    groups: tuple[PlannedGroup, ...]
    needs_approval: bool = False

    @cached_property
    def plan_hash(self) -> str:
        """The SHA-256 over the state before and after, as 64 hexadecimal digits; what an approval is pinned to.

        Both states together determine the operations, but for backfills; the row evidence is not in it.
        """
        states: list[list[str | None]] = [
            [str(change.id), str(change.claimant), change.before, change.after, change.state] for change in self.changes
        ]
        states += [[*step.operation.upgrade()] for step in self.operations if isinstance(step.operation, Backfill)]
        return hashlib.sha256(json.dumps(states).encode()).hexdigest()

    @cached_property
    def message(self) -> str:
        """One line for people: the first step, and how many more there are."""
        first = _on_one_line(self.steps[0].describe())
        rest = len(self.steps) - 1
        return first if not rest else f"{first} and {rest} more {'step' if rest == 1 else 'steps'}"

    @cached_property
    def operations(self) -> tuple[PlannedOperation, ...]:
        """All steps in order."""
        return tuple(operation for group in self.groups for operation in group.operations)

    @cached_property
    def steps(self) -> tuple[PlannedOperation, ...]:
        """What is to be told of it: all operations but those that only the way back has."""
        return tuple(planned for planned in self.operations if not planned.operation.is_backwards_only)

    @cached_property
    def changes(self) -> tuple[RegistryChange, ...]:
        """All changes of the registry."""
        return tuple(change for group in self.groups for change in group.changes)

    @cached_property
    def claimants(self) -> tuple[Claimant, ...]:
        """The resources whose state it changes."""
        return tuple(dict.fromkeys(claimant for group in self.groups for claimant in group.claimants))

    @cached_property
    def sql(self) -> str:
        """The SQL for people to read, a comment before each step; the password of a login is not in it."""
        steps = [
            "\n".join([f"-- {_on_one_line(step.describe())}", *(f"{sql};" for sql in step.operation.upgrade())])
            for step in self.steps
        ]
        return "\n\n".join(steps) + "\n" if steps else ""

    def split(self) -> tuple[PlannedMigration, ...]:
        """Return one migration a group, so that each commits or fails alone."""
        return tuple(PlannedMigration((group,), self.needs_approval) for group in self.groups)


def _on_one_line(sentence: str) -> str:
    """Return a sentence without the line breaks of expressions in it, after which it would be no comment any more."""
    return " ".join(sentence.split())


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one look at a database gives.

    `applied` and `revisions` say what the registry holds for each resource now, and at which revision; `drift` are
    readable differences between what was applied and what is.
    """

    migrations: tuple[PlannedMigration, ...]
    waiting: tuple[PlannedMigration, ...]
    diagnostics: Mapping[Claimant, tuple[Diagnostic, ...]]
    drift: Mapping[Claimant, tuple[str, ...]]
    releases: tuple[Claimant, ...]
    applied: Mapping[Claimant, tuple[ObjectId, ...]]
    revisions: Mapping[Claimant, str]
    server_version: int
    database: str
    revision: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do and nothing waits."""
        return not self.migrations and not self.waiting
