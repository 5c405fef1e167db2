"""The second step: the connection of a Database, from its spec and its Secrets."""

from __future__ import annotations

import base64
import binascii
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pgcraft_core.spec.base import SecretKeyReference
from pgcraft_core.spec.database import Connection, Database, SecretKeys, SslMode
from pgcraft_operator.cluster import Cluster, NotFoundError
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.outcome import Waiting
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.halt import Halt

_DEFAULT_PORT = 5432


class Certificates:
    """Private files for certificate authorities, since libpq reads them from files only; gone when closed."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pgcraft-ca-"))  # mode 0700

    def keep(self, pem: str) -> Path:
        """Return a file with exactly this content, the same file for the same content."""
        path = self._folder / f"{hashlib.sha256(pem.encode()).hexdigest()}.pem"
        if not path.exists():
            path.write_text(pem)
        return path

    def close(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)


async def read_connection(cluster: Cluster, database: Database, certificates: Certificates) -> ConnectionParameters:
    """Return how to reach the database; raises `Halt` naming the Secret and key that are missing or unfit."""
    connection = database.spec.connection
    namespace = database.metadata.namespace
    sslrootcert = None
    if connection.ssl_root_cert_from is not None:
        sslrootcert = certificates.keep(await _read_key(cluster, namespace, connection.ssl_root_cert_from))
    if connection.secret_ref is not None:
        secret = f"{namespace}/{connection.secret_ref.name}"
        values = await _read_secret(cluster, namespace, connection.secret_ref.name)
        keys = connection.secret_ref.keys or SecretKeys()
        return _from_secret(values, keys, secret, connection.ssl_mode, sslrootcert)
    return await _from_fields(cluster, namespace, connection, sslrootcert)


async def _from_fields(
    cluster: Cluster, namespace: str, connection: Connection, sslrootcert: Path | None
) -> ConnectionParameters:
    for field, value in (("host", connection.host), ("dbname", connection.dbname), ("username", connection.username)):
        if value is None:
            raise _unusable(f"spec.connection.{field} is missing")
    password = "" if connection.password_from is None else await _read_key(cluster, namespace, connection.password_from)
    return ConnectionParameters(
        host=connection.host or "",
        port=connection.port or _DEFAULT_PORT,
        dbname=connection.dbname or "",
        username=connection.username or "",
        password=password,
        sslmode=connection.ssl_mode,
        sslrootcert=sslrootcert,
    )


def _from_secret(
    values: dict[str, str], keys: SecretKeys, secret: str, sslmode: SslMode, sslrootcert: Path | None
) -> ConnectionParameters:
    """Return the connection in a Secret's values: the URI where there is one, its single parts where it is silent."""
    uri = _split(values[keys.uri], secret, keys.uri) if values.get(keys.uri) else SplitResult("", "", "", "", "")
    dbname = unquote(uri.path.removeprefix("/"))
    found = {
        # `*` is how CloudNativePG writes that a superuser may connect to any database.
        keys.dbname: ("" if dbname == "*" else dbname) or values.get(keys.dbname, ""),
        keys.host: unquote(uri.hostname or "") or values.get(keys.host, ""),
        # CloudNativePG calls it both: `username` in basic-auth Secrets, `user` beside.
        keys.username: unquote(uri.username or "") or values.get(keys.username) or values.get("user", ""),
    }
    missing = [key for key, value in found.items() if not value]
    if missing:
        raise _unusable(f"Secret {secret} has neither the key {keys.uri} nor {', '.join(sorted(missing))}")
    return ConnectionParameters(
        host=found[keys.host],
        port=uri.port or _port(values.get(keys.port, ""), secret, keys.port),
        dbname=found[keys.dbname],
        username=found[keys.username],
        password=unquote(uri.password or "") or values.get(keys.password, ""),
        sslmode=sslmode,
        sslrootcert=sslrootcert,
    )


def _split(uri: str, secret: str, key: str) -> SplitResult:
    parts = urlsplit(uri.strip())
    try:
        usable = parts.scheme in ("postgresql", "postgres") and "," not in parts.netloc and parts.port != 0
    except ValueError:  # the port is no number
        usable = False
    if not usable:  # the URI itself holds the password and is not shown
        raise _unusable(f"key {key} of Secret {secret} is no postgresql:// URI of one host")
    return parts


def _port(text: str, secret: str, key: str) -> int:
    if not text:
        return _DEFAULT_PORT
    if not text.strip().isdigit():
        raise _unusable(f"key {key} of Secret {secret} is no port number")
    return int(text)


async def _read_key(cluster: Cluster, namespace: str, reference: SecretKeyReference) -> str:
    values = await _read_secret(cluster, namespace, reference.name)
    if reference.key not in values:
        raise _unusable(f"Secret {namespace}/{reference.name} has no key {reference.key}")
    return values[reference.key]


async def _read_secret(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    try:
        secret = await cluster.get_secret(namespace, name)
    except NotFoundError as error:
        raise _unusable(f"Secret {namespace}/{name} does not exist") from error
    return decode_secret(secret)


def decode_secret(secret: dict[str, Any]) -> dict[str, str]:
    """Return a Secret's values as text; raises `Halt` where one is none."""
    try:
        return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    except (binascii.Error, UnicodeDecodeError) as error:
        metadata = secret["metadata"]
        raise _unusable(f"Secret {metadata['namespace']}/{metadata['name']} holds something that is no text") from error


def _unusable(message: str) -> Halt:
    return Halt(Waiting(Reason.DATABASE_UNAVAILABLE, message))
