"""Tables with their columns, constraints and indexes, named as they will be in Postgres."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pgcraft_core.schema.base import ObjectId, ObjectKind, QualifiedName, SchemaModel, SchemaObject
from pgcraft_core.sql.identifiers import named

ReferentialAction = Literal["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"]
Deferral = Literal["NOT DEFERRABLE", "INITIALLY IMMEDIATE", "INITIALLY DEFERRED"]


class Column(SchemaModel):
    """A column; `type` is the canonical type name, `default` and `generated` are SQL expressions.

    A retained column is one its author no longer declares: it keeps its data until its removal is approved, and
    accepts NULL, so that writers who do not know it go on working.
    """

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    identity: bool = False
    generated: str | None = None
    comment: str | None = None
    retained: bool = False
    renamed_from: str | None = Field(None, exclude=True)


class PrimaryKey(SchemaModel):
    """The primary key."""

    name: str
    columns: tuple[str, ...]


class Unique(SchemaModel):
    """A unique constraint."""

    name: str
    columns: tuple[str, ...]
    nulls_not_distinct: bool = False
    comment: str | None = None


class Check(SchemaModel):
    """A check constraint over one SQL expression."""

    name: str
    expression: str
    comment: str | None = None


class ForeignKey(SchemaModel):
    """A foreign key."""

    name: str
    columns: tuple[str, ...]
    target_schema: str
    target_table: str
    target_columns: tuple[str, ...]
    on_delete: ReferentialAction = "NO ACTION"
    on_update: ReferentialAction = "NO ACTION"
    deferral: Deferral = "NOT DEFERRABLE"
    comment: str | None = None

    @property
    def target(self) -> QualifiedName:
        """The referenced table."""
        return QualifiedName(self.target_schema, self.target_table)


Constraint = PrimaryKey | Unique | Check | ForeignKey


class IndexElement(SchemaModel):
    """One key of an index: a column or a SQL expression, with an operator class where not the type's default."""

    column: str | None = None
    expression: str | None = None
    operator_class: str | None = None


class Index(SchemaModel):
    """An index that is no constraint's."""

    name: str
    elements: tuple[IndexElement, ...]
    include: tuple[str, ...] = ()
    method: str = "btree"
    unique: bool = False
    nulls_not_distinct: bool = False
    where: str | None = None
    comment: str | None = None


TriggerEvent = Literal["INSERT", "UPDATE", "DELETE", "TRUNCATE"]


class Trigger(SchemaModel):
    """A trigger of a table.

    With `columns`, only an UPDATE that sets one of them fires it. `when` is a SQL condition over OLD and NEW;
    `old_rows` and `new_rows` name the transition tables of an AFTER trigger for each statement.
    """

    name: str
    timing: Literal["BEFORE", "AFTER"]
    events: tuple[TriggerEvent, ...]
    level: Literal["ROW", "STATEMENT"]
    function_schema: str
    function_name: str
    columns: tuple[str, ...] = ()
    when: str | None = None
    old_rows: str | None = None
    new_rows: str | None = None


class Partitioning(SchemaModel):
    """Partitions of a table by a column of type timestamptz, one for each of some months of UTC, and a default one.

    `months` are those there is a partition for, as `2026-11`, ascending. With `retain_months`, partitions of months
    that ended longer ago are dropped; without, none ever is.
    """

    column: str
    months: tuple[str, ...]
    retain_months: int | None = None


class Table(SchemaObject):
    """A table, whole.

    `attributes_of` names the table of the same schema whose columns this one logs by name, in its column `attribute`.
    `open_column` is the jsonb column that takes attributes which no column is declared for.
    """

    kind: ClassVar[ObjectKind] = "table"

    schema_name: str
    name: str
    columns: tuple[Column, ...]
    primary_key: PrimaryKey | None = None
    uniques: tuple[Unique, ...] = ()
    checks: tuple[Check, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    partitioning: Partitioning | None = None
    attributes_of: str | None = None
    open_column: str | None = None
    comment: str | None = None

    @property
    def id(self) -> ObjectId:
        """Identity within the database."""
        return ObjectId("table", self.schema_name, self.name)

    @property
    def qualified_name(self) -> QualifiedName:
        """Schema and name."""
        return QualifiedName(self.schema_name, self.name)

    @property
    def keys(self) -> tuple[PrimaryKey | Unique, ...]:
        """Primary key and unique constraints, which have an index of their name."""
        return (*((self.primary_key,) if self.primary_key else ()), *self.uniques)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """All constraints, keys first and foreign keys last."""
        return (*self.keys, *self.checks, *self.foreign_keys)

    @property
    def partitions(self) -> tuple[QualifiedName, ...]:
        """The names of its partitions: the default one first, then the months in order."""
        if self.partitioning is None:
            return ()
        return (self.partition(None), *(self.partition(month) for month in self.partitioning.months))

    def partition(self, month: str | None) -> QualifiedName:
        """Return the name of a month's partition; of the default one, without a month."""
        suffix = "default" if month is None else month.replace("-", "_")
        return QualifiedName(self.schema_name, named(self.name, suffix))

    def column(self, name: str) -> Column | None:
        """Return the column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)
