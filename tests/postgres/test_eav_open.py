"""Whatever is written into an open EAV dimension, its attributes and their past are as a model has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.postgres import PostgresServer
from tests.corpus.world import sql
from tests.postgres.history_programs import EXAMPLES
from tests.postgres.history_world import COLUMNS, KEY, Stage, staged, things

Attributes = dict[str, str]
"""What an entity has, as text; a value it does not have is not there."""


@dataclass(frozen=True)
class Merge:
    """Write attributes through `extra`, leaving the others; the entity is made where it is missing."""

    key: int
    extra: dict[str, Any]


@dataclass(frozen=True)
class Assign:
    """Write the declared attribute through its column."""

    key: int
    n: int | None


@dataclass(frozen=True)
class Forget:
    """Remove an undeclared attribute."""

    key: int
    name: str


@dataclass(frozen=True)
class Delete:
    """Delete the entity."""

    key: int


Step = Merge | Assign | Forget | Delete
KEYS = st.integers(1, 2)
LOOSE = st.sampled_from([None, True, 1, 1.5, "x", "", [], {"b": None, "a": [1]}])
EXTRA = st.fixed_dictionaries(
    {}, optional={"n": st.sampled_from([None, 1, "1", 7]), "note": LOOSE, "it's %s {odd}": LOOSE}
)
STEPS = st.lists(
    st.one_of(
        st.builds(Merge, KEYS, EXTRA),
        st.builds(Merge, KEYS, EXTRA),
        st.builds(Assign, KEYS, st.sampled_from([None, 1, 7])),
        st.builds(Forget, KEYS, st.sampled_from(["note", "it's %s {odd}"])),
        st.builds(Delete, KEYS),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def stage(any_postgres: PostgresServer) -> Iterator[Stage]:
    declared = [column for column in COLUMNS if column["name"] in {"world", "k", "n"}]
    with staged(any_postgres, "EAV", things("EAV", *declared, primary_key=KEY, open=True), writers=0) as stage:
        yield stage


@EXAMPLES
@given(steps=STEPS)
def test_attributes_and_their_past_are_what_the_model_saw(stage: Stage, steps: list[Step]) -> None:
    world = next(stage.worlds)
    entities: dict[int, Attributes] = {}
    seen: list[tuple[datetime, dict[int, Attributes]]] = []
    for step in steps:
        perform(stage, world, step)
        entities = after(entities, step)
        seen.append((stage.now(), entities))
    assert attributes(stage, "things_attributes", world) == nonempty(entities)
    for instant, then in seen:
        assert attributes(stage, "things_attributes_as_of(%s)", world, instant) == nonempty(then)
    see_history(stage, world, [{}, *(then for _, then in seen)])


def perform(stage: Stage, world: int, step: Step) -> None:
    where = f"WHERE world = {world} AND k = {step.key}"
    match step:
        case Merge(key, extra):
            stage.run(
                "INSERT INTO api.things (world, k, extra) VALUES (%s, %s, %s::text::jsonb)"
                " ON CONFLICT (world, k) DO UPDATE SET extra = things.extra || %s::text::jsonb",
                *(world, key, json.dumps(extra), json.dumps(extra)),
            )
        case Assign(_, n):
            stage.run(f"UPDATE geo.things SET n = %s {where}", n)
        case Forget(_, name):
            stage.run(f"UPDATE geo.things SET extra = extra - %s::text {where}", name)
        case Delete():
            stage.eye.execute(sql(f"DELETE FROM geo.things {where}"))


def after(entities: dict[int, Attributes], step: Step) -> dict[int, Attributes]:
    """Return what there is after a step."""
    left = {key: dict(attributes) for key, attributes in entities.items()}
    match step:
        case Merge(key, extra):
            entity = left.setdefault(key, {})
            for name, value in extra.items():
                entity[name] = text(value)
            if "n" in extra and extra["n"] is None:
                del entity["n"]
        case Assign(key, n) if key in left:
            left[key].pop("n", None)
            if n is not None:
                left[key]["n"] = str(n)
        case Forget(key, name) if key in left:
            left[key].pop(name, None)
        case Delete(key):
            left.pop(key, None)
        case _:
            pass
    return left


def text(value: Any) -> str:
    """Return a JSON value as the views show it: of a string what it says, else as jsonb writes it."""
    return (
        value
        if isinstance(value, str)
        else json.dumps(dict(sorted(value.items())) if value.__class__ is dict else value)
    )


def nonempty(entities: dict[int, Attributes]) -> dict[int, Attributes]:
    return {key: attributes for key, attributes in entities.items() if attributes}


def attributes(stage: Stage, relation: str, world: int, *given: Any) -> dict[int, Attributes]:
    found: dict[int, Attributes] = {}
    for key, name, value in stage.rows(
        f"SELECT k, attribute, value FROM geo.{relation} WHERE world = %s", *given, world
    ):
        assert name not in found.setdefault(key, {}), "an attribute has one value at a time"
        found[key][name] = value
    return found


def see_history(stage: Stage, world: int, states: list[dict[int, Attributes]]) -> None:
    """See that each attribute held its values one after the other, and whether it holds the last one still."""
    expected: dict[tuple[int, str], list[tuple[str, bool]]] = {}
    for before, now in pairwise(states):
        for key in before.keys() | now.keys():
            old, new = before.get(key, {}), now.get(key, {})
            for name in old.keys() | new.keys():
                if old.get(name) == new.get(name):
                    continue
                held = expected.setdefault((key, name), [])
                if name in old:
                    held[-1] = (held[-1][0], False)
                if name in new:
                    held.append((new[name], True))
    rows = stage.rows(
        "SELECT k, attribute, value, valid_from, valid_to FROM geo.things_attribute_history WHERE world = %s"
        ' ORDER BY k, attribute COLLATE "C", valid_from',
        world,
    )
    found = {of: list(held) for of, held in groupby(rows, key=itemgetter(0, 1))}
    assert {of: [(value, ended is None) for _, _, value, _, ended in held] for of, held in found.items()} == expected
    for held in found.values():
        for (*_, ended), (*_, begun, _) in pairwise(held):
            assert ended <= begun
