"""The peer: pgcraft 0.13 from the Python package index, in an environment of its own, loaded as its triggers would.

It is no dependency of ours: it needs Python 3.12 and brings a parser under the GPL. Its licence is MIT.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg

from benchmarks.dimension_types.columns import CHANGING, COLUMNS, NAME_LIST, VERSIONS, values
from benchmarks.dimension_types.loading import batches, execute
from benchmarks.dimension_types.subject import PEER, DimensionType, Relation, Subject
from playground.cache import build_once

REQUIREMENT = "pgcraft==0.13.*"
_SCRIPT = Path(__file__).with_name("peer_schema.py")
_ROLE = "anon"
"""The role its PostgREST extension grants to."""

_UNDATED = "it cannot: all its rows carry the time of CREATE TABLE"
_ANONYMOUS = "it cannot: a version does not say whose it is, and all carry the time of CREATE TABLE"
_LACKS: dict[DimensionType, dict[Relation, str]] = {
    "Simple": {},
    "AppendOnly": {"as_of": _ANONYMOUS, "versions": _ANONYMOUS},
    "EAV": {"attributes": "it has no such view", "attribute_history": _UNDATED, "attributes_as_of": _UNDATED},
}
_VALUE_COLUMNS = {
    "bigint": "biginteger_value",
    "boolean": "boolean_value",
    "date": "date_value",
    "double precision": "double_value",
    "integer": "integer_value",
}


class PeerUnavailableError(Exception):
    """The peer could not be installed or could not make its tables."""


def ensure_peer(python: str) -> Path:
    """Return the Python that can import the peer, installed on first use; `python` is what `uv venv` takes.

    Raises `PeerUnavailableError` when uv cannot install it.
    """
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise PeerUnavailableError("uv is not installed: it makes the peer's environment")

    def install(folder: Path) -> None:
        environment = folder / "environment"
        _run([uv, "venv", "--quiet", "--python", python, str(environment)])
        _run([uv, "pip", "install", "--quiet", "--python", str(environment), REQUIREMENT, "psycopg[binary]"])

    folder = build_once("peer-pgcraft-0.13", f"installing {REQUIREMENT} from the package index", install)
    return folder / "environment" / "bin" / "python"


def make_peer(python: Path, url: str, admin_url: str, dimension_type: DimensionType, size: int, role: str) -> Subject:
    """Create the peer's tables by its own migrations in the database of `admin_url`, and load them."""
    columns = json.dumps([dataclasses.asdict(column) for column in COLUMNS])
    _run([str(python), str(_SCRIPT), admin_url, dimension_type, columns])
    entities = {"Simple": "geo.airports_raw", "AppendOnly": "geo.airports_root", "EAV": "geo.airports_entity"}
    with psycopg.connect(admin_url, autocommit=True) as connection:
        # Its tables refuse what does not come through its views, where a million rows would take hours.
        execute(connection, "SET session_replication_role = replica")
        _LOADERS[dimension_type](connection, size)
        execute(connection, "VACUUM ANALYZE")
        execute(connection, f"GRANT {_ROLE} TO {role}")
    return Subject(PEER, url, admin_url, entities[dimension_type], {"current": "api.airports"}, _LACKS[dimension_type])


def _load_simple(connection: psycopg.Connection, size: int) -> None:
    for first, last in batches(size):
        execute(
            connection,
            f"INSERT INTO geo.airports_raw ({NAME_LIST}) SELECT {values('n', str(VERSIONS - 1))} "
            "FROM generate_series(%s, %s) AS n",
            first,
            last,
        )


def _load_append_only(connection: psycopg.Connection, size: int) -> None:
    for version in range(VERSIONS):
        for first, last in batches(size):
            execute(
                connection,
                f"INSERT INTO geo.airports_attributes ({NAME_LIST}) SELECT {values('n', str(version))} "
                "FROM generate_series(%s, %s) AS n",
                first,
                last,
            )
    execute(
        connection,
        "INSERT INTO geo.airports_root (airports_attributes_id) SELECT %s + n FROM generate_series(1, %s) AS n",
        size * (VERSIONS - 1),
        size,
    )


def _load_eav(connection: psycopg.Connection, size: int) -> None:
    execute(
        connection,
        "INSERT INTO geo.airports_entity (id) SELECT nextval('geo.airports_entity_id_seq') FROM generate_series(1, %s)",
        size,
    )
    for version in range(VERSIONS):
        for column in COLUMNS if version == 0 else CHANGING:
            value = f"({column.value.format(n='n', v=str(version))})::{column.type}"
            for first, last in batches(size):
                execute(
                    connection,
                    f"""
                    INSERT INTO geo.airports_attribute
                        (entity_id, attribute_name, {_VALUE_COLUMNS.get(column.type, "text_value")})
                    SELECT n, %s, value FROM generate_series(%s, %s) AS n, LATERAL (SELECT {value} AS value) AS computed
                    WHERE value IS NOT NULL
                    """,
                    column.name,
                    first,
                    last,
                )


_LOADERS: dict[DimensionType, Callable[[psycopg.Connection, int], None]] = {
    "Simple": _load_simple,
    "AppendOnly": _load_append_only,
    "EAV": _load_eav,
}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise PeerUnavailableError(f"{Path(command[0]).name} {command[1]} failed: {' '.join(lines[-3:])}")
