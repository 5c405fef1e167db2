"""From one state of a table to another: the operations between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pgcraft_core.plan.diff_column import comment_column, diff_columns, find_renames, mentions, rename_columns
from pgcraft_core.plan.diff_trigger import create_triggers, diff_triggers
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.column import (
    AlterColumnType,
    DropColumn,
    DropGeneratedColumn,
    RenameColumn,
    ReplaceByGeneratedColumn,
)
from pgcraft_core.plan.operations.constraint import (
    AddConstraint,
    AddForeignKey,
    CommentConstraint,
    DropConstraint,
    DropForeignKey,
    RenameConstraint,
)
from pgcraft_core.plan.operations.index import CommentIndex, CreateIndex, DropIndex, RenameIndex
from pgcraft_core.plan.operations.table import CommentTable, CreateTable
from pgcraft_core.plan.partitions import diff_partitions, retain_partitions
from pgcraft_core.schema.table import Check, Constraint, ForeignKey, Index, PrimaryKey, Table, Unique

_Part = TypeVar("_Part", Constraint, Index)


def retain_data(applied: Table | None, desired: Table) -> Table:
    """Return `desired` with what is applied and holds data, though it is no longer declared: columns and partitions.

    A retained column accepts NULL, so that writers who do not know it go on working; an identity column generates its
    values and stays as it is.
    """
    if applied is None:
        return desired
    declared = {column.name for column in desired.columns}
    renamed = find_renames(applied, desired)
    kept = tuple(
        column.model_copy(update={"retained": True, "nullable": not column.identity})
        for column in applied.columns
        if column.name not in (renamed if column.name in renamed else declared)
    )
    return retain_partitions(applied, desired.model_copy(update={"columns": desired.columns + kept}))


def diff_table(applied: Table | None, goal: Table) -> list[Operation]:
    """Return the operations that lead from `applied` (None: nothing is there) to `goal`.

    Columns are matched by name; where `renamed_from` names an applied column, it is renamed instead of replaced.
    Columns that are in `applied` only are left alone: removing data is `diff_removed_columns`' business.
    """
    if applied is None:
        return _create(goal)
    if applied == goal:
        return []
    operations, renamed = rename_columns(applied, goal)
    changes, replaced = diff_columns(renamed, goal)
    operations += changes
    operations += _diff_constraints(goal, renamed.constraints, goal.constraints, replaced)
    operations += _diff_indexes(goal, renamed.indexes, goal.indexes, replaced)
    operations += diff_triggers(applied, goal, altered_columns(operations))
    operations += diff_partitions(applied, goal, operations)
    if applied.comment != goal.comment:
        operations.append(CommentTable(goal.id, goal.qualified_name, goal.comment, applied.comment))
    return operations


def diff_removed_columns(current: Table, desired: Table) -> list[Operation]:
    """Return the operations that drop the retained columns of `current`, with their data."""
    removed = [column for column in current.columns if column.retained and desired.column(column.name) is None]
    removed.sort(key=lambda column: column.generated is None)  # before those they are computed from
    return [DropColumn(current.id, current.qualified_name, column) for column in removed]


def altered_columns(operations: Iterable[Operation]) -> set[str]:
    """Return the columns, by the names they have before, that a view or a condition on them keeps from changing."""
    altered: set[str] = set()
    for operation in operations:
        match operation:
            case AlterColumnType() | ReplaceByGeneratedColumn():
                altered.add(operation.after.name)
            case DropGeneratedColumn():
                altered.add(operation.column.name)
            case RenameColumn():
                altered.add(operation.before)
            case _:
                pass
    return altered


def _create(goal: Table) -> list[Operation]:
    name = goal.qualified_name
    operations: list[Operation] = [CreateTable(goal.id, goal)]
    operations += [AddForeignKey(goal.id, name, key) for key in goal.foreign_keys]
    operations += [CreateIndex(goal.id, name, index) for index in goal.indexes]
    operations += create_triggers(goal)
    operations += diff_partitions(None, goal, ())
    if goal.comment is not None:
        operations.append(CommentTable(goal.id, name, goal.comment))
    for column in goal.columns:
        operations += comment_column(goal, column)
    for constraint in goal.constraints:
        operations += _comment_constraint(goal, constraint)
    for index in goal.indexes:
        operations += _comment_index(goal, index)
    return operations


def _comment_constraint(table: Table, constraint: Constraint) -> list[Operation]:
    comment = _comment_of(constraint)
    return [CommentConstraint(table.id, table.qualified_name, constraint.name, comment)] if comment is not None else []


def _comment_index(table: Table, index: Index) -> list[Operation]:
    if index.comment is None:
        return []
    return [CommentIndex(table.id, table.qualified_name, index.name, index.comment)]


def _diff_constraints(
    table: Table, applied: Iterable[Constraint], goal: Iterable[Constraint], replaced: set[str]
) -> list[Operation]:
    operations: list[Operation] = []
    name, target = table.qualified_name, table.id
    before, after = list(applied), list(goal)
    found = _compare(before, after, replaced)
    for key in [key for key in after if _stands_on(key, found.gone, table)]:
        # It keeps its target from being dropped, so it goes first and comes back last.
        if key in before and key not in found.added:
            found.gone.append(key)
            found.added.append(key)
    operations += [RenameConstraint(target, name, before=old.name, after=new.name) for old, new in found.renamed]
    for constraint in found.gone:
        drop = DropForeignKey if isinstance(constraint, ForeignKey) else DropConstraint
        operations.append(drop(target, name, constraint))
    for constraint in found.added:
        add = AddForeignKey if isinstance(constraint, ForeignKey) else AddConstraint
        operations.append(add(target, name, constraint))
        operations += _comment_constraint(table, constraint)
    for old, new in found.recommented:
        operations.append(CommentConstraint(target, name, new.name, _comment_of(new), _comment_of(old)))
    return operations


def _stands_on(key: Constraint, gone: Sequence[Constraint], table: Table) -> bool:
    """Whether a key is one from the table to itself whose target is among what goes."""
    if not isinstance(key, ForeignKey) or key.target != table.qualified_name:
        return False
    targets = (part.columns for part in gone if isinstance(part, PrimaryKey | Unique))
    return any(set(columns) == set(key.target_columns) for columns in targets)


def _diff_indexes(table: Table, applied: Sequence[Index], goal: Sequence[Index], replaced: set[str]) -> list[Operation]:
    operations: list[Operation] = []
    name, target = table.qualified_name, table.id
    found = _compare(list(applied), list(goal), replaced)
    operations += [RenameIndex(target, name, before=old.name, after=new.name) for old, new in found.renamed]
    operations += [DropIndex(target, name, index) for index in found.gone]
    for index in found.added:
        operations.append(CreateIndex(target, name, index))
        operations += _comment_index(table, index)
    for old, new in found.recommented:
        operations.append(CommentIndex(target, name, new.name, new.comment, old.comment))
    return operations


@dataclass(frozen=True, slots=True)
class _Comparison(Generic[_Part]):
    """What is gone, what is new (both, for what changed), and pairs that differ in name or comment only."""

    gone: list[_Part]
    added: list[_Part]
    renamed: list[tuple[_Part, _Part]]
    recommented: list[tuple[_Part, _Part]]


def _compare(applied: list[_Part], goal: list[_Part], replaced: set[str]) -> _Comparison[_Part]:
    before = {part.name: part for part in applied}
    after = {part.name: part for part in goal}
    gone = [part for part in applied if part.name not in after or _differs(part, after[part.name], replaced)]
    added = [part for part in goal if part.name not in before or _differs(before[part.name], part, replaced)]
    renamed: list[tuple[_Part, _Part]] = []
    for new in [part for part in added if part.name not in before]:
        # A constraint that only changes its name is not dropped: others' foreign keys may stand on it.
        same = (part for part in gone if part.name not in after and not _differs(part, new, replaced, named=False))
        old = next(same, None)
        if old is not None:
            gone.remove(old)
            added.remove(new)
            renamed.append((old, new))
    kept = renamed + [(before[part.name], part) for part in goal if part.name in before and part not in added]
    return _Comparison(gone, added, renamed, [(old, new) for old, new in kept if _comment_of(old) != _comment_of(new)])


def _differs(old: Constraint | Index, new: Constraint | Index, replaced: set[str], *, named: bool = True) -> bool:
    """Whether a part must be made anew: its definition changed, or a column it may stand on is replaced."""
    ignored = {"comment": None} if named else {"comment": None, "name": ""}
    return (
        type(old) is not type(new)
        or old.model_copy(update=ignored) != new.model_copy(update=ignored)
        or any(_may_use(new, column) for column in replaced)
    )


def _may_use(part: Constraint | Index, column: str) -> bool:
    """Whether a part may stand on a column; errs towards yes for expressions, where making it anew only costs time."""
    if isinstance(part, Check):
        return mentions(part.expression, column)
    if isinstance(part, Index):
        texts = [element.expression or "" for element in part.elements] + [part.where or ""]
        names = [element.column for element in part.elements] + list(part.include)
        return column in names or any(mentions(text, column) for text in texts)
    return column in part.columns


def _comment_of(part: Constraint | Index) -> str | None:
    return getattr(part, "comment", None)
