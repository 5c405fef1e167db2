"""What every operation is: an Alembic operation of ours that can say what it does before it does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Literal

from alembic.operations.ops import MigrateOperation

from pgcraft_core.plan.hazard import Hazard
from pgcraft_core.schema.base import ObjectId

Lock = Literal["None", "RowExclusive", "ShareUpdateExclusive", "Share", "ShareRowExclusive", "AccessExclusive"]
"""The strongest lock a statement takes on a table that was there before (PostgreSQL manual, "Explicit Locking")."""

Actor = Literal["owner", "login"]
"""Who runs a statement: the role that owns all objects, or the login itself, for what only CREATEROLE may do."""


class Phase(IntEnum):
    """Where an operation stands within its group; lower runs first."""

    ROLES = 10  # grants and memberships need them
    SCHEMAS = 20
    DROP_TRIGGERS = 24  # a condition pins the columns it reads
    DROP_FUNCTIONS = 26  # a function pins the relation whose rows it returns
    DROP_VIEWS = 30  # a view pins the columns it selects
    DROP_VIEW_FUNCTIONS = 32  # a view pins the functions it calls
    DROP_FOREIGN_KEYS = 40  # a foreign key pins the unique constraint it points at
    DROP_CONSTRAINTS = 50
    RENAME_COLUMNS = 55
    RENAME_CONSTRAINTS = 60
    DROP_GENERATION = 65  # a generated column pins the type of those it is computed from
    CREATE_TABLES = 70
    ADD_COLUMNS = 80
    ALTER_COLUMNS = 90
    ADD_GENERATED_COLUMNS = 95  # after all columns they may be computed from are what they are to be
    DROP_COLUMNS = 100
    ADD_CONSTRAINTS = 110
    CREATE_INDEXES = 120
    ADD_FOREIGN_KEYS = 130  # after every table and key of the group, so that cycles work
    DROP_TABLES = 140
    DROP_PARTITIONS = 142
    CREATE_VIEW_FUNCTIONS = 148  # views call them
    CREATE_VIEWS = 150
    CREATE_FUNCTIONS = 152  # the queries among them read views
    CREATE_PARTITIONS = 154  # with triggers of their own
    CREATE_TRIGGERS = 155
    BACKFILLS = 158
    GRANTS = 160
    COMMENTS = 170
    DROP_ROLES = 180


@dataclass(frozen=True)
class Operation(MigrateOperation):
    """One typed change.

    `target` is the registered object it belongs to, which need not be the one it names.
    """

    target: ObjectId

    phase: ClassVar[Phase]
    lock: ClassVar[Lock] = "None"
    actor: ClassVar[Actor] = "owner"
    is_backwards_only: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Type of the operation, for people and Migration objects: `AddColumn`."""
        return type(self).__name__

    def upgrade(self) -> Sequence[str]:
        """Return the statements that make the change, without final semicolons."""
        raise NotImplementedError

    def downgrade(self) -> Sequence[str]:
        """Return the statements that take the change back; what was lost stays lost."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return what it does, as a sentence without final full stop."""
        raise NotImplementedError


@dataclass(frozen=True)
class PlannedOperation:
    """An operation with the hazard that planning found, given the rows that are there."""

    operation: Operation
    hazard: Hazard | None = None

    @property
    def name(self) -> str:
        """Type of the operation."""
        return self.operation.name

    @property
    def target(self) -> ObjectId:
        """The registered object it belongs to."""
        return self.operation.target

    @property
    def lock(self) -> Lock:
        """Strongest lock it takes."""
        return self.operation.lock

    def describe(self) -> str:
        """Return what it does, as a sentence."""
        return self.operation.describe()
