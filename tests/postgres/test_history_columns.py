"""What becomes of recorded values when columns come, go, are filled, renamed, retyped, or declared at last."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest

from pgcraft_core.migrate.errors import MigrationError
from playground.postgres import ScratchDatabase
from tests.corpus.world import API, READER, WRITER, sql
from tests.postgres.history_world import PAST
from tests.postgres.test_evolution import CODE, NOTE, SIZE, columns
from tests.postgres.test_history_evolution import HISTORY_API, World, open_world

FILL = """
    INSERT INTO geo.things (code, note, size) VALUES ('a', 'old', 1), ('b', 'y', 2);
    UPDATE geo.things SET note = 'new' WHERE code = 'a'
"""


@pytest.fixture(params=PAST)
def world(database: ScratchDatabase, request: pytest.FixtureRequest) -> Iterator[World]:
    with open_world(database, request.param) as world:
        yield world


@pytest.fixture
def eav(database: ScratchDatabase) -> Iterator[World]:
    with open_world(database, "EAV") as world:
        yield world


def values(world: World, column: str) -> list[str | None]:
    """Return the values the column of the thing 'a' had and has, oldest first."""
    return [
        value
        for (value,) in world.eye.execute(
            sql(
                f"SELECT {column}::text FROM geo.things_versions WHERE id = 1 ORDER BY valid_from"
                if world.type == "AppendOnly"
                else f"SELECT value FROM geo.things_attribute_history WHERE id = 1 AND attribute = '{column}'"
                " ORDER BY valid_from"
            )
        )
    ]


def recorded(world: World) -> list[tuple[Any, ...]]:
    """Return all rows of the past."""
    table = "things_history" if world.type == "AppendOnly" else "things_attribute_log"
    return world.eye.execute(sql(f"SELECT to_jsonb(p) FROM geo.{table} p ORDER BY valid_to")).fetchall()


@pytest.mark.parametrize("default", ["'given'", "gen_random_uuid()::text"], ids=["constant", "volatile"])
@pytest.mark.parametrize("nullable", [True, False])
def test_new_column_comes_to_the_past_without_its_default(world: World, default: str, nullable: bool) -> None:
    world.deploy({})
    world.eye.execute(FILL)
    stamps = world.rows("SELECT * FROM geo.things")
    past = len(recorded(world))
    colour = {"name": "colour", "type": "text", "default": default, "nullable": nullable}
    world.deploy(columns(CODE, NOTE, SIZE, colour))
    assert world.rows("SELECT FROM geo.things WHERE colour IS NULL") == set()
    assert len(recorded(world)) == past, "a backfill writes no versions"
    assert {row[: len(stamp)] for row in world.rows("SELECT * FROM geo.things") for stamp in stamps} >= stamps
    if world.type == "AppendOnly":
        assert values(world, "colour")[0] is None, "the past is not falsified"
    world.eye.execute("UPDATE geo.things SET colour = 'red' WHERE id = 1")
    assert values(world, "colour")[-1] == "red"
    assert len(recorded(world)) == past + 1


def test_not_null_is_filled_without_versions_and_the_past_keeps_its_nulls(world: World) -> None:
    world.deploy({})
    world.eye.execute(
        FILL + "; UPDATE geo.things SET size = NULL WHERE id = 1; UPDATE geo.things SET size = 5 WHERE id = 1"
    )
    past = recorded(world)
    world.deploy(columns(CODE, NOTE, {**SIZE, "nullable": False, "default": "0"}))
    assert recorded(world) == past


def test_rename_reaches_the_past(world: World) -> None:
    world.deploy({})
    world.eye.execute(FILL)
    past = len(recorded(world))
    world.deploy(columns(CODE, {**NOTE, "name": "remark", "renamedFrom": "note"}, SIZE))
    assert values(world, "remark") == ["old", "new"]
    world.eye.execute("UPDATE geo.things SET remark = 'newer' WHERE id = 1")
    assert values(world, "remark") == ["old", "new", "newer"]
    assert len(recorded(world)) == past + 1
    if world.type == "EAV":
        assert values(world, "note") == []


def test_retype_reaches_the_past(world: World) -> None:
    world.deploy({})
    world.eye.execute(FILL + "; UPDATE geo.things SET size = 3 WHERE id = 1")
    past = len(recorded(world))
    world.deploy(columns(CODE, NOTE, {**SIZE, "type": "bigint"}))
    world.eye.execute("UPDATE geo.things SET size = 10000000000 WHERE id = 1")
    world.eye.execute("UPDATE geo.things SET size = 10000000001 WHERE id = 1")
    assert len(recorded(world)) == past + 2
    held = [value for value, _ in groupby(values(world, "size"))]
    assert held == ["1", "3", "10000000000", "10000000001"]


def test_column_no_longer_declared_is_recorded_on_until_its_removal_is_approved(world: World) -> None:
    world.deploy({})
    world.eye.execute(FILL)
    without = columns(CODE, SIZE)
    world.deploy(without)
    assert [row for row in recorded(world) if "old" in str(row)], "its past is kept"
    world.eye.execute("UPDATE geo.things SET note = 'later' WHERE id = 1")
    assert [row for row in recorded(world) if "'new'" in str(row)], "and goes on"
    (waiting,) = world.plan(without).waiting
    assert "note" in waiting.sql
    assert waiting.needs_approval

    world.session.apply(replace(waiting, needs_approval=False))
    assert not world.plan(without).waiting
    assert not world.plan(without).migrations
    assert not [row for row in recorded(world) if "'old'" in str(row) or "'new'" in str(row)]
    before = len(recorded(world))
    world.eye.execute("UPDATE geo.things SET size = 9 WHERE id = 1")
    assert len(recorded(world)) == before + 1


def test_column_declared_again_has_its_past(world: World) -> None:
    world.deploy({})
    world.eye.execute(FILL)
    world.deploy(columns(CODE, SIZE))
    world.eye.execute("UPDATE geo.things SET note = 'meanwhile' WHERE id = 1")
    world.deploy({})
    assert values(world, "note") == ["old", "new", "meanwhile"]
    assert not world.plan({}).waiting


def test_past_goes_from_the_api_and_comes_back_with_its_grants(world: World) -> None:
    view, query = {
        "AppendOnly": ("things_versions", "things_as_of"),
        "EAV": ("things_attribute_history", "things_attributes_as_of"),
    }[world.type]
    grants = f"""
        SELECT grantee, privilege_type FROM information_schema.role_table_grants
        WHERE table_schema = 'api' AND table_name = '{view}' AND grantee IN ('{READER}', '{WRITER}', 'PUBLIC')
    """
    executors = f"""
        SELECT grantee FROM information_schema.role_routine_grants
        WHERE routine_schema = 'api' AND routine_name = '{query}' AND grantee IN ('{READER}', '{WRITER}', 'PUBLIC')
    """
    world.deploy({})
    world.eye.execute(FILL)
    past = recorded(world)
    for _ in range(2):
        assert world.rows(grants) == {(READER, "SELECT"), (WRITER, "SELECT")}
        assert world.rows(executors) == {(READER,), (WRITER,)}
        world.deploy({"api": {**API, "history": False}})
        assert world.rows("SELECT to_regclass(%s), to_regproc(%s)", f"api.{view}", f"api.{query}") == {(None, None)}
        assert world.rows("SELECT count(*) FROM api.things") == {(2,)}
        world.deploy({"api": HISTORY_API})
    assert recorded(world) == past
    only_reader = {"api": {**HISTORY_API, "grants": [{"role": READER, "privileges": ["select"]}]}}
    world.deploy(only_reader)
    assert world.rows(grants) == {(READER, "SELECT")}
    assert world.rows(executors) == {(READER,)}


def test_opening_an_eav_dimension_and_declaring_what_it_took(eav: World) -> None:
    eav.deploy({}, {"open": True})
    eav.eye.execute("""INSERT INTO geo.things (code, extra) VALUES ('a', '{"colour": "red", "depth": 5}')""")
    eav.eye.execute("""UPDATE geo.things SET extra = extra || '{"colour": "blue"}' WHERE id = 1""")
    past = recorded(eav)
    colour = {"name": "colour", "type": "text"}
    eav.deploy({"open": True, **columns(CODE, NOTE, SIZE, colour)})
    assert eav.rows("SELECT colour, extra::text FROM geo.things") == {("blue", '{"depth": 5}')}
    assert len(recorded(eav)) == len(past), "moving is no change"
    assert values(eav, "colour") == ["red", "blue"]
    eav.eye.execute("UPDATE geo.things SET colour = 'green' WHERE id = 1")
    assert values(eav, "colour") == ["red", "blue", "green"]


def test_declaring_what_does_not_fit_its_type_loses_nothing_and_can_be_put_right(eav: World) -> None:
    eav.deploy({"open": True})
    eav.eye.execute("""INSERT INTO geo.things (code, extra) VALUES ('a', '{"depth": "deep"}'), ('b', '{"depth": 5}')""")
    declared = {"open": True, **columns(CODE, NOTE, SIZE, {"name": "depth", "type": "integer"})}
    for migration in eav.plan(declared).migrations:
        with contextlib.suppress(MigrationError):
            eav.session.apply(migration)
    assert eav.rows("SELECT extra ->> 'depth' FROM geo.things WHERE code = 'a'") == {("deep",)}
    eav.eye.execute("""UPDATE geo.things SET extra = extra - 'depth' WHERE code = 'a'""")
    eav.deploy(declared)
    assert eav.rows("SELECT code, depth FROM geo.things") == {("a", None), ("b", 5)}
    assert values(eav, "depth") == ["deep"]


def test_backfill_as_the_owner_alone_writes_no_version(world: World) -> None:
    """What migrations do when they fill: the owner role, at the top level, by its setting; all three are needed."""
    world.deploy({})
    world.eye.execute(FILL)
    past = recorded(world)
    fill = "UPDATE geo.things SET size = 99 WHERE id = 1"
    with world.eye.transaction():
        world.eye.execute(sql(f"SET LOCAL ROLE \"{world.owner}\"; SET LOCAL pgcraft.backfill = 'on'; {fill}"))
    assert recorded(world) == past
    with world.eye.transaction():
        world.eye.execute(sql(f'SET LOCAL ROLE "{world.owner}"; UPDATE geo.things SET size = 98 WHERE id = 1'))
    assert len(recorded(world)) == len(past) + 1
    with world.eye.transaction():
        world.eye.execute("SET LOCAL pgcraft.backfill = 'on'; UPDATE geo.things SET size = 97 WHERE id = 1")
    assert len(recorded(world)) == len(past) + 2
