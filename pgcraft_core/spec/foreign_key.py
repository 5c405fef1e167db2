"""Foreign keys: what a column or several columns reference, and what happens when the referenced row goes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pgcraft_core.spec.annotations import Rule
from pgcraft_core.spec.base import (
    ColumnNames,
    Comment,
    KubernetesName,
    NamespaceName,
    PostgresName,
    SchemaName,
    SpecModel,
)

ReferentialAction = Literal["NoAction", "Restrict", "Cascade", "SetNull", "SetDefault"]
Deferral = Literal["NotDeferrable", "InitiallyImmediate", "InitiallyDeferred"]


class TableReference(SpecModel):
    """A table that exists beside the dimensions, managed by somebody else."""

    schema_: SchemaName = Field(alias="schema", description="Schema of the table.")
    name: PostgresName = Field(description="Name of the table.")


class Target(SpecModel):
    """What a foreign key points at: a dimension of the same database, or any table."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.dimension) != has(self.table)",
            "Give either a dimension or a table to reference: exactly one of the two.",
            lambda target: (target.dimension is None) != (target.table is None),
        ),
        Rule(
            "!has(self.__namespace__) || has(self.dimension)",
            "namespace says where a dimension is; a table is found by its schema.",
            lambda target: target.namespace is None or target.dimension is not None,
            path="namespace",
            reason="FieldValueForbidden",
        ),
    )

    dimension: KubernetesName | None = Field(None, description="Name of the referenced Dimension.")
    namespace: NamespaceName | None = Field(
        None, description="Namespace of the referenced Dimension; the resource's own namespace where absent."
    )
    table: TableReference | None = Field(None, description="A referenced table that no Dimension declares.")


class ColumnReference(Target):
    """A foreign key of one column."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Target.rules,
        Rule(
            "!has(self.table) || has(self.column)",
            "A reference to a table says which column: give column.",
            lambda reference: reference.table is None or reference.column is not None,
            path="column",
            reason="FieldValueRequired",
        ),
    )

    column: PostgresName | None = Field(
        None, description="Referenced column; the dimension's primary key where absent (required for a table)."
    )
    on_delete: ReferentialAction = Field("NoAction", description="What a DELETE of the referenced row does here.")
    on_update: ReferentialAction = Field("NoAction", description="What an UPDATE of the referenced key does here.")
    deferrable: Deferral = Field("NotDeferrable", description="When the constraint is checked.")


class ForeignKeyTarget(Target):
    """The referenced side of a composite foreign key."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Target.rules,
        Rule(
            "!has(self.table) || has(self.columns)",
            "A reference to a table says which columns: give columns.",
            lambda reference: reference.table is None or reference.columns is not None,
            path="columns",
            reason="FieldValueRequired",
        ),
    )

    columns: ColumnNames | None = Field(
        None,
        description="Referenced columns in order; the dimension's primary key where absent (required for a table).",
    )


class ForeignKey(SpecModel):
    """A foreign key of one or more columns."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.references.columns) || self.references.columns.size() == self.columns.size()",
            "A foreign key references as many columns as it has.",
            lambda key: key.references.columns is None or len(key.references.columns) == len(key.columns),
            path="references.columns",
        ),
    )

    name: PostgresName = Field(description="Name within the dimension; the table's name is put before it.")
    columns: ColumnNames = Field(description="Referencing columns in order.")
    references: ForeignKeyTarget = Field(description="What they reference.")
    on_delete: ReferentialAction = Field("NoAction", description="What a DELETE of the referenced row does here.")
    on_update: ReferentialAction = Field("NoAction", description="What an UPDATE of the referenced key does here.")
    deferrable: Deferral = Field("NotDeferrable", description="When the constraint is checked.")
    comment: Comment | None = Field(None, description="Comment on the constraint.")
