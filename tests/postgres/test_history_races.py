"""Two sessions at once: versions follow one another, whoever began, waited or committed first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from playground.postgres import PostgresServer
from tests.postgres.history_world import PAST, Span, Stage, Writer, staged

LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


@pytest.fixture(scope="module", params=PAST)
def stage(any_postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Stage]:
    with staged(any_postgres, request.param) as stage:
        yield stage


@pytest.fixture
def world(stage: Stage) -> Iterator[int]:
    """A world in which the thing 1 has the value 'x'; afterwards nobody is in the middle of anything."""
    stage.clear()
    world = next(stage.worlds)
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    yield world
    stage.clear()


def see_order(spans: list[Span]) -> None:
    for span in spans:
        assert span.valid_to is None or span.valid_from < span.valid_to
    for before, after in pairwise(spans):
        assert before.valid_to is not None
        assert before.valid_to <= after.valid_from
    assert len({span.valid_from for span in spans}) == len(spans)


def as_of(stage: Stage, world: int, instant: object) -> dict[int, str]:
    """Return the values of `a` by key as they were."""
    if stage.type == "AppendOnly":
        return dict(stage.rows("SELECT k, a FROM geo.things_as_of(%s) WHERE world = %s", instant, world))
    query = "SELECT k, value FROM geo.things_attributes_as_of(%s) WHERE attribute = 'a' AND world = %s"
    return dict(stage.rows(query, instant, world))


def finish(stage: Stage, writer: Writer, control: str = "COMMIT") -> None:
    """Collect what the writer waited for, and end its transaction."""
    assert writer.running is not None
    assert writer in stage.settle()
    running, writer.running = writer.running, None
    running.result()
    writer.control(control)


@pytest.mark.parametrize("level", LEVELS)
def test_insert_that_waits_for_a_delete_begins_after_it(stage: Stage, world: int, level: str) -> None:
    deleter, inserter, _ = stage.writers
    deleter.control("BEGIN")
    deleter.control(f"UPDATE geo.things SET a = 'y' WHERE world = {world}")
    inserter.control(f"BEGIN ISOLATION LEVEL {level}")
    inserter.start_sql(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'z')")
    stage.await_waiting(inserter)
    deleter.control(f"DELETE FROM geo.things WHERE world = {world}")
    deleter.control("COMMIT")
    finish(stage, inserter)
    spans = stage.spans(world, 1)
    assert [span.value for span in spans] == ["x", "y", "z"]
    see_order(spans)


@pytest.mark.parametrize(
    ("then", "values"),
    [
        ("UPDATE geo.things SET a = 'zz' WHERE world = NEW.world", ["x", "y", "z", "zz"]),
        ("UPDATE geo.things SET a = 'z' WHERE world = NEW.world", ["x", "y", "z"]),
        ("DELETE FROM geo.things WHERE world = NEW.world", ["x", "y", "z"]),
    ],
    ids=["changed", "touched", "ended"],
)
def test_insert_that_waits_and_is_changed_by_its_own_statement(
    stage: Stage, world: int, then: str, values: list[str]
) -> None:
    """A trigger that fires before the row is settled finds it stamped as it was before it waited."""
    deleter, inserter, _ = stage.writers
    stage.run(
        f"""
        CREATE OR REPLACE FUNCTION public.change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {then}; RETURN NULL; END $$;
        CREATE TRIGGER a_change AFTER INSERT ON geo.things FOR EACH ROW EXECUTE FUNCTION public.change()
        """
    )
    try:
        deleter.control("BEGIN")
        deleter.control(f"UPDATE geo.things SET a = 'y' WHERE world = {world}")
        inserter.control("BEGIN")
        inserter.start_sql(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'z')")
        stage.await_waiting(inserter)
        deleter.control(f"DELETE FROM geo.things WHERE world = {world}")
        deleter.control("COMMIT")
        finish(stage, inserter)
    finally:
        stage.clear()
        stage.run("DROP TRIGGER a_change ON geo.things")
    spans = stage.spans(world, 1)
    assert [span.value for span in spans] == values
    see_order(spans)


def test_insert_that_waits_for_an_insert_that_is_rolled_back(stage: Stage, world: int) -> None:
    first, second, _ = stage.writers
    first.control("BEGIN")
    first.control(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 2, 'never')")
    second.start_sql(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 2, 'z')")
    stage.await_waiting(second)
    first.control("ROLLBACK")
    finish(stage, second)
    assert [span.value for span in stage.spans(world, 2)] == ["z"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("then", ["", "ON CONFLICT (world, k) DO UPDATE SET a = excluded.a"])
def test_insert_that_pauses_before_it_goes_in_begins_after_what_came_between(
    stage: Stage, world: int, level: str, then: str
) -> None:
    """It was stamped by its defaults, paused, and another transaction changed and deleted the row before it went on."""
    deleter, inserter, holder = stage.writers
    stage.run(
        """
        CREATE OR REPLACE FUNCTION public.pause() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.a = 'paused' THEN PERFORM pg_advisory_xact_lock(1); END IF; RETURN NEW; END $$;
        CREATE OR REPLACE TRIGGER a_pause BEFORE INSERT ON geo.things FOR EACH ROW EXECUTE FUNCTION public.pause();
        CREATE OR REPLACE TRIGGER zz_pause BEFORE INSERT ON geo.things FOR EACH ROW EXECUTE FUNCTION public.pause()
        """
    )
    try:
        holder.control("BEGIN")
        holder.control("SELECT pg_advisory_xact_lock(1)")
        inserter.control(f"BEGIN ISOLATION LEVEL {level}")
        inserter.start_sql(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'paused') {then}")
        stage.await_waiting(inserter)
        deleter.control(f"UPDATE geo.things SET a = 'y' WHERE world = {world}")
        deleter.control(f"DELETE FROM geo.things WHERE world = {world}")
        holder.control("COMMIT")
        finish(stage, inserter)
    finally:
        stage.clear()
        stage.run("DROP TRIGGER a_pause ON geo.things; DROP TRIGGER zz_pause ON geo.things")
    spans = stage.spans(world, 1)
    assert [span.value for span in spans] == ["x", "y", "paused"]
    see_order(spans)


def test_delete_that_waits_closes_what_it_waited_for(stage: Stage, world: int) -> None:
    updater, deleter, inserter = stage.writers
    updater.control("BEGIN")
    updater.control(f"UPDATE geo.things SET a = 'y' WHERE world = {world}")
    deleter.control("BEGIN")
    deleter.start_sql(f"DELETE FROM geo.things WHERE world = {world}")
    stage.await_waiting(deleter)
    updater.control(f"UPDATE geo.things SET a = 'z' WHERE world = {world}")
    updater.control("COMMIT")
    assert deleter in stage.settle()
    assert deleter.running is not None
    deleter.running.result()
    deleter.running = None
    inserter.start_sql(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'again')")
    stage.await_waiting(inserter)
    deleter.control("COMMIT")
    finish(stage, inserter)
    spans = stage.spans(world, 1)
    assert [span.value for span in spans] == ["x", "y", "z", "again"]
    see_order(spans)


def test_versions_follow_the_order_of_the_locks_not_of_the_transactions(stage: Stage, world: int) -> None:
    """The one that began first writes last: by the time of its beginning its version would come first."""
    early, late, _ = stage.writers
    early.control("BEGIN")
    early.control("SELECT now()")
    late.control(f"UPDATE geo.things SET a = 'late' WHERE world = {world}")
    early.control(f"UPDATE geo.things SET a = 'early' WHERE world = {world}")
    early.control("COMMIT")
    spans = stage.spans(world, 1)
    assert [span.value for span in spans] == ["x", "late", "early"]
    see_order(spans)


def test_commits_in_the_other_order(stage: Stage, world: int) -> None:
    first, second, _ = stage.writers
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 2, 'x')", world)
    for writer, key in ((first, 1), (second, 2)):
        writer.control("BEGIN")
        writer.control(f"UPDATE geo.things SET a = 'y' WHERE world = {world} AND k = {key}")
    second.control("COMMIT")
    first.start_sql(f"UPDATE geo.things SET a = 'z' WHERE world = {world}")
    finish(stage, first)
    for key in (1, 2):
        spans = stage.spans(world, key)
        assert [span.value for span in spans] == ["x", "y", "z"]
        see_order(spans)


def test_several_changes_in_one_transaction_are_versions_of_their_own(stage: Stage, world: int) -> None:
    writer = stage.writers[0]
    writer.control("BEGIN")
    for value in ("y", "z", "x"):
        writer.control(f"UPDATE geo.things SET a = '{value}' WHERE world = {world}")
    writer.control(f"DELETE FROM geo.things WHERE world = {world}")
    writer.control(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'x')")
    writer.control("COMMIT")
    spans = stage.spans(world, 1)
    assert [span.value for span in spans] == ["x", "y", "z", "x", "x"]
    see_order(spans)


def test_as_of_is_final_for_instants_older_than_every_running_transaction(stage: Stage, world: int) -> None:
    slow, quick, _ = stage.writers
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 2, 'x')", world)
    before = stage.now()
    slow.control("BEGIN")
    slow.control(f"UPDATE geo.things SET a = 'y' WHERE world = {world} AND k = 1")
    during = stage.now()
    quick.control(f"UPDATE geo.things SET a = 'y' WHERE world = {world} AND k = 2")
    after = stage.now()
    assert as_of(stage, world, before) == {1: "x", 2: "x"}
    assert as_of(stage, world, during) == {1: "x", 2: "x"}, "what is not committed is not seen"
    assert as_of(stage, world, after) == {1: "x", 2: "y"}
    slow.control("COMMIT")
    assert as_of(stage, world, before) == {1: "x", 2: "x"}, "what is older than every transaction stays as it was seen"
    assert as_of(stage, world, during) == {1: "y", 2: "x"}, "each is exact: its row was changed before that instant"
    assert as_of(stage, world, after) == {1: "y", 2: "y"}
