"""Schemas and who may use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan.operations.base import Actor, Operation, Phase
from pgcraft_core.sql.identifiers import quote_identifier


@dataclass(frozen=True)
class CreateSchema(Operation):
    """Make a schema."""

    schema: str

    phase: ClassVar[Phase] = Phase.SCHEMAS

    def upgrade(self) -> list[str]:
        """CREATE SCHEMA."""
        return [f"CREATE SCHEMA {quote_identifier(self.schema)}"]

    def downgrade(self) -> list[str]:
        """DROP SCHEMA, which refuses while anything is in it."""
        return [f"DROP SCHEMA {quote_identifier(self.schema)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"create schema {self.schema}"


@dataclass(frozen=True)
class OpenSchema(Operation):
    """Let the owner role make objects in a schema that belongs to somebody else, such as `public`."""

    schema: str
    owner_role: str

    phase: ClassVar[Phase] = Phase.SCHEMAS
    actor: ClassVar[Actor] = "login"

    def upgrade(self) -> list[str]:
        """GRANT USAGE, CREATE."""
        return [f"GRANT USAGE, CREATE ON SCHEMA {quote_identifier(self.schema)} TO {quote_identifier(self.owner_role)}"]

    def downgrade(self) -> list[str]:
        """REVOKE CREATE."""
        return [f"REVOKE CREATE ON SCHEMA {quote_identifier(self.schema)} FROM {quote_identifier(self.owner_role)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"let {self.owner_role} make objects in schema {self.schema}"


@dataclass(frozen=True)
class GrantSchemaUsage(Operation):
    """Let a role use a schema."""

    schema: str
    role: str

    phase: ClassVar[Phase] = Phase.GRANTS

    def upgrade(self) -> list[str]:
        """GRANT USAGE."""
        return [f"GRANT USAGE ON SCHEMA {quote_identifier(self.schema)} TO {quote_identifier(self.role)}"]

    def downgrade(self) -> list[str]:
        """REVOKE USAGE."""
        return [f"REVOKE USAGE ON SCHEMA {quote_identifier(self.schema)} FROM {quote_identifier(self.role)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"let role {self.role} use schema {self.schema}"


@dataclass(frozen=True)
class RevokeSchemaUsage(Operation):
    """Stop a role from using a schema."""

    schema: str
    role: str

    phase: ClassVar[Phase] = Phase.GRANTS

    def upgrade(self) -> list[str]:
        """REVOKE USAGE."""
        return [f"REVOKE USAGE ON SCHEMA {quote_identifier(self.schema)} FROM {quote_identifier(self.role)}"]

    def downgrade(self) -> list[str]:
        """GRANT USAGE."""
        return [f"GRANT USAGE ON SCHEMA {quote_identifier(self.schema)} TO {quote_identifier(self.role)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"stop role {self.role} from using schema {self.schema}"
