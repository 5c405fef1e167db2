"""Connections: what Secrets may hold, what is said of those that do not, and no password where people look."""

import base64
from typing import Any

import psycopg.conninfo
import pytest

from pgcraft_core.spec.database import Database
from pgcraft_core.spec.load import load_resource
from pgcraft_operator.cluster import NotFoundError
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.connect import Certificates, read_connection
from pgcraft_operator.reconcile.halt import Halt


class Shelf:
    """The one call of the cluster port that reading a connection makes."""

    def __init__(self, **secrets: dict[str, str]) -> None:
        self._secrets = secrets

    async def get_secret(self, namespace: str, name: str) -> dict[str, Any]:
        if name not in self._secrets:
            raise NotFoundError(f"secrets {name!r} not found", status=404)
        data = {key: base64.b64encode(value.encode()).decode() for key, value in self._secrets[name].items()}
        return {"metadata": {"namespace": namespace, "name": name}, "data": data}


def declared(**connection: Any) -> Database:
    loaded = load_resource(
        {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": "Database",
            "metadata": {"name": "warehouse", "namespace": "platform"},
            "spec": {"connection": connection},
        }
    )
    assert isinstance(loaded, Database), loaded
    return loaded


async def read(database: Database, **secrets: dict[str, str]) -> ConnectionParameters:
    certificates = Certificates()
    try:
        return await read_connection(Shelf(**secrets), database, certificates)  # ty: ignore[invalid-argument-type]
    finally:
        certificates.close()


PARTS = {"host": "db.example", "port": "6432", "dbname": "shop", "username": "app", "password": "p@ss/w%rd"}


async def test_a_secret_of_single_parts_as_cloudnativepg_writes_it() -> None:
    connection = await read(declared(secretRef={"name": "app"}), app=PARTS)
    assert psycopg.conninfo.conninfo_to_dict(connection.url()) == {
        "host": "db.example",
        "port": "6432",
        "dbname": "shop",
        "user": "app",
        "password": "p@ss/w%rd",
        "sslmode": "verify-full",
        "sslrootcert": "system",
    }


async def test_a_uri_wins_over_the_parts_and_lends_from_them_what_it_leaves_open() -> None:
    secret = {**PARTS, "uri": "postgresql://me:s%40crt@[::1]:5433/*"}
    connection = await read(declared(secretRef={"name": "app"}, sslMode="disable"), app=secret)
    assert (connection.host, connection.port, connection.username) == ("::1", 5433, "me")
    assert (connection.password, connection.dbname) == ("s@crt", "shop")
    assert psycopg.conninfo.conninfo_to_dict(connection.url())["host"] == "::1"


async def test_keys_can_be_mapped() -> None:
    reference = {"name": "app", "keys": {"host": "HOST", "dbname": "DB", "username": "USER", "password": "PW"}}
    secret = {"HOST": "h", "DB": "d", "USER": "u", "PW": "p"}
    connection = await read(declared(secretRef=reference), app=secret)
    assert (connection.host, connection.port, connection.dbname) == ("h", 5432, "d")


async def test_single_fields_with_the_password_from_a_secret() -> None:
    fields = {"host": "h", "dbname": "d", "username": "u", "passwordFrom": {"name": "app", "key": "pw"}}
    connection = await read(declared(**fields), app={"pw": "secret"})
    assert (connection.password, connection.port) == ("secret", 5432)


async def test_certificate_authorities_are_given_as_a_file() -> None:
    database = declared(secretRef={"name": "app"}, sslRootCertFrom={"name": "ca", "key": "ca.crt"})
    connection = await read(database, app=PARTS, ca={"ca.crt": "PEM"})
    assert psycopg.conninfo.conninfo_to_dict(connection.url())["sslrootcert"] == str(connection.sslrootcert)


def test_certificate_authorities_are_private_files_until_closed() -> None:
    certificates = Certificates()
    path = certificates.keep("PEM")
    assert path == certificates.keep("PEM") != certificates.keep("another")
    assert path.read_text() == "PEM"
    assert path.parent.stat().st_mode & 0o077 == 0
    certificates.close()
    assert not path.exists()


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({}, "Secret platform/app does not exist"),
        ({"app": {"host": "h"}}, "Secret platform/app has neither the key uri nor dbname, username"),
        ({"app": {"uri": "mysql://h/d"}}, "key uri of Secret platform/app is no postgresql:// URI of one host"),
        ({"app": {"uri": "postgresql://a,b/d"}}, "key uri of Secret platform/app is no postgresql:// URI of one host"),
        ({"app": {**PARTS, "port": "high"}}, "key port of Secret platform/app is no port number"),
    ],
)
async def test_an_unfit_secret_is_named(secrets: dict[str, dict[str, str]], said: str) -> None:
    with pytest.raises(Halt) as halt:
        await read(declared(secretRef={"name": "app"}), **secrets)
    assert (halt.value.outcome.reason, halt.value.outcome.message) == (Reason.DATABASE_UNAVAILABLE, said)


async def test_a_password_is_in_no_representation() -> None:
    connection = await read(declared(secretRef={"name": "app"}), app=PARTS)
    assert PARTS["password"] not in repr(connection)
