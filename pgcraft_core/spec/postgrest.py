"""The PostgREST resource: API roles, the authenticator, JSON web tokens, and the workload that serves them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from pgcraft_core.spec.annotations import IntOrString, MapList, Rule, SetList
from pgcraft_core.spec.base import (
    DATABASE_NEVER_CHANGES,
    DatabaseReference,
    Resource,
    RoleName,
    SchemaName,
    SecretKeyReference,
    SpecModel,
)

QUANTITY = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"

Quantity = Annotated[
    int | Annotated[str, Field(max_length=32, pattern=QUANTITY)], IntOrString(pattern=QUANTITY, max_length=32)
]
Quantities = Annotated[dict[str, Quantity], Field(max_length=16)]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]


class ApiRole(SpecModel):
    """A NOLOGIN role that requests run as."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.inherits) || !self.inherits.exists(role, role == self.name)",
            "A role cannot inherit from itself: remove its own name from inherits.",
            lambda role: role.name not in role.inherits,
            path="inherits",
        ),
    )

    name: RoleName = Field(description="Role name, unique on the whole Postgres server.")
    create: bool = Field(True, description="Whether the operator creates the role; otherwise it waits until it exists.")
    inherits: Annotated[tuple[RoleName, ...], Field(max_length=16), SetList()] = Field(
        (), description="Roles whose privileges this role has as well."
    )


class Authenticator(SpecModel):
    """The login PostgREST connects with; it has no privileges but to become one of the API roles."""

    name: RoleName | None = Field(
        None, description="Login name; the database's name with `_authenticator` where absent."
    )


class Jwt(SpecModel):
    """How tokens are verified."""

    secret_ref: SecretKeyReference | None = Field(
        None,
        description="Key of a Secret with the symmetric secret (at least 32 characters) or JWK set; generated into the "
        "workload's Secret where absent.",
    )
    audience: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="Required `aud` claim."
    )


@with_config(ConfigDict(extra="forbid"))
class ResourceRequirements(TypedDict, total=False):
    """Compute resources of a container, as in a Pod."""

    limits: Annotated[Quantities, Field(description="Most it may use, by resource (`cpu`, `memory`).")]
    requests: Annotated[Quantities, Field(description="What is kept free for it, by resource (`cpu`, `memory`).")]


class Deployment(SpecModel):
    """The pods that run PostgREST."""

    image: Annotated[str, Field(min_length=1, max_length=512)] = Field(
        "docker.io/postgrest/postgrest:v12.2.12", description="Container image, PostgREST 12 or later."
    )
    replicas: Annotated[int, Field(ge=0, le=100)] = Field(1, description="Number of pods.")
    resources: ResourceRequirements | None = Field(None, description="Compute resources of the container.")


class Service(SpecModel):
    """The Service in front of the pods."""

    type: ServiceType = Field("ClusterIP", description="Kind of Service.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(80, description="Port of the Service.")


class PostgRESTSpec(SpecModel):
    """A PostgREST API over schemas of one Database."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.anonymousRole) || !has(self.roles) || "
            "!self.roles.exists(role, role.name == self.anonymousRole.name)",
            "The anonymous role is declared by anonymousRole: remove it from roles.",
            lambda spec: (
                spec.anonymous_role is None or all(role.name != spec.anonymous_role.name for role in spec.roles)
            ),
            path="roles",
        ),
        Rule(
            "!has(self.authenticator) || !has(self.authenticator.name) || "
            "!((has(self.anonymousRole) && self.anonymousRole.name == self.authenticator.name) || "
            "(has(self.roles) && self.roles.exists(role, role.name == self.authenticator.name)))",
            "The authenticator is a login of its own: give it a name that no API role has.",
            lambda spec: (
                spec.authenticator is None
                or spec.authenticator.name is None
                or spec.authenticator.name not in {role.name for role in (*spec.roles, spec.anonymous_role) if role}
            ),
            path="authenticator.name",
        ),
    )

    database_ref: Annotated[DatabaseReference, DATABASE_NEVER_CHANGES] = Field(
        description="The Database it serves; immutable."
    )
    schemas: Annotated[tuple[SchemaName, ...], Field(min_length=1, max_length=16), SetList()] = Field(
        ("api",), description="Schemas it serves; the first is the default. Created when missing."
    )
    anonymous_role: ApiRole | None = Field(
        None, description="Role of requests without a token; without it they are refused."
    )
    roles: Annotated[tuple[ApiRole, ...], Field(max_length=64), MapList("name")] = Field(
        (), description="Roles that a token's `role` claim may name."
    )
    authenticator: Authenticator | None = Field(None, description="The login PostgREST connects with.")
    jwt: Jwt | None = Field(None, description="How tokens are verified.")
    max_rows: Annotated[int, Field(ge=1, le=2147483647)] | None = Field(
        None, description="Most rows a response holds; unlimited where absent."
    )
    pool_size: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="Database connections a pod holds at most.")
    deployment: Deployment | None = Field(None, description="The pods.")
    service: Service | None = Field(None, description="The Service.")


class PostgREST(Resource):
    """An API over a database's dimensions, served by PostgREST."""

    kind: Literal["PostgREST"]
    spec: PostgRESTSpec

    @property
    def database_namespace(self) -> str:
        """Namespace of the Database this API serves."""
        return self.spec.database_ref.namespace or self.metadata.namespace

    @property
    def api_roles(self) -> tuple[ApiRole, ...]:
        """Every role a request can run as, the anonymous one first."""
        anonymous = (self.spec.anonymous_role,) if self.spec.anonymous_role else ()
        return anonymous + self.spec.roles
