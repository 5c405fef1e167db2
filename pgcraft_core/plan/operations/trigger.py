"""Triggers of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Lock, Operation, Phase
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.table import Trigger
from pgcraft_core.sql.identifiers import quote_identifier


@dataclass(frozen=True)
class TriggerOperation(Operation):
    """Base of what makes or drops one trigger."""

    table: QualifiedName
    trigger: Trigger

    def _drop(self) -> str:
        return f"DROP TRIGGER {quote_identifier(self.trigger.name)} ON {ddl.qualified(self.table)}"


@dataclass(frozen=True)
class CreateTrigger(TriggerOperation):
    """Make a trigger."""

    phase: ClassVar[Phase] = Phase.CREATE_TRIGGERS
    lock: ClassVar[Lock] = "ShareRowExclusive"

    def upgrade(self) -> list[str]:
        """CREATE TRIGGER."""
        return [ddl.create_trigger(self.table, self.trigger)]

    def downgrade(self) -> list[str]:
        """DROP TRIGGER."""
        return [self._drop()]

    def describe(self) -> str:
        """Sentence for people."""
        return f"create trigger {self.trigger.name} on {self.table}"


@dataclass(frozen=True)
class DropTrigger(TriggerOperation):
    """Drop a trigger."""

    phase: ClassVar[Phase] = Phase.DROP_TRIGGERS
    lock: ClassVar[Lock] = "AccessExclusive"

    def upgrade(self) -> list[str]:
        """DROP TRIGGER."""
        return [self._drop()]

    def downgrade(self) -> list[str]:
        """CREATE TRIGGER."""
        return [ddl.create_trigger(self.table, self.trigger)]

    def describe(self) -> str:
        """Sentence for people."""
        return f"drop trigger {self.trigger.name} of {self.table}"
