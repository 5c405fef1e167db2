"""How rows are identified and what must be true of them: primary key, unique and check constraints."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pgcraft_core.spec.annotations import Rule
from pgcraft_core.spec.base import ColumnName, ColumnNames, Comment, Expression, PostgresName, SpecModel

KeyStrategy = Literal["Identity", "UUIDv7", "UUIDv4", "Natural"]


class PrimaryKey(SpecModel):
    """How rows are identified."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.strategy) || self.strategy != 'Natural' || has(self.columns)",
            "A Natural key is made of declared columns: give columns.",
            lambda key: key.strategy != "Natural" or key.columns is not None,
            path="columns",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.columns) || (has(self.strategy) && self.strategy == 'Natural')",
            "Only a Natural key has columns: set strategy to Natural, or name the generated key by column.",
            lambda key: key.columns is None or key.strategy == "Natural",
            path="columns",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.column) || !has(self.strategy) || self.strategy != 'Natural'",
            "column names a generated key; a Natural key lists its columns in columns.",
            lambda key: key.column is None or key.strategy != "Natural",
            path="column",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.type) || !has(self.strategy) || self.strategy == 'Identity'",
            "type is for Identity keys; the other strategies have a type of their own.",
            lambda key: key.type is None or key.strategy == "Identity",
            path="type",
            reason="FieldValueForbidden",
        ),
    )

    strategy: KeyStrategy = Field(
        "Identity",
        description="Identity (generated bigint), UUIDv7 (time-ordered, also before Postgres 18), UUIDv4, or Natural "
        "(declared columns).",
    )
    column: ColumnName | None = Field(
        None, description="Name of the generated key column, `id` where absent; not with Natural."
    )
    type: Literal["smallint", "integer", "bigint"] | None = Field(
        None, description="Integer type of an Identity key, `bigint` where absent."
    )
    columns: ColumnNames | None = Field(None, description="Declared columns that form a Natural key.")


class Unique(SpecModel):
    """A unique constraint over several columns."""

    name: PostgresName = Field(description="Name within the dimension; the table's name is put before it.")
    columns: ColumnNames = Field(description="Columns that are unique together.")
    nulls_not_distinct: bool = Field(False, description="Whether two NULLs count as equal.")
    comment: Comment | None = Field(None, description="Comment on the constraint.")


class Check(SpecModel):
    """A check constraint over the row."""

    name: PostgresName = Field(description="Name within the dimension; the table's name is put before it.")
    expression: Expression = Field(description="One boolean SQL expression over this table's columns.")
    comment: Comment | None = Field(None, description="Comment on the constraint.")
