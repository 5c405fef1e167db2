"""Plans of what must use an index, as the API role gets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from benchmarks.dimension_types.cases import cases_of
from benchmarks.dimension_types.draw import Draw, Parameters
from benchmarks.dimension_types.subject import OURS, DimensionType
from benchmarks.dimension_types.world import ROLE, World

_SHOWN = (
    "by id",
    "filter by index",
    "page by key",
    "page by offset",
    "as of, one",
    "as of, filter",
    "attributes as of, one",
)


def plans(world: World, dimension_type: DimensionType, size: int) -> Iterator[str]:
    """Yield the plans of our reads by key and by filter, now and as of an instant."""
    subject = next(subject for subject in world.subjects if subject.name == OURS)
    draw = Draw(subject, size, world.instant)
    try:
        with psycopg.connect(subject.url, autocommit=True) as connection:
            connection.execute("SELECT set_config('role', %s, false)", [ROLE])
            for case in cases_of(dimension_type):
                if case.name in _SHOWN:
                    (parameters,) = case.draws(draw, 1)
                    yield f"{dimension_type}, {case.name}"
                    yield from _plan(connection, case.statement, subject.relations[case.relation], parameters)
                    yield ""
    finally:
        draw.close()


def _plan(connection: psycopg.Connection, statement: str, relation: str, parameters: Parameters) -> Iterator[str]:
    text = statement.format(relation=relation)
    for number, parameter in reversed([*enumerate(parameters, start=1)]):
        assert parameter is not None, "keys and instants only"
        text = text.replace(f"${number}", f"'{parameter.decode()}'")
    explained: Any = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {text}"
    for (line,) in connection.execute(explained):
        yield f"    {line}"
