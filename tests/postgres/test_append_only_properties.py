"""Whatever sessions do, an AppendOnly dimension's past is what a model of it saw."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from operator import itemgetter

import pytest
from hypothesis import given

from playground.postgres import PostgresServer
from tests.postgres.history_model import ATTRIBUTES, Model, Row, Version
from tests.postgres.history_programs import (
    EXAMPLES,
    Control,
    Interleaved,
    Said,
    interleaved,
    programs,
    run_alone,
    run_together,
)
from tests.postgres.history_world import Stage, staged


@pytest.fixture(scope="module")
def stage(any_postgres: PostgresServer) -> Iterator[Stage]:
    with staged(any_postgres, "AppendOnly") as stage:
        yield stage


@EXAMPLES
@given(program=programs())
def test_one_session(stage: Stage, program: list[Control | Said]) -> None:
    world = next(stage.worlds)
    see_what_the_model_saw(stage, world, run_alone(stage, world, program))


@EXAMPLES
@given(program=interleaved())
def test_several_sessions(stage: Stage, program: Interleaved) -> None:
    world = next(stage.worlds)
    see_what_the_model_saw(stage, world, run_together(stage, world, program))


def see_what_the_model_saw(stage: Stage, world: int, model: Model) -> None:
    see_current(stage, world, model)
    see_versions(stage, world, model)
    see_as_of(stage, world, model)
    see_diff(stage, world, model)


def see_current(stage: Stage, world: int, model: Model) -> None:
    for relation in ("geo.things", "api.things"):
        found = stage.rows(f"SELECT k, a, n, doc::text FROM {relation} WHERE world = %s", world)
        assert {key: Row(*row) for key, *row in found} == model.state()
    labels = stage.rows("SELECT DISTINCT a, label FROM geo.things_versions WHERE world = %s", world)
    assert all(label == (a and a.upper()) for a, label in labels), "generated values are as they were then"


def see_versions(stage: Stage, world: int, model: Model) -> None:
    found = stage.rows(
        """
        SELECT k, a, n, doc::text, changed_by, operation, closed_by, valid_from, valid_to, changed_via, closed_via
        FROM geo.things_versions WHERE world = %s ORDER BY k, valid_from
        """,
        world,
    )
    versions = {key: list(rows) for key, rows in groupby(found, key=itemgetter(0))}
    assert {key: [Version(Row(*row[1:4]), *row[4:7]) for row in rows] for key, rows in versions.items()} == {
        key: model.versions(key) for key in model.entities()
    }
    for rows in versions.values():
        for *_, valid_from, valid_to, changed_via, closed_via in rows:
            assert valid_to is None or valid_from < valid_to
            assert (changed_via, closed_via) == ("postgres", valid_to and "postgres")
        for (*_, ended, _, _), (*_, begun, _, _, _) in pairwise(rows):
            assert ended <= begun
        for before, after in pairwise(rows):
            if before[5] == "UPDATE":
                assert before[8] == after[7], "an update leaves no gap"


def see_as_of(stage: Stage, world: int, model: Model) -> None:
    for relation in ("geo.things_as_of", "api.things_as_of"):
        found = stage.rows(
            f"""
            SELECT at, k, a, n, doc::text FROM unnest(%s::timestamptz[]) at, LATERAL {relation}(at) WHERE world = %s
            """,
            [instant for _, instant in model.instants],
            world,
        )
        for position, instant in model.instants:
            seen = {key: Row(*row) for at, key, *row in found if at == instant}
            assert seen == model.state(position), f"as of {instant}"


def see_diff(stage: Stage, world: int, model: Model) -> None:
    """See that the differences, one after the other, lead from nothing through every version to the current one."""
    for key in model.entities():
        rows = stage.rows(
            """SELECT changed_at, operation, "column", old_value, new_value, changed_by FROM geo.things_diff(%s, %s)""",
            world,
            key,
        )
        values: dict[str, str | None] = {}
        seen: list[tuple[tuple[str | None, ...] | None, str]] = []
        for (_, operation), changes in groupby(rows, key=itemgetter(0, 1)):
            actors = set()
            for _, _, column, old, new, actor in changes:
                assert values.get(column) == old
                values[column] = new
                actors.add(actor)
            (actor,) = actors
            seen.append((None if operation == "DELETE" else tuple(values.get(name) for name in ATTRIBUTES), actor))
            if operation == "DELETE":
                assert not any(values.values())
        assert seen == [(effect.row and effect.row.texts(), effect.actor) for effect in model.changes(key)]
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
