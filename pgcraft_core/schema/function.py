"""Functions: trigger functions that keep history, and queries that serve it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from pgcraft_core.schema.base import ObjectId, ObjectKind, QualifiedName, SchemaModel, SchemaObject
from pgcraft_core.schema.table import Table
from pgcraft_core.sql.identifiers import quote_identifier
from pgcraft_core.sql.literals import quote_literal

TRIGGER = "trigger"
"""What a trigger function returns."""

_PLACEHOLDER = re.compile(r"\{(name|literal|type)\}")


class EachColumn(SchemaModel):
    """A piece of SQL that stands once for each column of a table, as that table will be when it is applied.

    What a resource declares is not all a table has: columns that are no longer declared are retained until their
    removal is approved, and their values still belong into history. In `text`, `{name}` is the quoted column,
    `{literal}` its name as a string and `{type}` its type. `besides` are columns left out, `generated` tells whether
    generated ones count.
    """

    schema_name: str
    table: str
    text: str
    separator: str = ""
    besides: tuple[str, ...] = ()
    generated: bool = True

    def render(self, table: Table) -> str:
        """Return the SQL for the columns the table has."""
        columns = [
            {"name": quote_identifier(column.name), "literal": quote_literal(column.name), "type": column.type}
            for column in table.columns
            if column.name not in self.besides and (self.generated or column.generated is None)
        ]
        return self.separator.join(_PLACEHOLDER.sub(lambda found: column[found[1]], self.text) for column in columns)  # noqa: B023


class Argument(SchemaModel):
    """An argument of a function."""

    name: str
    type: str


class Function(SchemaObject):
    """A function, known by its name alone: we overload none.

    `returns` is SQL (`trigger`, `SETOF geo.airports_versions`, `TABLE (…)`); `rows_of` is the relation whose row type
    it returns, which cannot be dropped before it. `public` leaves EXECUTE to everybody; otherwise only `executors` have
    it. A definer's function runs with `search_path` empty. Views call one that is `in_views`: it is there before them.
    """

    kind: ClassVar[ObjectKind] = "function"

    schema_name: str
    name: str
    arguments: tuple[Argument, ...] = ()
    returns: str = TRIGGER
    rows_of_schema: str | None = None
    rows_of_name: str | None = None
    language: Literal["sql", "plpgsql"] = "plpgsql"
    volatility: Literal["VOLATILE", "STABLE", "IMMUTABLE"] = "VOLATILE"
    security_definer: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    body: tuple[str | EachColumn, ...]
    comment: str | None = None
    public: bool = False
    in_views: bool = False
    executors: tuple[str, ...] = ()

    @property
    def id(self) -> ObjectId:
        """Identity within the database."""
        return ObjectId("function", self.schema_name, self.name)

    @property
    def qualified_name(self) -> QualifiedName:
        """Schema and name."""
        return QualifiedName(self.schema_name, self.name)

    @property
    def rows_of(self) -> QualifiedName | None:
        """The relation whose row type it returns."""
        if self.rows_of_schema is None or self.rows_of_name is None:
            return None
        return QualifiedName(self.rows_of_schema, self.rows_of_name)

    @property
    def text(self) -> str:
        """The body as SQL.

        Raises:
            ValueError: it is not completed yet.
        """
        if any(isinstance(part, EachColumn) for part in self.body):
            raise ValueError(f"{self.id} is not completed")
        return "".join(part for part in self.body if isinstance(part, str))

    def completed(self, tables: Mapping[QualifiedName, Table]) -> Function:
        """Return the function with the columns of the tables, as they will be, filled in."""
        parts = (
            part if isinstance(part, str) else part.render(tables[QualifiedName(part.schema_name, part.table)])
            for part in self.body
        )
        return self.model_copy(update={"body": ("".join(parts),)})
