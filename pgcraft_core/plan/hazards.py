"""Find out which operations can hurt, given the rows that are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pgcraft_core.plan.hazard import Hazard
from pgcraft_core.plan.operations.attribute import DropLoggedAttribute, RenameLoggedAttribute
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.column import (
    AddColumn,
    AlterColumnType,
    ColumnOperation,
    DropColumn,
    DropGeneratedColumn,
    ReplaceByGeneratedColumn,
    SetNullable,
)
from pgcraft_core.plan.operations.constraint import AddConstraint
from pgcraft_core.plan.operations.index import CreateIndex
from pgcraft_core.plan.operations.partition import AddPartition, DropPartition, ExpirePartition
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.table import Column

LARGE_TABLE_BYTES = 64 * 1024 * 1024
"""From this size on a scan or rewrite under a lock takes long enough (roughly a second) for clients to notice."""


@dataclass(frozen=True, slots=True)
class RowEvidence:
    """What is at stake in a table: `rows` is an estimate but never 0 where there is one, `size` is in bytes.

    `values` counts the rows in which a column is not null, for the columns that were asked for.
    """

    rows: int
    size: int
    values: Mapping[str, int]


def columns_at_risk(operation: Operation) -> tuple[QualifiedName, str] | None:
    """Return the table and column whose values must be counted to judge an operation, if any."""
    if isinstance(operation, DropGeneratedColumn):
        return None
    if isinstance(operation, DropColumn):
        return operation.table, operation.column.name
    if isinstance(operation, ReplaceByGeneratedColumn):
        return operation.table, operation.before.name
    return None


def touches_rows(operation: Operation) -> QualifiedName | None:
    """Return the table whose rows must be looked at to judge an operation, if any."""
    if isinstance(operation, RenameLoggedAttribute | DropLoggedAttribute):
        return operation.log
    if isinstance(operation, AddPartition):
        return operation.default_partition
    if isinstance(operation, DropPartition):
        return operation.partition
    judged = (ColumnOperation, AddConstraint, CreateIndex)
    return operation.table if isinstance(operation, judged) else None


def find_hazard(operation: Operation, evidence: RowEvidence | None) -> Hazard | None:
    """Return why an operation can hurt, or None; `evidence` is None for a table that is only being made."""
    if evidence is None:
        return None
    return _find_loss(operation, evidence) or _find_waiting(operation, evidence)


def _find_loss(operation: Operation, evidence: RowEvidence) -> Hazard | None:
    match operation:
        case DropGeneratedColumn():
            return None
        case DropColumn():
            # Also where it is empty: whoever removes a column may not know who else has begun to fill it.
            held = evidence.values.get(operation.column.name, 0)
            return Hazard("DataLoss", f"{operation.describe()}: {_count(held, 'value')} would be lost")
        case DropLoggedAttribute():
            log = _count(evidence.rows, "row")
            return Hazard("DataLoss", f"{operation.describe()}: all it ever held would be lost (a log of about {log})")
        case ReplaceByGeneratedColumn():
            held = evidence.values.get(operation.before.name, 0)
            return Hazard("DataLoss", f"{operation.describe()}: {_count(held, 'value')} would be replaced")
        case ExpirePartition():
            return None
        case DropPartition():
            return Hazard("DataLoss", f"{operation.describe()}: about {_count(evidence.rows, 'row')} would be lost")
        case AlterColumnType() if evidence.rows and not is_lossless(operation.before.type, operation.after.type):
            # The cast is an explicit one, which cuts and rounds without a word.
            at_stake = _count(evidence.rows, "row")
            return Hazard("DataLoss", f"{operation.describe()}: values of about {at_stake} may be cut or rounded")
        case _:
            return None


def _find_waiting(operation: Operation, evidence: RowEvidence) -> Hazard | None:
    match operation:
        case AlterColumnType() if evidence.rows and not is_widening(operation.before.type, operation.after.type):
            return Hazard("Rewrite", f"{operation.describe()}: rewrites {_stake(evidence)} under an exclusive lock")
        case AddColumn(column=Column(generated=str())) if _is_large(evidence):
            return Hazard("Rewrite", f"{operation.describe()}: rewrites {_stake(evidence)} under an exclusive lock")
        case AddConstraint() | CreateIndex() if _is_large(evidence):
            return Hazard("LongLock", f"{operation.describe()}: reads {_stake(evidence)} while writes wait")
        case SetNullable(nullable=False) if _is_large(evidence):
            return Hazard(
                "LongLock", f"{operation.describe()}: reads {_stake(evidence)} while readers and writers wait"
            )
        case AddPartition() if evidence.rows and _is_large(evidence):
            return Hazard("LongLock", f"{operation.describe()}: looks through {_stake(evidence)} of no month so far")
        case RenameLoggedAttribute() if _is_large(evidence):
            return Hazard("LongLock", f"{operation.describe()}: rewrites part of {_stake(evidence)} under a lock")
        case _:
            return None


def is_widening(before: str, after: str) -> bool:
    """Whether Postgres changes the type without touching a row: longer varchar, text, wider numeric of one scale."""
    old, new = _length(before), _length(after)
    if old is None:
        return False
    if after in {"text", "character varying"}:
        return old.name in {"character varying", "text"}
    if old.name == after == "numeric":
        return True
    if new is None or old.name != new.name:
        return False
    if old.name == "character varying":
        return 0 < old.first <= new.first  # 0 stands for no limit at all
    return old.name == "numeric" and old.scale == new.scale and new.first >= old.first


_LOSSLESS: Mapping[str, frozenset[str]] = {
    "smallint": frozenset({"integer", "bigint", "numeric", "real", "double precision", "text"}),
    "integer": frozenset({"bigint", "numeric", "double precision", "text"}),
    "bigint": frozenset({"numeric", "text"}),
    "boolean": frozenset({"text"}),
    "real": frozenset({"double precision"}),
    "date": frozenset({"timestamp without time zone"}),
    "json": frozenset({"text"}),
    "uuid": frozenset({"text", "character varying"}),
    "inet": frozenset({"text"}),
    "cidr": frozenset({"inet", "text"}),
}


def is_lossless(before: str, after: str) -> bool:
    """Whether every value survives the change and could be changed back; errs towards no."""
    if is_widening(before, after) or after in _LOSSLESS.get(before, ()):
        return True
    old, new = _length(before), _length(after)
    if old is None or new is None or old.name != "numeric" or new.name != "numeric":
        return False
    # As many digits after the point, and before it.
    return new.scale >= old.scale and new.first - new.scale >= old.first - old.scale


@dataclass(frozen=True, slots=True)
class _Length:
    name: str
    first: int
    scale: int


_MODIFIED = re.compile(r"(character varying|numeric)\((\d+)(?:,(\d+))?\)")


def _length(type_: str) -> _Length | None:
    if type_ in {"text", "character varying"}:
        return _Length(type_, 0, 0)
    match = _MODIFIED.fullmatch(type_)
    return _Length(match[1], int(match[2]), int(match[3] or 0)) if match else None


def _is_large(evidence: RowEvidence) -> bool:
    return evidence.size >= LARGE_TABLE_BYTES


def _stake(evidence: RowEvidence) -> str:
    return f"about {_count(evidence.rows, 'row')} ({evidence.size / 1024 / 1024:.0f} MiB)"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
