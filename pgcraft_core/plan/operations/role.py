"""Roles: they belong to the whole server, so each is marked by a comment that says whose it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan.ddl import comment_on
from pgcraft_core.plan.operations.base import Actor, Operation, Phase
from pgcraft_core.schema.role import Role
from pgcraft_core.sql.identifiers import quote_identifier

POSTGRES_16 = 160000


def ownership_mark(owner_id: str) -> str:
    """Return the comment that marks a role as made by the Database with this owner id."""
    return f"pgcraft: {owner_id}"


def _attributes(role: Role) -> str:
    return f"{'LOGIN' if role.login else 'NOLOGIN'} {'INHERIT' if role.inherit else 'NOINHERIT'}"


@dataclass(frozen=True)
class CreateRole(Operation):
    """Make a role, without a password and without memberships."""

    role: Role
    owner_id: str

    phase: ClassVar[Phase] = Phase.ROLES
    actor: ClassVar[Actor] = "login"

    def upgrade(self) -> list[str]:
        """CREATE ROLE and its mark."""
        name = quote_identifier(self.role.name)
        return [
            f"CREATE ROLE {name} {_attributes(self.role)}",
            comment_on(f"ROLE {name}", ownership_mark(self.owner_id)),
        ]

    def downgrade(self) -> list[str]:
        """DROP ROLE."""
        return [f"DROP ROLE {quote_identifier(self.role.name)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"create {'login' if self.role.login else 'role'} {self.role.name}"


@dataclass(frozen=True)
class AlterRole(Operation):
    """Change whether a role may log in and whether it inherits."""

    role: Role
    before: Role

    phase: ClassVar[Phase] = Phase.ROLES
    actor: ClassVar[Actor] = "login"

    def upgrade(self) -> list[str]:
        """ALTER ROLE to the new attributes."""
        return [f"ALTER ROLE {quote_identifier(self.role.name)} {_attributes(self.role)}"]

    def downgrade(self) -> list[str]:
        """ALTER ROLE to the attributes before."""
        return [f"ALTER ROLE {quote_identifier(self.role.name)} {_attributes(self.before)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"make role {self.role.name} {_attributes(self.role)}"


@dataclass(frozen=True)
class DropRole(Operation):
    """Remove a role that nothing depends on any more."""

    role: Role

    phase: ClassVar[Phase] = Phase.DROP_ROLES
    actor: ClassVar[Actor] = "login"

    def upgrade(self) -> list[str]:
        """DROP ROLE."""
        return [f"DROP ROLE {quote_identifier(self.role.name)}"]

    def downgrade(self) -> list[str]:
        """CREATE ROLE, without its password."""
        return [f"CREATE ROLE {quote_identifier(self.role.name)} {_attributes(self.role)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"drop role {self.role.name}"


@dataclass(frozen=True)
class SetRolePassword(Operation):
    """Set the SCRAM verifier of a login.

    The verifier is handed over when the operation runs and never becomes part of SQL that is shown or kept.
    """

    role: str
    verifier_fingerprint: str

    phase: ClassVar[Phase] = Phase.ROLES
    actor: ClassVar[Actor] = "login"

    def upgrade(self) -> list[str]:
        """Nothing that could be shown."""
        return []

    def downgrade(self) -> list[str]:
        """Nothing: the verifier before is not known any more."""
        return []

    def describe(self) -> str:
        """Sentence for people."""
        return f"set the password of login {self.role} from its Secret"


@dataclass(frozen=True)
class GrantMembership(Operation):
    """Make a role a member of another."""

    role: str
    member: str
    inherit: bool
    server_version: int

    phase: ClassVar[Phase] = Phase.GRANTS
    actor: ClassVar[Actor] = "login"

    def upgrade(self) -> list[str]:
        """GRANT, with INHERIT and SET said where Postgres knows them (16 and later)."""
        options = ""
        if self.server_version >= POSTGRES_16:
            options = f" WITH INHERIT {'TRUE' if self.inherit else 'FALSE'}, SET TRUE"
        return [f"GRANT {quote_identifier(self.role)} TO {quote_identifier(self.member)}{options}"]

    def downgrade(self) -> list[str]:
        """REVOKE."""
        return [f"REVOKE {quote_identifier(self.role)} FROM {quote_identifier(self.member)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"make {self.member} a member of {self.role}"


@dataclass(frozen=True)
class RevokeMembership(Operation):
    """End a membership."""

    role: str
    member: str

    phase: ClassVar[Phase] = Phase.GRANTS
    actor: ClassVar[Actor] = "login"

    def upgrade(self) -> list[str]:
        """REVOKE."""
        return [f"REVOKE {quote_identifier(self.role)} FROM {quote_identifier(self.member)}"]

    def downgrade(self) -> list[str]:
        """GRANT."""
        return [f"GRANT {quote_identifier(self.role)} TO {quote_identifier(self.member)}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"end the membership of {self.member} in {self.role}"
