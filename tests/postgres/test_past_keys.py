"""Types of keys that a past can be kept under, and those that are refused when planned."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgcraft_core.spec.dimension import Dimension
from playground.postgres import ScratchDatabase
from tests.corpus.world import compiled, deploy, dimension, open_session, said, sql, warehouse

KEY = {"strategy": "Natural", "columns": ["k"]}
TYPES = """
CREATE SCHEMA ext;
GRANT USAGE ON SCHEMA ext TO PUBLIC;
CREATE EXTENSION citext SCHEMA ext;
CREATE DOMAIN ext.email AS ext.citext;
CREATE DOMAIN ext.code AS varchar(4);
CREATE TYPE ext.mood AS ENUM ('sad', 'happy');
CREATE TYPE ext.span AS RANGE (subtype = integer);
"""


def keyed(type_: str, key: str) -> Dimension:
    return dimension("t", {"name": "k", "type": key}, {"name": "a", "type": "text"}, type=type_, primary_key=KEY)


def world(database: ScratchDatabase) -> dict[str, Any]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(sql(TYPES))
    return {"database": warehouse(owner=f"{database.name}_owner", extensions=["citext"])}


@pytest.mark.parametrize("key", ["ext.citext", "ext.email"])
@pytest.mark.parametrize("type_", ["AppendOnly", "EAV"])
def test_a_key_compared_outside_pg_catalog_is_refused_ahead(
    any_database: ScratchDatabase, type_: str, key: str
) -> None:
    given = world(any_database)
    with open_session(any_database) as session:
        found = session.plan(compiled(keyed(type_, key), server_version=session.server_version, **given))
        assert f"spec.primaryKey: type {key} of k is compared by an operator outside pg_catalog" in said(found)
        assert "take a generated key, and make k a unique column" in said(found)
        assert not found.migrations
        # The way out.
        unique = {"name": "k", "type": key, "unique": True, "nullable": False}
        deploy(session, dimension("t", unique, type=type_), **given)
        with psycopg.connect(any_database.url, autocommit=True) as eye:
            eye.execute("INSERT INTO geo.t (k) VALUES ('a')")
            eye.execute("UPDATE geo.t SET k = 'A'")
            eye.execute("DELETE FROM geo.t")


@pytest.mark.parametrize("key", ["ext.code", "ext.mood", "ext.span", "varchar(4)", "text[]", "uuid"])
@pytest.mark.parametrize("type_", ["AppendOnly", "EAV"])
def test_keys_of_other_types_are_taken(database: ScratchDatabase, type_: str, key: str) -> None:
    given = world(database)
    with open_session(database) as session:
        deploy(session, keyed(type_, key), **given)


def test_without_a_past_any_type_may_be_the_key(database: ScratchDatabase) -> None:
    given = world(database)
    with open_session(database) as session:
        deploy(session, keyed("Simple", "ext.citext"), **given)
