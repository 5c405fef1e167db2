"""The workload's Secret: the authenticator's login, its verifier, and the key that tokens are signed with."""

from __future__ import annotations

import base64
import hashlib
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, urlencode

from pgcraft_core.extensions.postgrest.roles import authenticator_name
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.cluster import Cluster, Manifest, NotFoundError
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.postgrest.comparison import is_applied, stamp
from pgcraft_operator.postgrest.errors import SourceSecretMissingError, UnusableSecretError
from pgcraft_operator.postgrest.ownership import owned_metadata, require_ownership
from pgcraft_operator.postgrest.scram import is_preparable, make_verifier, verifies

AUTHORITIES_KEY = "ca.crt"
AUTHORITIES_FOLDER = "/etc/pgcraft/tls"
"""Where the pods find the certificate authorities of the database."""

_RANDOM_BYTES = 32  # 43 URL-safe characters
_SHORTEST_JWT_SECRET = 32  # bytes: HS256 wants a key as long as its hash, and PostgREST from 12.2 on insists
_PASSED_ON = ("username", "password", "db-uri", "jwt-secret", AUTHORITIES_KEY)


@dataclass(frozen=True, slots=True)
class WorkloadSecret:
    """What the Secret holds that the engine and the workload need."""

    name: str
    login_role: str
    password: str = field(repr=False)
    verifier: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    checksum: str
    """Digest of all that pods read at their start."""
    has_authorities: bool

    @property
    def verifier_fingerprint(self) -> str:
        """The SHA-256 of the verifier, in hexadecimal."""
        return hashlib.sha256(self.verifier.encode()).hexdigest()


def secret_name(postgrest: PostgREST) -> str:
    """Return the name of the workload's Secret, in the resource's namespace."""
    return f"{postgrest.metadata.name}-postgrest"


async def ensure_secret(cluster: Cluster, postgrest: PostgREST, connection: ConnectionParameters) -> WorkloadSecret:
    """Return the workload's Secret, created, completed or brought up to date first; passwords and keys never rotate.

    Raises:
        WorkloadError: the Secret is somebody else's, or one that people wrote is missing or unusable.
        ClusterError: the API server cannot be reached or refuses, among others because the Secret changed meanwhile.
    """
    name = secret_name(postgrest)
    live = await _find(cluster, postgrest, name)
    current = decode(live) if live else {}
    values = complete(current, postgrest, connection, await _given_jwt_secret(cluster, postgrest))
    manifest = secret_manifest(postgrest, values)
    if live is None:
        await cluster.apply(manifest)
    elif not is_applied(manifest, live):
        # What is written derives from what was read: a Secret that changed in between is a conflict, and is read again.
        manifest["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        await cluster.apply(manifest)
    return WorkloadSecret(
        name=name,
        login_role=values["username"],
        password=values["password"],
        verifier=values["verifier"],
        jwt_secret=values["jwt-secret"],
        checksum=_checksum(values),
        has_authorities=AUTHORITIES_KEY in values,
    )


def complete(
    current: Mapping[str, str], postgrest: PostgREST, connection: ConnectionParameters, jwt_secret: str | None
) -> dict[str, str]:
    """Return what the Secret is to hold: everything secret as it is, what is missing new, what is derived anew.

    Raises:
        UnusableSecretError: the password or the JWT secret is one that would not work.
    """
    password = current.get("password") or secrets.token_urlsafe(_RANDOM_BYTES)
    if not is_preparable(password):
        raise UnusableSecretError(
            f"the password in Secret {secret_name(postgrest)} must be printable ASCII; remove it to have one generated"
        )
    verifier = current.get("verifier", "")
    jwt_secret = jwt_secret or current.get("jwt-secret") or secrets.token_urlsafe(_RANDOM_BYTES)
    if len(jwt_secret.encode()) < _SHORTEST_JWT_SECRET:
        raise UnusableSecretError(f"spec.jwt.secretRef: the secret must have at least {_SHORTEST_JWT_SECRET} bytes")
    login = authenticator_name(postgrest, connection.dbname)
    authorities = _authorities(connection)
    return {
        "username": login,
        "password": password,
        "verifier": verifier if _verifies(verifier, password) else make_verifier(password),
        "db-uri": _database_uri(connection, login, password, has_authorities=authorities is not None),
        "jwt-secret": jwt_secret,
        **({AUTHORITIES_KEY: authorities} if authorities is not None else {}),
    }


def secret_manifest(postgrest: PostgREST, values: Mapping[str, str]) -> Manifest:
    """Return the Secret as it is applied."""
    return stamp(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": owned_metadata(postgrest, secret_name(postgrest)),
            "type": "Opaque",
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
        }
    )


def decode(secret: Manifest) -> dict[str, str]:
    """Return the values of a Secret, without those that are not text."""
    values: dict[str, str] = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            values[key] = base64.b64decode(value).decode()
        except UnicodeDecodeError:
            continue
    return values


async def _find(cluster: Cluster, postgrest: PostgREST, name: str) -> Manifest | None:
    try:
        live = await cluster.get_secret(postgrest.metadata.namespace, name)
    except NotFoundError:
        return None
    require_ownership(live, postgrest)
    return live


async def _given_jwt_secret(cluster: Cluster, postgrest: PostgREST) -> str | None:
    reference = postgrest.spec.jwt.secret_ref if postgrest.spec.jwt else None
    if reference is None:
        return None
    namespace = postgrest.metadata.namespace
    try:
        values = decode(await cluster.get_secret(namespace, reference.name))
    except NotFoundError:
        values = {}
    if not values.get(reference.key):
        raise SourceSecretMissingError(namespace, reference.name, reference.key)
    return values[reference.key]


def _database_uri(connection: ConnectionParameters, login: str, password: str, *, has_authorities: bool) -> str:
    """Return the operator's connection as the pods make it: their own login, their own files."""
    user, secret, host, dbname = (
        quote(part, safe="") for part in (login, password, connection.host, connection.dbname)
    )
    query = {"sslmode": connection.sslmode}
    if connection.sslmode in ("verify-ca", "verify-full"):
        query["sslrootcert"] = f"{AUTHORITIES_FOLDER}/{AUTHORITIES_KEY}" if has_authorities else "system"
    return f"postgresql://{user}:{secret}@{host}:{connection.port}/{dbname}?{urlencode(query)}"


def _authorities(connection: ConnectionParameters) -> str | None:
    """Return the certificate authorities that pods are to trust, PEM, or None where nothing is verified.

    Without any given, they are those of the operator's own system, for PostgREST's image holds none.
    """
    if connection.sslmode not in ("verify-ca", "verify-full"):
        return None
    if connection.sslrootcert is not None:
        return connection.sslrootcert.read_text()
    bundle = ssl.get_default_verify_paths().cafile
    return Path(bundle).read_text() if bundle else None


def _checksum(values: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for key in _PASSED_ON:
        digest.update(f"{key}\0{values.get(key, '')}\0".encode())
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _verifies(verifier: str, password: str) -> bool:
    """Whether they fit, remembered: it takes 4096 hashes, and every run asks."""
    return verifies(verifier, password)
