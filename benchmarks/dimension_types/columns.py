"""The ten columns every subject has, and the value of each for entity `n` in its version `v`, computed by Postgres."""

from __future__ import annotations

from dataclasses import dataclass

VERSIONS = 5
"""How many versions every entity has once it is loaded: the first and four changes."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `value` is SQL with `{n}`, the entity's number (also its id), and `{v}`, the version from 0 on."""

    name: str
    type: str
    value: str
    nullable: bool = True
    unique: bool = False
    indexed: bool = False
    check: str | None = None
    default: str | None = None

    @property
    def changes(self) -> bool:
        """Whether every version has another value."""
        return "{v}" in self.value


COLUMNS = (
    Column("code", "varchar(8)", "'A' || lpad(to_hex({n}), 7, '0')", nullable=False, unique=True),
    Column("name", "text", "'Airport number ' || {n}", nullable=False, check="name <> ''"),
    Column("country", "varchar(2)", "chr(65 + {n} % 26) || chr(65 + {n} / 26 % 26)", nullable=False, indexed=True),
    Column("city", "text", "CASE WHEN {n} % 3 > 0 THEN 'City ' || {n} % 5000 || '-' || {v} END"),
    Column("latitude", "double precision", "({n} % 18000) / 100.0 - 90"),
    Column("longitude", "double precision", "({n} % 36000) / 100.0 - 180"),
    Column(
        "elevation",
        "integer",
        "({n} * 37 + {v} * 13) % 9000 - 400",
        default="0",
        check="elevation BETWEEN -500 AND 9000",
    ),
    Column("opened", "date", "DATE '1950-01-01' + {n} % 25000"),
    Column("active", "boolean", "{n} % 7 > 0", nullable=False, default="true"),
    Column("passengers", "bigint", "{n} * 31 + {v} * 1001"),
)
NAMES = tuple(column.name for column in COLUMNS)
NAME_LIST = ", ".join(NAMES)
CHANGING = tuple(column for column in COLUMNS if column.changes)


def values(n: str, v: str) -> str:
    """Return the select list of all columns for the entity and version these pieces of SQL give."""
    return ", ".join(f"({column.value.format(n=n, v=v)})::{column.type}" for column in COLUMNS)


def assignments(n: str, v: str) -> str:
    """Return the SET list of the columns that change, for an entity and its version."""
    return ", ".join(f"{column.name} = {column.value.format(n=n, v=v)}" for column in CHANGING)
