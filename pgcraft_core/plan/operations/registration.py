"""Changes of what the registry says, without any change to the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan.operations.base import Operation, Phase


@dataclass(frozen=True)
class RegistryOperation(Operation):
    """Base of what only concerns the registry."""

    phase: ClassVar[Phase] = Phase.COMMENTS

    def upgrade(self) -> list[str]:
        """Nothing: the object stays as it is."""
        return []

    def downgrade(self) -> list[str]:
        """Nothing."""
        return []


@dataclass(frozen=True)
class Release(RegistryOperation):
    """Keep an object and its data, though no resource declares it any more."""

    def describe(self) -> str:
        """Sentence for people."""
        return f"keep {self.target}, which no resource declares any more"


@dataclass(frozen=True)
class Forget(RegistryOperation):
    """Strike from the registry what somebody else removed from the database and nobody declares any more."""

    what: str

    def describe(self) -> str:
        """Sentence for people."""
        return f"forget {self.what}, which was removed by somebody else"


@dataclass(frozen=True)
class TakeBack(RegistryOperation):
    """Take an object that was released, or that another resource held, under management."""

    def describe(self) -> str:
        """Sentence for people."""
        return f"take {self.target} as it is"
