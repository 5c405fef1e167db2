"""Changes of many rows, too many for one transaction: they run in batches, each committed by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Lock, Operation, Phase
from pgcraft_core.schema.base import QualifiedName


@dataclass(frozen=True)
class Backfill(Operation):
    """Base of what changes rows in batches, as a migration of its own.

    A row is left to do while `remaining` holds for it, which the change must end: whoever is killed anywhere goes on
    with the rows that are left, and is done when there are none.
    """

    table: QualifiedName

    phase: ClassVar[Phase] = Phase.BACKFILLS
    lock: ClassVar[Lock] = "RowExclusive"

    @property
    def assignment(self) -> str:
        """What is set in each row, as SQL behind SET."""
        raise NotImplementedError

    @property
    def remaining(self) -> str:
        """The condition that says which rows are left to do, as SQL."""
        raise NotImplementedError

    def upgrade(self) -> list[str]:
        """One UPDATE, the sum of all batches; on a database that is only being made it finds nothing to do."""
        return [f"UPDATE {ddl.qualified(self.table)}\nSET {self.assignment}\nWHERE {self.remaining}"]

    def downgrade(self) -> list[str]:
        """Nothing: which rows were changed is not known."""
        return []
