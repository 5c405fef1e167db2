"""What only the way back has to do: forwards, views are widened in place, but they can only be narrowed by new ones.

On the way back operations run last first. So a view that was widened is dropped where it was widened, with what returns
its rows before it, and all are made again where drops would have stood, which comes last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Operation, Phase
from pgcraft_core.plan.operations.function import function_statements
from pgcraft_core.plan.operations.view import view_statements
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.view import View


@dataclass(frozen=True)
class BackwardsOperation(Operation):
    """Base of what does nothing forwards."""

    is_backwards_only: ClassVar[bool] = True

    def upgrade(self) -> list[str]:
        """Nothing."""
        return []


@dataclass(frozen=True)
class RestoreView(BackwardsOperation):
    """Make a view as it was before it was widened."""

    view: View

    phase: ClassVar[Phase] = Phase.DROP_VIEWS

    def downgrade(self) -> list[str]:
        """CREATE VIEW and what hangs on it."""
        return view_statements(self.view, replace=False)

    def describe(self) -> str:
        """Sentence for people."""
        return f"on the way back, make view {self.view.qualified_name} as it was"


@dataclass(frozen=True)
class RestoreFunction(BackwardsOperation):
    """Make a query as it was before what it reads was widened."""

    function: Function

    phase: ClassVar[Phase] = Phase.DROP_FUNCTIONS

    def downgrade(self) -> list[str]:
        """CREATE FUNCTION and what hangs on it."""
        return function_statements(self.function)

    def describe(self) -> str:
        """Sentence for people."""
        return f"on the way back, make function {self.function.qualified_name} as it was"


@dataclass(frozen=True)
class ClearFunction(BackwardsOperation):
    """Take a query, which itself does not change, out of the way of a view whose rows it returns."""

    function: Function

    phase: ClassVar[Phase] = Phase.CREATE_FUNCTIONS

    def downgrade(self) -> list[str]:
        """DROP FUNCTION."""
        return [f"DROP FUNCTION {ddl.function_signature(self.function)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"on the way back, drop function {self.function.qualified_name}"
