"""Partitions of a table: one a month, and a default one for what falls into none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.attribute import as_backfill
from pgcraft_core.plan.operations.base import Lock, Operation, Phase
from pgcraft_core.plan.operations.registration import RegistryOperation
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.month import month_after
from pgcraft_core.schema.table import Partitioning, Table
from pgcraft_core.sql.identifiers import column_list, quote_identifier


@dataclass(frozen=True)
class PartitionOperation(Operation):
    """Base of what makes or drops the partition of one month; of the default one, where `month` is None.

    Row triggers come to a partition by themselves; those for each statement do not, and one who names the partition
    would get around them, so each partition has them too.
    """

    table: Table
    month: str | None

    @property
    def partition(self) -> QualifiedName:
        """Name of the partition."""
        return self.table.partition(self.month)

    @property
    def default_partition(self) -> QualifiedName:
        """Name of the partition that holds what no month's takes."""
        return self.table.partition(None)

    @property
    def partitioning(self) -> Partitioning:
        """How the table is split; only one that is has partitions."""
        assert self.table.partitioning is not None, self.table.id  # noqa: S101  (made for such tables only)
        return self.table.partitioning

    def _make(self) -> list[str]:
        """Return what makes the partition beside a table that nobody uses yet."""
        parent = ddl.qualified(self.table.qualified_name)
        bounds = _bounds(self.month)
        return [f"CREATE TABLE {ddl.qualified(self.partition)} PARTITION OF {parent} {bounds}", *self._guard()]

    def _attach(self) -> list[str]:
        """Return what makes the partition while the table is written to, with the rows that are waiting for it.

        CREATE TABLE … PARTITION OF would keep all writers out, and refuses a month of which the default partition holds
        rows; attaching a table keeps writers only from that partition, which is empty as long as months are made ahead.
        """
        parent, partition = ddl.qualified(self.table.qualified_name), ddl.qualified(self.partition)
        return [
            f"CREATE TABLE {partition} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)",
            # Else a row of the month may arrive between the move and the attaching, which would then be refused.
            f"LOCK TABLE {ddl.qualified(self.default_partition)} IN ACCESS EXCLUSIVE MODE",
            *as_backfill(self._take_from_default()),
            f"ALTER TABLE {parent} ATTACH PARTITION {partition} {_bounds(self.month)}",
            *self._guard(),
        ]

    def _take_from_default(self) -> str:
        columns = self._columns
        return (
            f"WITH moved AS (\n  DELETE FROM {ddl.qualified(self.default_partition)}\n"
            f"  WHERE {self._within_month()}\n  RETURNING {columns}\n)\n"
            f"INSERT INTO {ddl.qualified(self.partition)} ({columns})\nSELECT {columns} FROM moved"
        )

    @property
    def _columns(self) -> str:
        return column_list(column.name for column in self.table.columns)

    def _within_month(self) -> str:
        column, month = quote_identifier(self.partitioning.column), self.month or ""
        return f"{column} >= {_start(month)} AND {column} < {_start(month_after(month))}"

    def _guard(self) -> list[str]:
        return [
            ddl.create_trigger(self.partition, trigger)
            for trigger in self.table.triggers
            if trigger.level == "STATEMENT"
        ]

    def _drop(self) -> str:
        return f"DROP TABLE {ddl.qualified(self.partition)}"


@dataclass(frozen=True)
class CreatePartition(PartitionOperation):
    """Make a partition of a table that is new."""

    phase: ClassVar[Phase] = Phase.CREATE_PARTITIONS

    def upgrade(self) -> list[str]:
        """CREATE TABLE … PARTITION OF."""
        return self._make()

    def downgrade(self) -> list[str]:
        """DROP TABLE."""
        return [self._drop()]

    def describe(self) -> str:
        """Sentence for people."""
        return f"create {_what(self.month)} of {self.table.qualified_name}"


@dataclass(frozen=True)
class AddPartition(PartitionOperation):
    """Make the partition of a further month, with the rows of that month which the default partition has taken in."""

    month: str

    phase: ClassVar[Phase] = Phase.CREATE_PARTITIONS
    lock: ClassVar[Lock] = "AccessExclusive"  # on the default partition, whose rows are looked through

    def upgrade(self) -> list[str]:
        """CREATE TABLE, move rows, ATTACH PARTITION."""
        return self._attach()

    def downgrade(self) -> list[str]:
        """DETACH PARTITION, give the rows back, DROP TABLE."""
        parent, partition = ddl.qualified(self.table.qualified_name), ddl.qualified(self.partition)
        default = ddl.qualified(self.default_partition)
        return [
            f"ALTER TABLE {parent} DETACH PARTITION {partition}",
            f"ALTER TABLE {default} DISABLE TRIGGER USER",  # they refuse every INSERT by hand
            f"INSERT INTO {default} ({self._columns})\nSELECT {self._columns} FROM {partition}",
            f"ALTER TABLE {default} ENABLE TRIGGER USER",
            self._drop(),
        ]

    def describe(self) -> str:
        """Sentence for people."""
        return f"add {_what(self.month)} to {self.table.qualified_name}"


@dataclass(frozen=True)
class DropPartition(PartitionOperation):
    """Drop a month that is kept no longer, with its rows, under a retention that somebody has yet to consent to."""

    month: str

    phase: ClassVar[Phase] = Phase.DROP_PARTITIONS
    lock: ClassVar[Lock] = "AccessExclusive"

    def upgrade(self) -> list[str]:
        """DROP TABLE, and DELETE of what is as old in the default partition."""
        old = f"{quote_identifier(self.partitioning.column)} < {_start(month_after(self.month))}"
        return [self._drop(), *as_backfill(f"DELETE FROM {ddl.qualified(self.default_partition)} WHERE {old}")]

    def downgrade(self) -> list[str]:
        """The partition again, empty."""
        return self._attach()

    def describe(self) -> str:
        """Sentence for people."""
        months = self.partitioning.retain_months
        kept = f", which keeps {_count(months)}" if months else ""
        return f"drop {_what(self.month)} of {self.table.qualified_name}{kept}"


@dataclass(frozen=True)
class ExpirePartition(DropPartition):
    """Drop a month that has become too old under a retention that stands: declaring it was the consent."""


@dataclass(frozen=True)
class SetRetention(RegistryOperation):
    """Change how long months are kept, where that drops none: from then on those that become too old go unasked."""

    table: QualifiedName
    months: int | None

    def describe(self) -> str:
        """Sentence for people."""
        if self.months is None:
            return f"keep all partitions of {self.table}"
        return f"drop partitions of {self.table} from now on when they are older than {_count(self.months)}"


def _count(months: int) -> str:
    return "1 month" if months == 1 else f"{months} months"


def _bounds(month: str | None) -> str:
    if month is None:
        return "DEFAULT"
    return f"FOR VALUES FROM ({_start(month)}) TO ({_start(month_after(month))})"


def _start(month: str) -> str:
    return ddl.quote_literal(f"{month}-01 00:00:00+00")


def _what(month: str | None) -> str:
    return "default partition" if month is None else f"partition {month}"
