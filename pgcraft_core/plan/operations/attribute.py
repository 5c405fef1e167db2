"""What becomes of logged attributes when their columns are renamed or dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Lock, Operation, Phase
from pgcraft_core.schema.base import QualifiedName

ATTRIBUTE_COLUMN = "attribute"
"""The column of a log that names what each row is about."""


def as_backfill(statement: str) -> list[str]:
    """Return a statement that changes rows for a migration: the log refuses writes of everybody else."""
    return [
        "SELECT pg_catalog.set_config('pgcraft.backfill', 'on', true)",
        statement,
        "SELECT pg_catalog.set_config('pgcraft.backfill', '', true)",
    ]


@dataclass(frozen=True)
class RenameLoggedAttribute(Operation):
    """Give the past of an attribute its new name."""

    log: QualifiedName
    before: str
    after: str

    phase: ClassVar[Phase] = Phase.RENAME_COLUMNS
    lock: ClassVar[Lock] = "RowExclusive"

    def upgrade(self) -> list[str]:
        """UPDATE of the log."""
        return self._rename(self.before, self.after)

    def downgrade(self) -> list[str]:
        """UPDATE of the log back."""
        return self._rename(self.after, self.before)

    def _rename(self, before: str, after: str) -> list[str]:
        new, old = ddl.quote_literal(after), ddl.quote_literal(before)
        name = ATTRIBUTE_COLUMN
        return as_backfill(f"UPDATE {ddl.qualified(self.log)} SET {name} = {new} WHERE {name} = {old}")

    def describe(self) -> str:
        """Sentence for people."""
        return f"rename attribute {self.before} to {self.after} in {self.log}"


@dataclass(frozen=True)
class DropLoggedAttribute(Operation):
    """Remove the past of an attribute whose column is dropped."""

    log: QualifiedName
    attribute: str

    phase: ClassVar[Phase] = Phase.DROP_COLUMNS
    lock: ClassVar[Lock] = "RowExclusive"

    def upgrade(self) -> list[str]:
        """DELETE from the log."""
        condition = f"{ATTRIBUTE_COLUMN} = {ddl.quote_literal(self.attribute)}"
        return as_backfill(f"DELETE FROM {ddl.qualified(self.log)} WHERE {condition}")

    def downgrade(self) -> list[str]:
        """Nothing: the past is lost."""
        return []

    def describe(self) -> str:
        """Sentence for people."""
        return f"drop the past of attribute {self.attribute} from {self.log}"
