"""Constraints of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Lock, Operation, Phase
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.table import Constraint, ForeignKey
from pgcraft_core.sql.identifiers import quote_identifier


@dataclass(frozen=True)
class ConstraintOperation(Operation):
    """Base of what adds or drops one constraint."""

    table: QualifiedName
    constraint: Constraint

    def _add(self) -> str:
        return f"ALTER TABLE {ddl.qualified(self.table)} ADD {ddl.constraint_definition(self.constraint)}"

    def _drop(self) -> str:
        return f"ALTER TABLE {ddl.qualified(self.table)} DROP CONSTRAINT {quote_identifier(self.constraint.name)}"


@dataclass(frozen=True)
class AddConstraint(ConstraintOperation):
    """Add a key, unique or check constraint to a table that is there."""

    phase: ClassVar[Phase] = Phase.ADD_CONSTRAINTS
    lock: ClassVar[Lock] = "AccessExclusive"

    def upgrade(self) -> list[str]:
        """ADD CONSTRAINT."""
        return [self._add()]

    def downgrade(self) -> list[str]:
        """DROP CONSTRAINT."""
        return [self._drop()]

    def describe(self) -> str:
        """Sentence for people."""
        return f"add constraint {self.constraint.name} to {self.table}"


@dataclass(frozen=True)
class DropConstraint(ConstraintOperation):
    """Drop a key, unique or check constraint."""

    phase: ClassVar[Phase] = Phase.DROP_CONSTRAINTS
    lock: ClassVar[Lock] = "AccessExclusive"

    def upgrade(self) -> list[str]:
        """DROP CONSTRAINT."""
        return [self._drop()]

    def downgrade(self) -> list[str]:
        """ADD CONSTRAINT."""
        return [self._add()]

    def describe(self) -> str:
        """Sentence for people."""
        return f"drop constraint {self.constraint.name} of {self.table}"


@dataclass(frozen=True)
class AddForeignKey(AddConstraint):
    """Add a foreign key, after every table of the group is there."""

    phase: ClassVar[Phase] = Phase.ADD_FOREIGN_KEYS
    lock: ClassVar[Lock] = "ShareRowExclusive"

    def describe(self) -> str:
        """Sentence for people."""
        target = f" to {self.constraint.target}" if isinstance(self.constraint, ForeignKey) else ""
        return f"add foreign key {self.constraint.name} from {self.table}{target}"


@dataclass(frozen=True)
class DropForeignKey(DropConstraint):
    """Drop a foreign key, before the key it points at."""

    phase: ClassVar[Phase] = Phase.DROP_FOREIGN_KEYS


@dataclass(frozen=True)
class RenameConstraint(Operation):
    """Rename a constraint, and the index it may have."""

    table: QualifiedName
    before: str
    after: str

    phase: ClassVar[Phase] = Phase.RENAME_CONSTRAINTS
    lock: ClassVar[Lock] = "AccessExclusive"

    def upgrade(self) -> list[str]:
        """RENAME CONSTRAINT."""
        return [self._rename(self.before, self.after)]

    def downgrade(self) -> list[str]:
        """RENAME CONSTRAINT back."""
        return [self._rename(self.after, self.before)]

    def _rename(self, before: str, after: str) -> str:
        names = f"{quote_identifier(before)} TO {quote_identifier(after)}"
        return f"ALTER TABLE {ddl.qualified(self.table)} RENAME CONSTRAINT {names}"

    def describe(self) -> str:
        """Sentence for people."""
        return f"rename constraint {self.before} of {self.table} to {self.after}"


@dataclass(frozen=True)
class CommentConstraint(Operation):
    """Change the comment on a constraint."""

    table: QualifiedName
    constraint: str
    comment: str | None
    before: str | None = None

    phase: ClassVar[Phase] = Phase.COMMENTS
    lock: ClassVar[Lock] = "ShareUpdateExclusive"

    def upgrade(self) -> list[str]:
        """COMMENT ON CONSTRAINT."""
        return [self._comment(self.comment)]

    def downgrade(self) -> list[str]:
        """COMMENT ON CONSTRAINT with the comment before."""
        return [self._comment(self.before)]

    def _comment(self, comment: str | None) -> str:
        return ddl.comment_on(f"CONSTRAINT {quote_identifier(self.constraint)} ON {ddl.qualified(self.table)}", comment)

    def describe(self) -> str:
        """Sentence for people."""
        return f"comment on constraint {self.constraint} of {self.table}"
