"""What the operator shows PostgREST when it asks: no token for the anonymous role, one of its own for any other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.postgrest.token import sign_token, signing_key
from pgcraft_operator.postgrest.workload_secret import WorkloadSecret

Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Credentials:
    """The roles that requests to one API can be made as."""

    anonymous: str | None
    roles: tuple[str, ...]
    audience: str | None
    key: bytes | None = field(repr=False)
    """None where tokens are verified by a public key: only anonymous requests can be made then."""

    @classmethod
    def of(cls, postgrest: PostgREST, secret: WorkloadSecret) -> Self:
        """Return those of an API; where it has no role at all, the authenticator stands for one."""
        return cls(
            anonymous=postgrest.spec.anonymous_role.name if postgrest.spec.anonymous_role else None,
            roles=tuple(role.name for role in postgrest.api_roles) or (secret.login_role,),
            audience=postgrest.spec.jwt.audience if postgrest.spec.jwt else None,
            key=signing_key(secret.jwt_secret),
        )

    def headers_as(self, role: str | None) -> Headers | None:
        """Return what makes a request run as `role`, or None where that cannot be done."""
        if role is None:
            return None
        if role == self.anonymous:
            return {}
        return {"Authorization": f"Bearer {sign_token(self.key, role, self.audience)}"} if self.key else None

    def headers_as_anyone(self) -> Headers | None:
        """Return what lets a request in, as whichever role, or None where nothing does."""
        return self.headers_as(self.anonymous or self.roles[0])
