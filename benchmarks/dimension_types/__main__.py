"""What Simple, AppendOnly and EAV dimensions cost beside hand-written tables, as ratios; see benchmarks/README.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from benchmarks.dimension_types.cases import cases_of
from benchmarks.dimension_types.draw import BULK
from benchmarks.dimension_types.explain import plans
from benchmarks.dimension_types.measure import Measured, Pace, measure
from benchmarks.dimension_types.peer import PeerUnavailableError, ensure_peer
from benchmarks.dimension_types.report import growth, table, verdict
from benchmarks.dimension_types.subject import DIMENSION_TYPES, DimensionType
from benchmarks.dimension_types.world import ROLE, SETTINGS, World, open_server, open_world

_PEER_AT_MOST = 100_000
"""Entities beyond which the peer is left out: its EAV reads every value ever held for each row it finds."""

_AT_LEAST = 5 * BULK


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    try:
        python = ensure_peer(options.peer_python) if options.peer else None
    except PeerUnavailableError as error:
        sys.exit(f"{error}\n`--peer-python` names a Python to install it for.")
    settings = dict(setting.split("=", 1) for setting in options.set)
    pace = Pace(options.slices, options.slice_ms, clock=options.clock)
    sizes = [size for size in (10_000, 100_000) if size < options.entities] + [options.entities]
    measured: list[Measured] = []
    _share_one_core()
    with open_server(settings) as server:
        print(_conditions(settings, pace))
        for size in sizes:
            for dimension_type in options.types:
                beside = python if size <= _PEER_AT_MOST else None
                _say(f"{dimension_type}, {size:,} entities: loading")
                with open_world(server, dimension_type, size, beside) as world:
                    found = _measure_all(world, dimension_type, size, pace, options.cases)
                    if found:
                        print("\n" + "\n".join(table(found)), flush=True)
                    if options.explain and size == sizes[-1]:
                        print("\n" + "\n".join(plans(world, dimension_type, size)), flush=True)
                measured += found
    if len(sizes) > 1:
        print("\n" + "\n".join(growth(measured)))
    print("\n" + verdict(measured))


def _measure_all(
    world: World, dimension_type: DimensionType, size: int, pace: Pace, wanted: Sequence[str]
) -> list[Measured]:
    found = []
    for case in cases_of(dimension_type):
        if not wanted or any(word in case.name for word in wanted):
            _say(f"{dimension_type}, {size:,} entities: {case.name}")
            found.append(measure(case, world.subjects, dimension_type, size, world.instant, ROLE, pace))
    return found


def _share_one_core() -> None:
    """Keep this process and the server it starts on one core: waking an idle one costs more, and ever differently."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _conditions(settings: dict[str, str], pace: Pace) -> str:
    told = ", ".join(f"{name}={value}" for name, value in {"fsync": "off", **SETTINGS, **settings}.items())
    return (
        f"Postgres 18 and its client on one core; one connection a subject, PQexecPrepared over TCP; {told}.\n"
        f"Ratios are medians over {pace.slices} pairs of neighbouring slices of {pace.slice_ms:g} ms, "
        f"by the {pace.clock} clock."
    )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.dimension_types", description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000, help="entities of the largest tables (100000)")
    parser.add_argument("--types", nargs="+", choices=DIMENSION_TYPES, default=DIMENSION_TYPES)
    parser.add_argument("--cases", nargs="+", default=(), metavar="WORD", help="only cases whose name has the word")
    parser.add_argument("--slices", type=int, default=60, help="slices of each case (60)")
    parser.add_argument("--slice-ms", type=float, default=8, help="milliseconds of a slice (8)")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="what is measured (wall); cpu: time on a core, on Linux",
    )
    parser.add_argument("--set", nargs="+", default=(), metavar="NAME=VALUE", help="server settings, e.g. fsync=on")
    parser.add_argument("--explain", action="store_true", help="show plans of our reads, too")
    parser.add_argument("--peer", action="store_true", help="install pgcraft 0.13 with uv and measure it as well")
    parser.add_argument("--peer-python", default=">=3.12", help="the Python to install it for, as `uv venv` takes it")
    options = parser.parse_args(arguments)
    if options.entities < _AT_LEAST:
        parser.error(f"--entities: at least {_AT_LEAST:,}, for bulk statements are about {BULK:,}")
    return options


def _say(text: str) -> None:
    """Tell who waits what is going on, on one line of the terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
