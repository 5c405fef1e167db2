"""What of a resource's tables is tried before it is planned: what the author wrote, once, where it changed."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from pgcraft_core.catalog.registry import Registry, RegistryEntry
from pgcraft_core.migrate.inspect import probe_units
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.table import Column, Table, Trigger
from pgcraft_core.schema.unit import Claimant, Unit
from playground.postgres import ScratchDatabase
from tests.corpus.world import settings

THINGS = Claimant("Dimension", "platform", "things")
ID = ObjectId("table", "geo", "things")
ACTOR = Column(name="changed_by", type="text", default="current_setting('request.jwt.claims', true)")
STAMP = Trigger(
    name="stamp", timing="BEFORE", events=("UPDATE",), level="ROW", function_schema="geo", function_name="stamp"
)


@pytest.fixture
def connection(database: ScratchDatabase) -> Iterator[Connection]:
    engine = create_engine(database.owner_url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def said(connection: Connection, database: ScratchDatabase) -> Any:
    def probe(*tables: Table, registry: Registry | None = None, **origins: str) -> list[str]:
        unit = Unit(THINGS, objects=tables, origins={(ID, key.replace("_of_", ":")): at for key, at in origins.items()})
        found = probe_units(connection, [unit], registry or Registry(), settings(database))
        return [f"{finding.path}: {finding.message}" for finding in found.get(THINGS, ())]

    return probe


def things(*columns: Column, name: str = "things", **fields: Any) -> Table:
    return Table(schema_name="geo", name=name, columns=columns, **fields)


def recorded(table: Table) -> Registry:
    return Registry({table.id: RegistryEntry(table.id, "o", THINGS, "managed", table, table.fingerprint(), None, "0")})


def test_a_bad_type_is_said_once_and_of_the_table_its_author_declared(said: Any) -> None:
    bad, text = Column(name="a", type="nowhere.mood"), Column(name="operation", type="text")
    closed = Column(name="valid_to", type="timestamp with time zone")
    (message,) = said(things(bad), things(bad, text, closed, name="things_history"), type_of_a="spec.columns[a].type")
    assert message.startswith("spec.columns[a].type: type nowhere.mood does not exist")
    (message,) = said(things(text), things(bad, name="things_history"))  # not one that was judged
    assert "nowhere.mood" in message


def test_only_stamps_that_are_ours_may_read_the_claims(said: Any) -> None:
    assert said(things(ACTOR)) == []
    (message,) = said(things(ACTOR), default_of_changed_by="spec.columns[changed_by].default")
    assert message.startswith("spec.columns[changed_by].default: function pg_catalog.current_setting(text, boolean)")
    (message,) = said(things(ACTOR.model_copy(update={"name": "author"})))
    assert "current_setting" in message


def test_triggers_and_comments_alone_try_nothing_again(said: Any) -> None:
    """What was applied under rules that no longer hold stays until its own text changes."""
    before = things(Column(name="a", type="text", default="pg_read_file('x')"))
    registry = recorded(before)
    assert said(before.model_copy(update={"triggers": (STAMP,), "comment": "new"}), registry=registry) == []
    assert said(before, registry=Registry()) != []
    changed = things(*before.columns, Column(name="b", type="text"))
    assert said(changed, registry=registry) != []
