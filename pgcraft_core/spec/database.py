"""The Database resource: how to reach a Postgres database, who may use it, and how changes are applied to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pgcraft_core.spec.annotations import MapList, Rule, SetList
from pgcraft_core.spec.base import (
    NO_CONTROL_CHARACTERS,
    KubernetesName,
    NamespaceName,
    PostgresName,
    Resource,
    RoleName,
    SchemaName,
    SecretKeyReference,
    SpecModel,
)
from pgcraft_core.spec.duration import parse_duration

SslMode = Literal["disable", "require", "verify-ca", "verify-full"]
MigrationMode = Literal["Apply", "Observe"]
ApprovalPolicy = Literal["Never", "OnHazard", "Always"]
DriftPolicy = Literal["Ignore", "Report"]

Duration = Annotated[str, Field(max_length=16, pattern=r"^([0-9]+(ms|s|m|h))+$")]
SecretKey = Annotated[str, Field(min_length=1, max_length=253)]


def _is_between(text: str, shortest: timedelta, longest: timedelta) -> bool:
    try:
        return shortest <= parse_duration(text) <= longest
    except ValueError:
        return False


LOCK_TIMEOUT_ENDS = Rule(
    "duration(self) >= duration('1ms') && duration(self) <= duration('1h')",
    "lockTimeout is from 1ms to 1h; with 0 a statement would wait for ever, and others behind it.",
    lambda text: _is_between(text, timedelta(milliseconds=1), timedelta(hours=1)),
)
INTERVAL_IS_SPARING = Rule(
    "duration(self) >= duration('10s') && duration(self) <= duration('8760h')",
    "interval is from 10s to 8760h; looking more often burdens the database.",
    lambda text: _is_between(text, timedelta(seconds=10), timedelta(days=365)),
)


class SecretKeys(SpecModel):
    """Which key of the Secret holds which part of the connection."""

    uri: SecretKey = Field("uri", description="Key with a whole connection URI; wins over the single parts.")
    host: SecretKey = Field("host", description="Key with the host name.")
    port: SecretKey = Field("port", description="Key with the port.")
    dbname: SecretKey = Field("dbname", description="Key with the database name.")
    username: SecretKey = Field("username", description="Key with the login role.")
    password: SecretKey = Field("password", description="Key with the password.")


class ConnectionSecretReference(SpecModel):
    """A Secret that holds the connection, with the keys CloudNativePG writes unless mapped."""

    name: KubernetesName = Field(description="Name of the Secret, in the Database's namespace.")
    keys: SecretKeys | None = Field(None, description="Other names of the Secret's keys.")


class Connection(SpecModel):
    """How to reach the database: a Secret with all of it, or single fields with the password from a Secret."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.secretRef) != has(self.host)",
            "Give either secretRef or host: exactly one of the two.",
            lambda connection: (connection.secret_ref is None) != (connection.host is None),
        ),
        Rule(
            "!has(self.host) || (has(self.dbname) && has(self.username) && has(self.passwordFrom))",
            "A connection by host needs dbname, username and passwordFrom as well.",
            lambda connection: (
                connection.host is None
                or None not in (connection.dbname, connection.username, connection.password_from)
            ),
            reason="FieldValueRequired",
        ),
        Rule(
            "has(self.host) || !(has(self.port) || has(self.dbname) || has(self.username) || has(self.passwordFrom))",
            "port, dbname, username and passwordFrom go with host; with secretRef they are in the Secret.",
            lambda connection: (
                connection.host is not None
                or (connection.port, connection.dbname, connection.username, connection.password_from) == (None,) * 4
            ),
            reason="FieldValueForbidden",
        ),
    )

    secret_ref: ConnectionSecretReference | None = Field(None, description="Secret with the whole connection.")
    host: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(None, description="Host name or address.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(None, description="Port, 5432 where absent.")
    dbname: PostgresName | None = Field(None, description="Database name.")
    username: PostgresName | None = Field(None, description="Login role.")
    password_from: SecretKeyReference | None = Field(None, description="Key of a Secret with the password.")
    ssl_mode: SslMode = Field(
        "verify-full", description="TLS: disable, require (encrypt only), verify-ca, verify-full (and host name)."
    )
    ssl_root_cert_from: SecretKeyReference | None = Field(
        None, description="Key of a Secret with the certificate authorities to trust, PEM; the system's where absent."
    )


class Migrations(SpecModel):
    """How changes are applied."""

    mode: MigrationMode = Field("Apply", description="Apply changes, or only Observe: plan and report, never write.")
    approval: ApprovalPolicy = Field(
        "OnHazard",
        description="What waits for approval: Never (but for loss of data, which always asks), OnHazard, or Always.",
    )
    lock_timeout: Annotated[Duration, LOCK_TIMEOUT_ENDS] = Field(
        "400ms", description="Longest wait for a table lock before a statement is retried."
    )
    history_limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        20, description="How many finished Migration objects are kept; the database keeps them all."
    )


class Drift(SpecModel):
    """What is done when the database no longer is what was applied."""

    policy: DriftPolicy = Field("Report", description="Report shows differences in a condition; Ignore does not look.")
    interval: Annotated[Duration, INTERVAL_IS_SPARING] = Field(
        "10m", description="How often to look when nothing changed."
    )


class AllowedNamespace(SpecModel):
    """What the authors of one namespace may use in this database."""

    namespace: NamespaceName = Field(description="The namespace.")
    schemas: Annotated[tuple[SchemaName, ...], Field(max_length=64), SetList()] = Field(
        (), description="Schemas its dimensions may live in, expose to and reference."
    )
    roles: Annotated[tuple[RoleName, ...], Field(max_length=64), SetList()] = Field(
        (), description="Roles its dimensions may grant privileges to."
    )


class DatabaseSpec(SpecModel):
    """A Postgres database managed by pgcraft."""

    connection: Connection = Field(description="How to reach the database, directly and not through a pooler.")
    owner_id: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None,
        description="Who we are in the database's ownership registry; keep it in Git, so that a rebuilt cluster is "
        "recognised. Namespace and name of the Database where absent; immutable.",
    )
    owner: RoleName | None = Field(
        None,
        description="NOLOGIN role that owns all that is made, created when missing; the database's name with `_owner` "
        "where absent.",
    )
    migrations: Migrations | None = Field(None, description="How changes are applied.")
    drift: Drift | None = Field(None, description="What is done about drift.")
    allowed_namespaces: Annotated[tuple[AllowedNamespace, ...], Field(max_length=256), MapList("namespace")] = Field(
        (), description="Other namespaces that may use this database, by name; its own needs no entry."
    )
    extensions: Annotated[tuple[PostgresName, ...], Field(max_length=64), SetList()] = Field(
        (), description="Installed extensions whose types, functions and operators dimensions may use."
    )
    allowed_functions: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=253, pattern=NO_CONTROL_CHARACTERS)], ...],
        Field(max_length=256),
        SetList(),
    ] = Field(
        (),
        description="Further functions that expressions may call, as `schema.name` or `schema.name(type, type)`.",
    )
    suspend: bool = Field(False, description="Whether reconciling this database is paused.")


class Database(Resource):
    """A Postgres database that dimensions are made in."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.spec.ownerId) ? (has(oldSelf.spec.ownerId) ? self.spec.ownerId == oldSelf.spec.ownerId : "
            "has(oldSelf.status) && has(oldSelf.status.ownerId) && self.spec.ownerId == oldSelf.status.ownerId) : "
            "!has(oldSelf.spec.ownerId)",
            "ownerId never changes, since the database knows its owner by it; it may only be added as status.ownerId "
            "has it.",
            holds=None,
            path="spec.ownerId",
            reason="FieldValueForbidden",
        ),
    )

    kind: Literal["Database"]
    spec: DatabaseSpec

    @property
    def owner_id(self) -> str:
        """Name of this Database in the ownership registry."""
        return self.spec.owner_id or f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def migrations(self) -> Migrations:
        """Migration policy, with its defaults."""
        return self.spec.migrations or Migrations()

    @property
    def drift(self) -> Drift:
        """Drift policy, with its defaults."""
        return self.spec.drift or Drift()

    def allows(self, namespace: str) -> AllowedNamespace | None:
        """Return what `namespace` was given, or None where it was given nothing (its own namespace aside)."""
        return next((entry for entry in self.spec.allowed_namespaces if entry.namespace == namespace), None)
