"""How the past of a dimension is kept: in one table or by month, and for how long."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pgcraft_core.spec.annotations import Rule
from pgcraft_core.spec.base import SpecModel

YEARS_AND_MONTHS = r"^P([1-9][0-9]{0,2}Y([1-9][0-9]{0,2}M)?|[1-9][0-9]{0,3}M)$"

Retention = Annotated[str, Field(max_length=9, pattern=YEARS_AND_MONTHS)]
"""An ISO 8601 duration of whole years, months or both: `P2Y`, `P18M`, `P1Y6M`."""


class History(SpecModel):
    """How the past is kept."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.retain) || has(self.partitionBy)",
            "What is too old goes by whole partitions: give partitionBy as well, or leave retain out.",
            lambda history: history.retain is None or history.partition_by is not None,
            path="partitionBy",
            reason="FieldValueRequired",
        ),
    )

    partition_by: Literal["Month"] | None = Field(
        None,
        description="Splits the history by the month in which a value ceased to stand, into partitions made ahead; one "
        "table where absent; immutable.",
    )
    retain: Retention | None = Field(
        None,
        description="How long closed versions of an AppendOnly dimension are kept, in years and months (`P2Y`, `P18M`, "
        "`P1Y6M`): partitions of months that ended longer ago are dropped. A change that drops some at once waits for "
        "approval. For ever where absent. Not with EAV, whose log also says since when the values that stand do.",
    )

    @property
    def retain_months(self) -> int | None:
        """How many months closed versions are kept; None for ever."""
        if self.retain is None:
            return None
        length = {unit: int(number) for number, unit in re.findall(r"([0-9]+)([YM])", self.retain)}
        return 12 * length.get("Y", 0) + length.get("M", 0)
