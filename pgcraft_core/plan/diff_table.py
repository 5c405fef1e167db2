"""From one state of a table to another: the operations between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from pgcraft_core.plan.ddl import Constraint
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.column import (
    AddColumn,
    AlterColumnType,
    CommentColumn,
    DropColumn,
    DropGeneration,
    RenameColumn,
    ReplaceGeneratedColumn,
    SetColumnDefault,
    SetIdentity,
    SetNullable,
)
from pgcraft_core.plan.operations.constraint import (
    AddConstraint,
    AddForeignKey,
    CommentConstraint,
    DropConstraint,
    DropForeignKey,
)
from pgcraft_core.plan.operations.index import CommentIndex, CreateIndex, DropIndex
from pgcraft_core.plan.operations.table import CommentTable, CreateTable
from pgcraft_core.schema.table import Check, Column, ForeignKey, Index, Table

_Part = TypeVar("_Part", Constraint, Index)


def retain_columns(applied: Table | None, desired: Table) -> Table:
    """Return `desired` with the columns that are applied but no longer declared, which keep their data.

    A retained column accepts NULL, so that writers who do not know it go on working; an identity column generates its
    values and stays as it is.
    """
    if applied is None:
        return desired
    declared = {column.name for column in desired.columns}
    renamed = {column.renamed_from for column in desired.columns if applied.column(column.name) is None}
    kept = tuple(
        column.model_copy(update={"retained": True, "nullable": not column.identity})
        for column in applied.columns
        if column.name not in declared | renamed
    )
    return desired.model_copy(update={"columns": desired.columns + kept})


def diff_table(applied: Table | None, goal: Table) -> list[Operation]:
    """Return the operations that lead from `applied` (None: nothing is there) to `goal`.

    Columns are matched by name; where `renamed_from` names an applied column, it is renamed instead of replaced.
    Columns that are in `applied` only are left alone: removing data is `diff_removed_columns`' business.
    """
    if applied is None:
        return _create(goal)
    operations: list[Operation] = []
    before = {column.name: column for column in applied.columns}
    for column in goal.columns:
        old_name = column.renamed_from
        if old_name in before and column.name not in before:
            operations.append(RenameColumn(goal.id, goal.qualified_name, before=old_name, after=column.name))
            before[column.name] = before.pop(old_name).model_copy(update={"name": column.name})

    replaced: set[str] = set()
    for column in goal.columns:
        old = before.get(column.name)
        if old is None:
            operations.append(AddColumn(goal.id, goal.qualified_name, column))
            operations += _comment_column(goal, column)
        elif old != column:
            changes = _alter_column(goal, old, column)
            operations += changes
            if any(isinstance(change, ReplaceGeneratedColumn) for change in changes):
                replaced.add(column.name)

    operations += _diff_constraints(goal, _constraints(applied), _constraints(goal), replaced)
    operations += _diff_indexes(goal, applied.indexes, goal.indexes, replaced)
    if applied.comment != goal.comment:
        operations.append(CommentTable(goal.id, goal.qualified_name, goal.comment, applied.comment))
    return operations


def diff_removed_columns(current: Table, desired: Table) -> list[Operation]:
    """Return the operations that drop the retained columns of `current`, with their data."""
    return [
        DropColumn(current.id, current.qualified_name, column)
        for column in current.columns
        if column.retained and desired.column(column.name) is None
    ]


def _create(goal: Table) -> list[Operation]:
    name = goal.qualified_name
    operations: list[Operation] = [CreateTable(goal.id, goal)]
    operations += [AddForeignKey(goal.id, name, key) for key in goal.foreign_keys]
    operations += [CreateIndex(goal.id, name, index) for index in goal.indexes]
    if goal.comment is not None:
        operations.append(CommentTable(goal.id, name, goal.comment))
    for column in goal.columns:
        operations += _comment_column(goal, column)
    for constraint in _constraints(goal):
        operations += _comment_constraint(goal, constraint)
    for index in goal.indexes:
        operations += _comment_index(goal, index)
    return operations


def _comment_column(table: Table, column: Column) -> list[Operation]:
    if column.comment is None:
        return []
    return [CommentColumn(table.id, table.qualified_name, column.name, column.comment)]


def _comment_constraint(table: Table, constraint: Constraint) -> list[Operation]:
    comment = _comment_of(constraint)
    return [CommentConstraint(table.id, table.qualified_name, constraint.name, comment)] if comment is not None else []


def _comment_index(table: Table, index: Index) -> list[Operation]:
    if index.comment is None:
        return []
    return [CommentIndex(table.id, table.qualified_name, index.name, index.comment)]


def _alter_column(table: Table, old: Column, new: Column) -> list[Operation]:
    name, target = table.qualified_name, table.id
    operations: list[Operation] = []
    if new.generated is not None and (old.generated != new.generated or old.type != new.type):
        # What a generated column holds follows from other columns, so it is computed anew instead of converted.
        operations.append(ReplaceGeneratedColumn(target, name, old, new))
        return operations + _comment_column(table, new)
    if old.generated is not None and new.generated is None:
        operations.append(DropGeneration(target, name, new.name, before=old.generated))
    if old.identity and not new.identity:
        operations.append(SetIdentity(target, name, new.name, identity=False))
    if old.type != new.type:
        operations.append(AlterColumnType(target, name, old, new))
    elif old.default != new.default:
        operations.append(SetColumnDefault(target, name, new.name, new.default, before=old.default))
    if old.nullable != new.nullable:
        operations.append(SetNullable(target, name, new.name, nullable=new.nullable))
    if new.identity and not old.identity:
        operations.append(SetIdentity(target, name, new.name, identity=True))
    if old.comment != new.comment:
        operations.append(CommentColumn(target, name, new.name, new.comment, old.comment))
    return operations


def _constraints(table: Table) -> list[Constraint]:
    key = [table.primary_key] if table.primary_key else []
    return [*key, *table.uniques, *table.checks, *table.foreign_keys]


def _diff_constraints(
    table: Table, applied: Iterable[Constraint], goal: Iterable[Constraint], replaced: set[str]
) -> list[Operation]:
    operations: list[Operation] = []
    name, target = table.qualified_name, table.id
    gone, added, recommented = _compare(list(applied), list(goal), replaced)
    for constraint in gone:
        drop = DropForeignKey if isinstance(constraint, ForeignKey) else DropConstraint
        operations.append(drop(target, name, constraint))
    for constraint in added:
        add = AddForeignKey if isinstance(constraint, ForeignKey) else AddConstraint
        operations.append(add(target, name, constraint))
        operations += _comment_constraint(table, constraint)
    for old, new in recommented:
        operations.append(CommentConstraint(target, name, new.name, _comment_of(new), _comment_of(old)))
    return operations


def _diff_indexes(table: Table, applied: Sequence[Index], goal: Sequence[Index], replaced: set[str]) -> list[Operation]:
    operations: list[Operation] = []
    name, target = table.qualified_name, table.id
    gone, added, recommented = _compare(list(applied), list(goal), replaced)
    operations += [DropIndex(target, name, index) for index in gone]
    for index in added:
        operations.append(CreateIndex(target, name, index))
        operations += _comment_index(table, index)
    for old, new in recommented:
        operations.append(CommentIndex(target, name, new.name, new.comment, old.comment))
    return operations


def _compare(
    applied: list[_Part], goal: list[_Part], replaced: set[str]
) -> tuple[list[_Part], list[_Part], list[tuple[_Part, _Part]]]:
    """Return what is gone, what is new (both, for what changed), and pairs that differ in their comment only."""
    before = {part.name: part for part in applied}
    after = {part.name: part for part in goal}
    gone = [part for part in applied if part.name not in after or _differs(part, after[part.name], replaced)]
    added = [part for part in goal if part.name not in before or _differs(before[part.name], part, replaced)]
    recommented = [
        (before[part.name], part)
        for part in goal
        if part not in added and _comment_of(before[part.name]) != _comment_of(part)
    ]
    return gone, added, recommented


def _differs(old: Constraint | Index, new: Constraint | Index, replaced: set[str]) -> bool:
    """Whether a part must be made anew: its definition changed, or a column it may stand on is replaced."""
    without_comment = {"comment": None}
    return (
        type(old) is not type(new)
        or old.model_copy(update=without_comment) != new.model_copy(update=without_comment)
        or any(_may_use(new, column) for column in replaced)
    )


def _may_use(part: Constraint | Index, column: str) -> bool:
    """Whether a part may stand on a column; errs towards yes for expressions, where making it anew only costs time."""
    if isinstance(part, Check):
        return column in part.expression
    if isinstance(part, Index):
        texts = [element.expression or "" for element in part.elements] + [part.where or ""]
        names = [element.column for element in part.elements] + list(part.include)
        return column in names or any(column in text for text in texts)
    return column in part.columns


def _comment_of(part: Constraint | Index) -> str | None:
    return getattr(part, "comment", None)
