"""The table whose past is kept, as far as the SQL that keeps it must know it."""

from __future__ import annotations

from dataclasses import dataclass

from pgcraft_core.plugins.primary_key import key_columns
from pgcraft_core.plugins.vocabulary import CompileContext
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.function import EachColumn
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.sql.identifiers import named, qualify, quote_identifier


@dataclass(frozen=True, slots=True)
class Subject:
    """A current table by name, its key columns, and the role that owns what is made."""

    schema: str
    table: str
    key: tuple[str, ...]
    owner: str

    @classmethod
    def of(cls, dimension: Dimension, context: CompileContext) -> Subject:
        """Return what a dimension's table will be called, keyed and owned by."""
        owner = context.database.spec.owner or named(context.database_name, "owner")
        return cls(dimension.spec.schema_, dimension.table_name, key_columns(dimension), owner)

    @property
    def name(self) -> QualifiedName:
        """Schema and name of the current table, for messages."""
        return QualifiedName(self.schema, self.table)

    def derived(self, suffix: str) -> str:
        """Return the name of what stands beside the table, unqualified and unquoted: `airports_history`."""
        return named(self.table, suffix)

    def sql(self, suffix: str | None = None) -> str:
        """Return the table, or what stands beside it under `suffix`, as qualified SQL."""
        return qualify(self.schema, self.table if suffix is None else self.derived(suffix))

    def each_column(
        self, text: str, separator: str = ", ", besides: tuple[str, ...] = (), *, generated: bool = True
    ) -> EachColumn:
        """Return a piece of SQL for each column the current table will have."""
        return EachColumn(
            schema_name=self.schema,
            table=self.table,
            text=text,
            separator=separator,
            besides=besides,
            generated=generated,
        )

    def same_key(self, left: str, right: str, operator: str = "=") -> str:
        """Return the condition that two rows, by alias, have the same key."""
        parts = (f"{left}.{quoted} {operator} {right}.{quoted}" for quoted in map(quote_identifier, self.key))
        return " AND ".join(parts)

    def key_of(self, row: str) -> str:
        """Return the key of a row, by alias, as one value: a column, or several as a row."""
        columns = ", ".join(f"{row}.{quote_identifier(column)}" for column in self.key)
        return columns if len(self.key) == 1 else f"({columns})"
