"""Indexes over columns and expressions."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from pgcraft_core.spec.annotations import Rule, SetList
from pgcraft_core.spec.base import Comment, Expression, PostgresName, SpecModel


class Index(SpecModel):
    """An index over columns, expressions or both (columns first)."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.columns) && self.columns.size() > 0) || (has(self.expressions) && self.expressions.size() > 0)",
            "An index is over something: give columns, expressions or both.",
            lambda index: bool(index.columns or index.expressions),
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.nullsNotDistinct) || !self.nullsNotDistinct || (has(self.unique) && self.unique)",
            "nullsNotDistinct says what is unique: set unique as well, or leave it out.",
            lambda index: not index.nulls_not_distinct or index.unique,
            path="nullsNotDistinct",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.unique) || !self.unique || !has(self.method) || "
            "!(self.method in ['hash', 'gin', 'gist', 'spgist', 'brin'])",
            "This access method has no unique indexes: use btree, or leave unique out.",
            lambda index: not index.unique or index.method not in {"hash", "gin", "gist", "spgist", "brin"},
            path="method",
        ),
    )

    name: PostgresName = Field(description="Name within the dimension; the table's name is put before it.")
    columns: Annotated[tuple[PostgresName, ...], Field(max_length=32), SetList()] = Field(
        (), description="Indexed columns in order."
    )
    expressions: Annotated[tuple[Expression, ...], Field(max_length=8)] = Field(
        (), description="Indexed expressions, after the columns."
    )
    include: Annotated[tuple[PostgresName, ...], Field(max_length=32), SetList()] = Field(
        (), description="Further columns stored in the index for index-only scans."
    )
    method: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z_][a-z0-9_]*$")] = Field(
        "btree", description="Access method: btree, hash, gin, gist, spgist, brin or one of a declared extension."
    )
    operator_classes: Annotated[
        dict[str, Annotated[str, Field(min_length=1, max_length=127)]], Field(max_length=32)
    ] = Field(
        default_factory=dict,
        description="Operator class by column name, or by position (`0` is the first element) for an expression.",
    )
    unique: bool = Field(False, description="Whether indexed values are unique.")
    nulls_not_distinct: bool = Field(False, description="Whether two NULLs count as equal in a unique index.")
    where: Expression | None = Field(None, description="Predicate of a partial index, one expression.")
    comment: Comment | None = Field(None, description="Comment on the index.")
