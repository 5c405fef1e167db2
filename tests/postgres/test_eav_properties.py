"""Whatever sessions do, an EAV dimension remembers every value each attribute held, as a model of it does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from operator import itemgetter

import pytest
from hypothesis import given

from playground.postgres import PostgresServer
from tests.postgres.history_model import ATTRIBUTES, Held, Model, Row
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
    with staged(any_postgres, "EAV") as stage:
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
    see_history(stage, world, model)
    see_as_of(stage, world, model)


def see_current(stage: Stage, world: int, model: Model) -> None:
    for relation in ("geo.things", "api.things"):
        found = stage.rows(f"SELECT k, a, n, doc::text FROM {relation} WHERE world = %s", world)
        assert {key: Row(*row) for key, *row in found} == model.state()
    for relation in ("geo.things_attributes", "api.things_attributes"):
        found = stage.rows(
            f"SELECT k, attribute, value FROM {relation} WHERE world = %s AND attribute <> 'label'", world
        )
        assert sorted(found) == attributes(model.state())


def see_history(stage: Stage, world: int, model: Model) -> None:
    found = stage.rows(
        """
        SELECT k, attribute, value, changed_by, closed_by, valid_from, valid_to, changed_via, closed_via
        FROM geo.things_attribute_history WHERE world = %s AND attribute <> 'label' ORDER BY k, attribute, valid_from
        """,
        world,
    )
    values = {of: list(rows) for of, rows in groupby(found, key=itemgetter(0, 1))}
    held = {(key, name): model.held(key, name) for key in model.entities() for name in ATTRIBUTES}
    assert {of: [Held(*row[2:5]) for row in rows] for of, rows in values.items()} == {
        of: values for of, values in held.items() if values
    }
    for rows in values.values():
        for *_, valid_from, valid_to, changed_via, closed_via in rows:
            assert valid_to is None or valid_from < valid_to
            assert (changed_via, closed_via) == ("postgres", valid_to and "postgres")
        for before, after in pairwise(rows):
            assert before[6] <= after[5]


def see_as_of(stage: Stage, world: int, model: Model) -> None:
    for relation in ("geo.things_attributes_as_of", "api.things_attributes_as_of"):
        found = stage.rows(
            f"""
            SELECT at, k, attribute, value FROM unnest(%s::timestamptz[]) at, LATERAL {relation}(at)
            WHERE world = %s AND attribute <> 'label'
            """,
            [instant for _, instant in model.instants],
            world,
        )
        for position, instant in model.instants:
            seen = sorted(row for at, *row in found if at == instant)
            assert [tuple(row) for row in seen] == attributes(model.state(position)), f"as of {instant}"


def attributes(state: dict[int, Row]) -> list[tuple[int, str, str]]:
    """Return what is known of the rows, one value a row."""
    return sorted(
        (key, name, value)
        for key, row in state.items()
        for name, value in zip(ATTRIBUTES, row.texts(), strict=True)
        if value is not None
    )
