"""The columns that say since when a row is what it is and by whom, which only the database sets."""

from __future__ import annotations

from dataclasses import dataclass

from pgcraft_core.plugins.history.actor import ACTOR, SESSION
from pgcraft_core.schema.table import Column

TIME_TYPE = "timestamp with time zone"


@dataclass(frozen=True, slots=True)
class Stamp:
    """The names of the three columns: when, by whom, through which session's user."""

    time: str
    by: str
    via: str

    @property
    def names(self) -> tuple[str, str, str]:
        """All three, in their order in the table."""
        return self.time, self.by, self.via

    def columns(self, time_comment: str, by_comment: str, via_comment: str) -> tuple[Column, Column, Column]:
        """Return the columns; their defaults stamp a row that is inserted."""
        return (
            Column(name=self.time, type=TIME_TYPE, nullable=False, default="clock_timestamp()", comment=time_comment),
            Column(name=self.by, type="text", nullable=False, default=ACTOR, comment=by_comment),
            Column(name=self.via, type="text", nullable=False, default=SESSION, comment=via_comment),
        )


VERSION = Stamp("valid_from", "changed_by", "changed_via")
CREATION = Stamp("created_at", "created_by", "created_via")
