"""From one state of a table's columns to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.column import (
    AddColumn,
    AddGeneratedColumn,
    AlterColumnType,
    CommentColumn,
    DropGeneratedColumn,
    DropGeneration,
    RenameColumn,
    ReplaceByGeneratedColumn,
    SetColumnDefault,
    SetIdentity,
    SetNullable,
)
from pgcraft_core.schema.table import Column, ForeignKey, Table


def rename_columns(applied: Table, goal: Table) -> tuple[list[Operation], Table]:
    """Return the renames that `goal` asks for, and `applied` as they leave it.

    Constraints and indexes follow their columns by themselves; texts of expressions are left as they are recorded.
    """
    renames = find_renames(applied, goal)
    operations: list[Operation] = [
        RenameColumn(goal.id, goal.qualified_name, before=before, after=after) for before, after in renames.items()
    ]
    return operations, _with_renamed(applied, renames) if renames else applied


def find_renames(applied: Table, goal: Table) -> Mapping[str, str]:
    """Return new names by former ones, in an order in which each name is free when it is taken.

    A name that is there already is not taken from its column, for `renamedFrom` stays in the manifest ever after; that
    of a column which is itself renamed is free.
    """
    there = {column.name for column in applied.columns}
    asked = [(column.renamed_from, column.name) for column in goal.columns if column.renamed_from is not None]
    renames: dict[str, str] = {}
    while True:
        possible = [(before, after) for before, after in asked if before in there and after not in there]
        if not possible:
            return renames
        before, after = possible[0]
        renames[before] = after
        there = there - {before} | {after}
        asked.remove((before, after))


def diff_columns(applied: Table, goal: Table) -> tuple[list[Operation], set[str]]:
    """Return the operations on columns, and the names of those that are replaced with all that stands on them."""
    before = {column.name: column for column in applied.columns}
    retyped = {
        column.name for column in goal.columns if column.name in before and before[column.name].type != column.type
    }
    operations: list[Operation] = []
    replaced: set[str] = set()
    for column in goal.columns:
        old = before.get(column.name)
        if old is None:
            operations += _add(goal, column)
        elif column.generated is not None and _is_computed_anew(old, column, retyped):
            replaced.add(column.name)
            operations += _compute_anew(goal, old, column)
        elif old != column:
            operations += _alter(goal, old, column)
    return operations, replaced


def comment_column(table: Table, column: Column) -> list[Operation]:
    """Return the comment of a column that is new; nothing where it has none."""
    if column.comment is None:
        return []
    return [CommentColumn(table.id, table.qualified_name, column.name, column.comment)]


def mentions(expression: str, column: str) -> bool:
    """Whether an expression may read a column; errs towards yes, but never misses `SIZE` or `"a""b"`.

    A column that is dropped takes the constraints and indexes on it along, without a word.
    """
    text = expression.casefold()
    return any(name.casefold() in text for name in (column, column.replace('"', '""')))


def _with_renamed(table: Table, renames: Mapping[str, str]) -> Table:
    def renamed(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(renames.get(name, name) for name in names)

    def foreign_key(key: ForeignKey) -> ForeignKey:
        own = key.target == table.qualified_name
        targets = renamed(key.target_columns) if own else key.target_columns
        return key.model_copy(update={"columns": renamed(key.columns), "target_columns": targets})

    key = table.primary_key
    return table.model_copy(
        update={
            "columns": tuple(
                column.model_copy(update={"name": renames.get(column.name, column.name)}) for column in table.columns
            ),
            "primary_key": key.model_copy(update={"columns": renamed(key.columns)}) if key else None,
            "uniques": tuple(
                unique.model_copy(update={"columns": renamed(unique.columns)}) for unique in table.uniques
            ),
            "foreign_keys": tuple(foreign_key(key) for key in table.foreign_keys),
            "indexes": tuple(
                index.model_copy(
                    update={
                        "elements": tuple(
                            element.model_copy(update={"column": renames.get(element.column or "", element.column)})
                            for element in index.elements
                        ),
                        "include": renamed(index.include),
                    }
                )
                for index in table.indexes
            ),
        }
    )


def _add(table: Table, column: Column) -> list[Operation]:
    add = AddColumn if column.generated is None else AddGeneratedColumn
    return [add(table.id, table.qualified_name, column), *comment_column(table, column)]


def _is_computed_anew(old: Column, new: Column, retyped: AbstractSet[str]) -> bool:
    """Whether the expression or type changed, or perhaps the type of a column the expression reads."""
    if old.generated != new.generated or old.type != new.type:
        return True
    return any(mentions(new.generated or "", name) for name in retyped - {new.name})


def _compute_anew(table: Table, old: Column, new: Column) -> list[Operation]:
    """Return what computes a column anew: its values follow from other columns, so they are not converted."""
    target, name = table.id, table.qualified_name
    if old.generated is None:
        return [ReplaceByGeneratedColumn(target, name, old, new), *comment_column(table, new)]
    return [DropGeneratedColumn(target, name, old), *_add(table, new)]


def _alter(table: Table, old: Column, new: Column) -> list[Operation]:
    name, target = table.qualified_name, table.id
    operations: list[Operation] = []
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
