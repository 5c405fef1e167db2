"""Changes of what the registry says of a table, without any change to the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan.operations.base import Operation, Phase


@dataclass(frozen=True)
class Release(Operation):
    """Keep an object and its data, though no resource declares it any more."""

    phase: ClassVar[Phase] = Phase.COMMENTS

    def upgrade(self) -> list[str]:
        """Nothing: the object stays as it is."""
        return []

    def downgrade(self) -> list[str]:
        """Nothing."""
        return []

    def describe(self) -> str:
        """Sentence for people."""
        return f"keep {self.target}, which no resource declares any more"


@dataclass(frozen=True)
class Forget(Operation):
    """Strike from the registry what somebody else removed from the database and nobody declares any more."""

    what: str

    phase: ClassVar[Phase] = Phase.COMMENTS

    def upgrade(self) -> list[str]:
        """Nothing: it is gone."""
        return []

    def downgrade(self) -> list[str]:
        """Nothing."""
        return []

    def describe(self) -> str:
        """Sentence for people."""
        return f"forget {self.what}, which was removed by somebody else"


@dataclass(frozen=True)
class TakeBack(Operation):
    """Take an object that was released, or that another resource held, under management."""

    phase: ClassVar[Phase] = Phase.COMMENTS

    def upgrade(self) -> list[str]:
        """Nothing: the object is as it was left."""
        return []

    def downgrade(self) -> list[str]:
        """Nothing."""
        return []

    def describe(self) -> str:
        """Sentence for people."""
        return f"take {self.target} as it is"
