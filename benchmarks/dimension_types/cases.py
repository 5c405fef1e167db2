"""What is done to every subject, and the most it may cost as a ratio to the hand-written tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.dimension_types.columns import NAME_LIST, NAMES, values
from benchmarks.dimension_types.draw import Draw, Parameters
from benchmarks.dimension_types.subject import DimensionType, Relation

Draws = Callable[[Draw, int], list[Parameters]]
EVERY: frozenset[DimensionType] = frozenset({"Simple", "AppendOnly", "EAV"})
APPEND_ONLY: frozenset[DimensionType] = frozenset({"AppendOnly"})
EAV: frozenset[DimensionType] = frozenset({"EAV"})


@dataclass(frozen=True, slots=True)
class Case:
    """A statement, prepared once and then executed with ever new parameters.

    `statement` has `{relation}` where the subject's relation goes. `bars` are ratios to the plain table, for the types
    that have one. `writes` says that the answers of subjects cannot be compared.
    """

    name: str
    statement: str
    draws: Draws
    relation: Relation = "current"
    types: frozenset[DimensionType] = EVERY
    bars: Mapping[DimensionType, float] = field(default_factory=dict)
    writes: bool = False


READ: Mapping[DimensionType, float] = {"Simple": 1.1, "AppendOnly": 1.1, "EAV": 1.1}
ROW = "id, code, name, country, city, elevation, passengers"
"""Some of the columns, as a client asks for: for all columns of a table Postgres saves the projection of each row it
passes over, which a table with bookkeeping columns can only get by giving these as well."""

WHOLE_TABLE = """
    count(*), count(code), max(name), count(country), count(city), max(latitude), max(longitude), sum(elevation),
    max(opened), count(*) FILTER (WHERE active), sum(passengers)
"""
PLACES = ", ".join(f"${number}" for number in range(1, len(NAMES) + 1))

CASES: tuple[Case, ...] = (
    Case("by id", f"SELECT {ROW} FROM {{relation}} WHERE id = $1", Draw.ids, bars=READ),
    Case("filter by index", f"SELECT {ROW} FROM {{relation}} WHERE country = $1", Draw.countries, bars=READ),
    Case("full scan", f"SELECT {WHOLE_TABLE} FROM {{relation}}", Draw.nothing, bars={**READ, "EAV": 1.2}),
    Case("count", "SELECT count(*) FROM {relation}", Draw.nothing, bars=READ),
    Case("page by offset", f"SELECT {ROW} FROM {{relation}} ORDER BY id LIMIT 100 OFFSET $1", Draw.pages, bars=READ),
    Case("page by key", f"SELECT {ROW} FROM {{relation}} WHERE id > $1 ORDER BY id LIMIT 100", Draw.ids, bars=READ),
    Case(
        "as of, one",
        f"SELECT {ROW} FROM {{relation}} WHERE id = $2",
        Draw.instants_and_ids,
        "as_of",
        APPEND_ONLY,
        {"AppendOnly": 1.1},
    ),
    Case(
        "as of, all",
        f"SELECT {WHOLE_TABLE} FROM {{relation}}",
        Draw.instants,
        "as_of",
        APPEND_ONLY,
        {"AppendOnly": 1.1},
    ),
    Case(
        "as of, filter",
        f"SELECT {ROW} FROM {{relation}} WHERE country = $2",
        Draw.instants_and_countries,
        "as_of",
        APPEND_ONLY,
    ),
    Case("versions of one", f"SELECT {ROW} FROM {{relation}} WHERE id = $1", Draw.ids, "versions", APPEND_ONLY),
    Case(
        "attributes of one",
        "SELECT id, attribute, value FROM {relation} WHERE id = $1",
        Draw.ids,
        "attributes",
        EAV,
    ),
    Case(
        "attribute history of one",
        "SELECT id, attribute, value FROM {relation} WHERE id = $1",
        Draw.ids,
        "attribute_history",
        EAV,
    ),
    Case(
        "attributes as of, one",
        "SELECT id, attribute, value FROM {relation} WHERE id = $2",
        Draw.instants_and_ids,
        "attributes_as_of",
        EAV,
    ),
    Case(
        "attributes as of, all",
        "SELECT count(*), sum(length(attribute)), sum(length(value)) FROM {relation}",
        Draw.instants,
        "attributes_as_of",
        EAV,
    ),
    Case(
        "insert",
        f"INSERT INTO {{relation}} ({NAME_LIST}) VALUES ({PLACES})",
        Draw.fresh_rows,
        bars={"AppendOnly": 1.2, "EAV": 1.2},
        writes=True,
    ),
    Case(
        "update one column",
        "UPDATE {relation} SET elevation = $1 WHERE id = $2",
        Draw.changes,
        bars={"AppendOnly": 2.4, "EAV": 3.5},
        writes=True,
    ),
    Case("update of nothing", "UPDATE {relation} SET elevation = elevation WHERE id = $1", Draw.ids, writes=True),
    Case(
        "upsert that updates",
        f"""
        INSERT INTO {{relation}} ({NAME_LIST}) SELECT {values("$1::integer", "7")}
        ON CONFLICT (code) DO UPDATE SET city = excluded.city, passengers = excluded.passengers + $1
        """,
        Draw.ids,
        writes=True,
    ),
    Case(
        "bulk insert, 1,000",
        f"""
        INSERT INTO {{relation}} ({NAME_LIST})
        SELECT {values("n", "0")} FROM generate_series($1::integer, $2::integer) AS n
        """,
        Draw.fresh_ranges,
        bars={"AppendOnly": 1.4},
        writes=True,
    ),
    Case(
        "bulk update, 1,000",
        "UPDATE {relation} SET elevation = ($1::integer + id) % 9000 WHERE id BETWEEN $2 AND $3",
        Draw.bulk_changes,
        bars={"AppendOnly": 1.4, "EAV": 1.7},
        writes=True,
    ),
    Case("delete", "DELETE FROM {relation} WHERE id = $1", Draw.fresh_ids, writes=True),
)


def cases_of(dimension_type: DimensionType) -> tuple[Case, ...]:
    """Return the cases that make sense for a type: reads first, for writes leave their traces."""
    return tuple(case for case in CASES if dimension_type in case.types)
