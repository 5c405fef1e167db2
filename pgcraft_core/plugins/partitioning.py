"""The partitions of a dimension's past, where its author wants it split by month."""

from __future__ import annotations

from pgcraft_core.plugins.vocabulary import CompileContext
from pgcraft_core.schema.month import month_after, month_of
from pgcraft_core.schema.table import Partitioning
from pgcraft_core.spec.dimension import Dimension

MONTHS_AHEAD = 3
"""Partitions made before their month begins. Whoever plans nothing for so long writes to the default partition, which
loses nothing: the rows move to their month's partition when that is made."""


def history_partitioning(
    dimension: Dimension, context: CompileContext, column: str = "valid_to"
) -> Partitioning | None:
    """Return how the past is split by `column`, from this month on; None where it is kept in one table."""
    history = dimension.spec.history
    if history is None or history.partition_by is None:
        return None
    current = month_of(context.today)
    months = tuple(month_after(current, ahead) for ahead in range(MONTHS_AHEAD + 1))
    return Partitioning(column=column, months=months, retain_months=history.retain_months)
