"""Indexes of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Lock, Operation, Phase
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.table import Index
from pgcraft_core.sql.identifiers import qualify, quote_identifier


@dataclass(frozen=True)
class IndexOperation(Operation):
    """Base of what makes or drops one index."""

    table: QualifiedName
    index: Index

    def _create(self) -> str:
        return ddl.create_index(self.table, self.index)

    def _drop(self) -> str:
        return f"DROP INDEX {qualify(self.table.schema, self.index.name)}"


@dataclass(frozen=True)
class CreateIndex(IndexOperation):
    """Make an index."""

    phase: ClassVar[Phase] = Phase.CREATE_INDEXES
    lock: ClassVar[Lock] = "Share"

    def upgrade(self) -> list[str]:
        """CREATE INDEX."""
        return [self._create()]

    def downgrade(self) -> list[str]:
        """DROP INDEX."""
        return [self._drop()]

    def describe(self) -> str:
        """Sentence for people."""
        return f"create index {self.index.name} on {self.table}"


@dataclass(frozen=True)
class DropIndex(IndexOperation):
    """Drop an index."""

    phase: ClassVar[Phase] = Phase.DROP_CONSTRAINTS
    lock: ClassVar[Lock] = "AccessExclusive"

    def upgrade(self) -> list[str]:
        """DROP INDEX."""
        return [self._drop()]

    def downgrade(self) -> list[str]:
        """CREATE INDEX."""
        return [self._create()]

    def describe(self) -> str:
        """Sentence for people."""
        return f"drop index {self.index.name} of {self.table}"


@dataclass(frozen=True)
class RenameIndex(Operation):
    """Rename an index."""

    table: QualifiedName
    before: str
    after: str

    phase: ClassVar[Phase] = Phase.RENAME_CONSTRAINTS
    lock: ClassVar[Lock] = "ShareUpdateExclusive"

    def upgrade(self) -> list[str]:
        """ALTER INDEX RENAME."""
        return [self._rename(self.before, self.after)]

    def downgrade(self) -> list[str]:
        """ALTER INDEX RENAME back."""
        return [self._rename(self.after, self.before)]

    def _rename(self, before: str, after: str) -> str:
        return f"ALTER INDEX {qualify(self.table.schema, before)} RENAME TO {quote_identifier(after)}"

    def describe(self) -> str:
        """Sentence for people."""
        return f"rename index {self.before} of {self.table} to {self.after}"


@dataclass(frozen=True)
class CommentIndex(Operation):
    """Change the comment on an index."""

    table: QualifiedName
    index: str
    comment: str | None
    before: str | None = None

    phase: ClassVar[Phase] = Phase.COMMENTS
    lock: ClassVar[Lock] = "ShareUpdateExclusive"

    def upgrade(self) -> list[str]:
        """COMMENT ON INDEX."""
        return [ddl.comment_on(f"INDEX {qualify(self.table.schema, self.index)}", self.comment)]

    def downgrade(self) -> list[str]:
        """COMMENT ON INDEX with the comment before."""
        return [ddl.comment_on(f"INDEX {qualify(self.table.schema, self.index)}", self.before)]

    def describe(self) -> str:
        """Sentence for people."""
        return f"comment on index {self.index} of {self.table}"
