"""Columns of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Lock, Operation, Phase
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.table import Column
from pgcraft_core.sql.identifiers import quote_identifier


@dataclass(frozen=True)
class ColumnOperation(Operation):
    """Base of what alters one column of one table."""

    table: QualifiedName

    lock: ClassVar[Lock] = "AccessExclusive"

    @property
    def alter(self) -> str:
        """`ALTER TABLE name`, with which nearly every statement here begins."""
        return f"ALTER TABLE {ddl.qualified(self.table)}"


@dataclass(frozen=True)
class AddColumn(ColumnOperation):
    """Add a column."""

    column: Column

    phase: ClassVar[Phase] = Phase.ADD_COLUMNS

    def upgrade(self) -> list[str]:
        """ADD COLUMN."""
        return [f"{self.alter} ADD COLUMN {ddl.column_definition(self.column)}"]

    def downgrade(self) -> list[str]:
        """DROP COLUMN."""
        return [f"{self.alter} DROP COLUMN {quote_identifier(self.column.name)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"add column {self.column.name} ({self.column.type}) to {self.table}"


@dataclass(frozen=True)
class AddGeneratedColumn(AddColumn):
    """Add a column that Postgres computes from others."""

    phase: ClassVar[Phase] = Phase.ADD_GENERATED_COLUMNS

    def describe(self) -> str:
        """Sentence for people."""
        return f"compute column {self.column.name} of {self.table} as {self.column.generated}"


@dataclass(frozen=True)
class DropColumn(ColumnOperation):
    """Remove a column with its data."""

    column: Column

    phase: ClassVar[Phase] = Phase.DROP_COLUMNS

    def upgrade(self) -> list[str]:
        """DROP COLUMN, without CASCADE."""
        return [f"{self.alter} DROP COLUMN {quote_identifier(self.column.name)}"]

    def downgrade(self) -> list[str]:
        """ADD COLUMN, empty."""
        return [f"{self.alter} ADD COLUMN {ddl.column_definition(self.column)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"drop column {self.column.name} of {self.table}"


@dataclass(frozen=True)
class DropGeneratedColumn(DropColumn):
    """Remove a generated column, which is computed anew later: its values follow from others and nothing is lost."""

    phase: ClassVar[Phase] = Phase.DROP_GENERATION

    def describe(self) -> str:
        """Sentence for people."""
        return f"drop generated column {self.column.name} of {self.table}, to compute it anew"


@dataclass(frozen=True)
class RenameColumn(ColumnOperation):
    """Rename a column; its data, constraints and indexes stay."""

    before: str
    after: str

    phase: ClassVar[Phase] = Phase.RENAME_COLUMNS

    def upgrade(self) -> list[str]:
        """RENAME COLUMN."""
        return [f"{self.alter} RENAME COLUMN {quote_identifier(self.before)} TO {quote_identifier(self.after)}"]

    def downgrade(self) -> list[str]:
        """RENAME COLUMN back."""
        return [f"{self.alter} RENAME COLUMN {quote_identifier(self.after)} TO {quote_identifier(self.before)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"rename column {self.before} of {self.table} to {self.after}"


@dataclass(frozen=True)
class AlterColumnType(ColumnOperation):
    """Change a column's type by casting its values; a default is dropped before and set again after."""

    before: Column
    after: Column

    phase: ClassVar[Phase] = Phase.ALTER_COLUMNS

    def upgrade(self) -> list[str]:
        """ALTER COLUMN TYPE with an explicit cast."""
        return self._alter(self.before, self.after)

    def downgrade(self) -> list[str]:
        """ALTER COLUMN TYPE back."""
        return self._alter(self.after, self.before)

    def _alter(self, old: Column, new: Column) -> list[str]:
        name = quote_identifier(self.after.name)
        drop = [f"{self.alter} ALTER COLUMN {name} DROP DEFAULT"] if old.default is not None else []
        restore = (
            [f"{self.alter} ALTER COLUMN {name} SET DEFAULT {ddl.default_clause(new.default)}"]
            if new.default is not None
            else []
        )
        return [*drop, f"{self.alter} ALTER COLUMN {name} TYPE {new.type} USING {name}::{new.type}", *restore]

    def describe(self) -> str:
        """Sentence for people."""
        return f"change column {self.after.name} of {self.table} from {self.before.type} to {self.after.type}"


@dataclass(frozen=True)
class SetColumnDefault(ColumnOperation):
    """Set or remove a default; rows that are there keep their values."""

    column: str
    default: str | None
    before: str | None

    phase: ClassVar[Phase] = Phase.ALTER_COLUMNS

    def upgrade(self) -> list[str]:
        """SET DEFAULT or DROP DEFAULT."""
        return [self._set(self.default)]

    def downgrade(self) -> list[str]:
        """The default before."""
        return [self._set(self.before)]

    def _set(self, default: str | None) -> str:
        name = quote_identifier(self.column)
        if default is None:
            return f"{self.alter} ALTER COLUMN {name} DROP DEFAULT"
        return f"{self.alter} ALTER COLUMN {name} SET DEFAULT {ddl.default_clause(default)}"

    def describe(self) -> str:
        """Sentence for people."""
        if self.default is None:
            return f"remove the default of column {self.column} of {self.table}"
        return f"set the default of column {self.column} of {self.table} to {self.default}"


@dataclass(frozen=True)
class SetNullable(ColumnOperation):
    """Let a column accept NULL, or stop it from doing so."""

    column: str
    nullable: bool

    phase: ClassVar[Phase] = Phase.ALTER_COLUMNS

    def upgrade(self) -> list[str]:
        """DROP NOT NULL or SET NOT NULL."""
        return [self._set(nullable=self.nullable)]

    def downgrade(self) -> list[str]:
        """The opposite."""
        return [self._set(nullable=not self.nullable)]

    def _set(self, *, nullable: bool) -> str:
        return f"{self.alter} ALTER COLUMN {quote_identifier(self.column)} {'DROP' if nullable else 'SET'} NOT NULL"

    def describe(self) -> str:
        """Sentence for people."""
        verb = "let" if self.nullable else "stop"
        rest = "accept NULL" if self.nullable else "from accepting NULL"
        return f"{verb} column {self.column} of {self.table} {rest}"


@dataclass(frozen=True)
class SetIdentity(ColumnOperation):
    """Make Postgres generate a column's values, or stop it; the sequence goes on after what the rows hold."""

    column: str
    identity: bool

    phase: ClassVar[Phase] = Phase.ALTER_COLUMNS

    def upgrade(self) -> list[str]:
        """ADD GENERATED with the sequence set behind what is there, or DROP IDENTITY."""
        return self._set(identity=self.identity)

    def downgrade(self) -> list[str]:
        """The opposite."""
        return self._set(identity=not self.identity)

    def _set(self, *, identity: bool) -> list[str]:
        name = quote_identifier(self.column)
        if not identity:
            return [f"{self.alter} ALTER COLUMN {name} DROP IDENTITY"]
        table = ddl.qualified(self.table)
        sequence = f"pg_get_serial_sequence({ddl.quote_literal(table)}, {ddl.quote_literal(self.column)})"
        return [
            f"{self.alter} ALTER COLUMN {name} ADD GENERATED BY DEFAULT AS IDENTITY",
            f"SELECT setval({sequence}, coalesce(max({name}), 0) + 1, false) FROM {table}",
        ]

    def describe(self) -> str:
        """Sentence for people."""
        verb = "generate" if self.identity else "stop generating"
        return f"{verb} the values of column {self.column} of {self.table}"


@dataclass(frozen=True)
class DropGeneration(ColumnOperation):
    """Turn a generated column into an ordinary one; its values stay."""

    column: str
    before: str

    phase: ClassVar[Phase] = Phase.DROP_GENERATION

    def upgrade(self) -> list[str]:
        """DROP EXPRESSION."""
        return [f"{self.alter} ALTER COLUMN {quote_identifier(self.column)} DROP EXPRESSION"]

    def downgrade(self) -> list[str]:
        """Nothing: Postgres cannot make a column generated again."""
        return []

    def describe(self) -> str:
        """Sentence for people."""
        return f"make generated column {self.column} of {self.table} an ordinary one"


@dataclass(frozen=True)
class ReplaceByGeneratedColumn(ColumnOperation):
    """Put a generated column in the place of an ordinary one, whose values go."""

    before: Column
    after: Column

    phase: ClassVar[Phase] = Phase.ADD_GENERATED_COLUMNS

    def upgrade(self) -> list[str]:
        """DROP COLUMN and ADD COLUMN in one statement, which rewrites the table once."""
        return [self._replace(self.after)]

    def downgrade(self) -> list[str]:
        """The same with the definition before; its values are lost."""
        return [self._replace(self.before)]

    def _replace(self, column: Column) -> str:
        name = quote_identifier(column.name)
        return f"{self.alter} DROP COLUMN {name}, ADD COLUMN {ddl.column_definition(column)}"

    def describe(self) -> str:
        """Sentence for people."""
        return f"replace column {self.after.name} of {self.table} by {self.after.generated}"


@dataclass(frozen=True)
class CommentColumn(ColumnOperation):
    """Change the comment on a column."""

    column: str
    comment: str | None
    before: str | None = None

    phase: ClassVar[Phase] = Phase.COMMENTS
    lock: ClassVar[Lock] = "ShareUpdateExclusive"

    def upgrade(self) -> list[str]:
        """COMMENT ON COLUMN."""
        return [self._comment(self.comment)]

    def downgrade(self) -> list[str]:
        """COMMENT ON COLUMN with the comment before."""
        return [self._comment(self.before)]

    def _comment(self, comment: str | None) -> str:
        return ddl.comment_on(f"COLUMN {ddl.qualified(self.table)}.{quote_identifier(self.column)}", comment)

    def describe(self) -> str:
        """Sentence for people."""
        return f"comment on column {self.column} of {self.table}"
