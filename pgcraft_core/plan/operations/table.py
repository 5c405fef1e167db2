"""Whole tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Lock, Operation, Phase
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.table import Table


@dataclass(frozen=True)
class CreateTable(Operation):
    """Make a table with its columns, key, unique and check constraints; its foreign keys and indexes follow."""

    table: Table

    phase: ClassVar[Phase] = Phase.CREATE_TABLES

    def upgrade(self) -> list[str]:
        """CREATE TABLE."""
        return [ddl.create_table(self.table)]

    def downgrade(self) -> list[str]:
        """DROP TABLE."""
        return [f"DROP TABLE {ddl.qualified(self.table.qualified_name)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"create table {self.table.qualified_name} with {len(self.table.columns)} columns"


@dataclass(frozen=True)
class CommentTable(Operation):
    """Change the comment on a table."""

    table: QualifiedName
    comment: str | None
    before: str | None = None

    phase: ClassVar[Phase] = Phase.COMMENTS
    lock: ClassVar[Lock] = "ShareUpdateExclusive"

    def upgrade(self) -> list[str]:
        """COMMENT ON TABLE."""
        return [ddl.comment_on(f"TABLE {ddl.qualified(self.table)}", self.comment)]

    def downgrade(self) -> list[str]:
        """COMMENT ON TABLE with the comment before."""
        return [ddl.comment_on(f"TABLE {ddl.qualified(self.table)}", self.before)]

    def describe(self) -> str:
        """Sentence for people."""
        return f"comment on table {self.table}"
