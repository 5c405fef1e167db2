"""Functions: made, replaced in place and dropped, with who may call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Operation, Phase
from pgcraft_core.schema.function import Function
from pgcraft_core.sql.identifiers import quote_identifier


def function_statements(function: Function) -> list[str]:
    """Return everything that makes a function what it is: definition, who may call it, comment."""
    statements = [ddl.create_function(function)]
    if not function.public:
        # Postgres lets everybody call what is made: a definer's trigger function would serve tables of strangers.
        statements.append(f"REVOKE ALL ON FUNCTION {ddl.function_signature(function)} FROM PUBLIC")
    statements += [_grant(function, role) for role in function.executors]
    if function.comment is not None:
        statements.append(ddl.comment_on(f"FUNCTION {ddl.function_signature(function)}", function.comment))
    return statements


def _grant(function: Function, role: str) -> str:
    return f"GRANT EXECUTE ON FUNCTION {ddl.function_signature(function)} TO {_grantee(role)}"


def _revoke(function: Function, role: str) -> str:
    return f"REVOKE EXECUTE ON FUNCTION {ddl.function_signature(function)} FROM {_grantee(role)}"


def _grantee(role: str) -> str:
    return "PUBLIC" if role == ddl.PUBLIC else quote_identifier(role)


@dataclass(frozen=True)
class FunctionOperation(Operation):
    """Base of what concerns one function."""

    function: Function

    def _drop(self) -> str:
        return f"DROP FUNCTION {ddl.function_signature(self.function)}"


@dataclass(frozen=True)
class CreateFunction(FunctionOperation):
    """Make a function, with its grants and comment."""

    @property
    def phase(self) -> Phase:  # ty: ignore[incompatible-property-override] - nobody sets a phase
        """Before the views where they call it, else after those it may read."""
        return Phase.CREATE_VIEW_FUNCTIONS if self.function.in_views else Phase.CREATE_FUNCTIONS

    def upgrade(self) -> list[str]:
        """CREATE FUNCTION and what hangs on it."""
        return function_statements(self.function)

    def downgrade(self) -> list[str]:
        """DROP FUNCTION."""
        return [self._drop()]

    def describe(self) -> str:
        """Sentence for people."""
        return f"create function {self.function.qualified_name}"


@dataclass(frozen=True)
class ReplaceFunction(FunctionOperation):
    """Change what a function does; its grants, comment and the triggers that call it stay."""

    before: Function

    phase: ClassVar[Phase] = Phase.CREATE_FUNCTIONS

    def upgrade(self) -> list[str]:
        """CREATE OR REPLACE FUNCTION."""
        return [ddl.create_function(self.function, replace=True)]

    def downgrade(self) -> list[str]:
        """CREATE OR REPLACE FUNCTION with the body before."""
        return [ddl.create_function(self.before, replace=True)]

    def describe(self) -> str:
        """Sentence for people."""
        return f"replace function {self.function.qualified_name}"


@dataclass(frozen=True)
class ReplaceQuery(ReplaceFunction):
    """Change a function whose body Postgres checks against the relations it reads when it is made."""

    def downgrade(self) -> list[str]:
        """DROP FUNCTION; it is made again as it was when what it read is there again."""
        return [self._drop()]


@dataclass(frozen=True)
class DropFunction(FunctionOperation):
    """Withdraw a function, or take it out of the way of a change to what it returns; never with CASCADE."""

    @property
    def phase(self) -> Phase:  # ty: ignore[incompatible-property-override] - nobody sets a phase
        """After the views where they call it, else before those whose rows it returns."""
        return Phase.DROP_VIEW_FUNCTIONS if self.function.in_views else Phase.DROP_FUNCTIONS

    def upgrade(self) -> list[str]:
        """DROP FUNCTION."""
        return [self._drop()]

    def downgrade(self) -> list[str]:
        """CREATE FUNCTION and what hangs on it."""
        return function_statements(self.function)

    def describe(self) -> str:
        """Sentence for people."""
        return f"drop function {self.function.qualified_name}"


@dataclass(frozen=True)
class AllowFunction(FunctionOperation):
    """Let roles call a function, and stop others from it."""

    granted: tuple[str, ...]
    revoked: tuple[str, ...]

    phase: ClassVar[Phase] = Phase.GRANTS

    def upgrade(self) -> list[str]:
        """REVOKE and GRANT EXECUTE."""
        return self._change(self.granted, self.revoked)

    def downgrade(self) -> list[str]:
        """The opposite."""
        return self._change(self.revoked, self.granted)

    def _change(self, granted: Sequence[str], revoked: Sequence[str]) -> list[str]:
        return [
            *(_revoke(self.function, role) for role in revoked),
            *(_grant(self.function, role) for role in granted),
        ]

    def describe(self) -> str:
        """Sentence for people."""
        name = self.function.qualified_name
        parts = [f"let {', '.join(self.granted)} call function {name}"] if self.granted else []
        parts += [f"stop {', '.join(self.revoked)} from calling function {name}"] if self.revoked else []
        return " and ".join(parts)


@dataclass(frozen=True)
class CommentFunction(FunctionOperation):
    """Change the comment on a function."""

    before: str | None

    phase: ClassVar[Phase] = Phase.COMMENTS

    def upgrade(self) -> list[str]:
        """COMMENT ON FUNCTION."""
        return [self._comment(self.function.comment)]

    def downgrade(self) -> list[str]:
        """COMMENT ON FUNCTION with the comment before."""
        return [self._comment(self.before)]

    def _comment(self, comment: str | None) -> str:
        return ddl.comment_on(f"FUNCTION {ddl.function_signature(self.function)}", comment)

    def describe(self) -> str:
        """Sentence for people."""
        return f"comment on function {self.function.qualified_name}"
