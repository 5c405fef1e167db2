"""What an open column still holds of attributes that are declared by now, and whether their columns can take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.fidelity import fidelity_of
from pgcraft_core.catalog.session import discarded, execute, fetch, qualified_names
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.table import Column
from pgcraft_core.sql.identifiers import qualify, quote_identifier
from pgcraft_core.sql.literals import quote_literal

# Postgres 15 has no pg_input_is_valid(), and that knows text only. Any input function may refuse a value, as it likes;
# some rather round it.
_FITS = """
CREATE FUNCTION pg_temp.pgcraft_fits(value jsonb) RETURNS boolean
LANGUAGE plpgsql AS $function$
DECLARE
  converted {type};
BEGIN
  SELECT r.v INTO converted FROM pg_catalog.jsonb_to_record(pg_catalog.jsonb_build_object('v', value)) AS r(v {type});
  RETURN {accepts} AND {keeps};
EXCEPTION
  WHEN OTHERS THEN RETURN false;
END
$function$
"""

# A JSON array is looked at element by element.
_KEEPS = """
CREATE FUNCTION pg_temp.pgcraft_keeps(value jsonb) RETURNS boolean
LANGUAGE plpgsql AS $function$
DECLARE
  given text := value #>> '{{}}';
  converted {element};
BEGIN
  IF given IS NULL THEN
    RETURN true;
  END IF;
  IF jsonb_typeof(value) = 'array' THEN
    RETURN NOT EXISTS (SELECT FROM jsonb_array_elements(value) AS e (part) WHERE NOT pg_temp.pgcraft_keeps(e.part));
  END IF;
  SELECT r.v INTO converted FROM jsonb_to_record(jsonb_build_object('v', value)) AS r(v {element});
  RETURN {condition};
END
$function$
"""

# A string is an array as Postgres writes it.
_KEEPS_ELEMENTS = """
CASE WHEN jsonb_typeof(value) <> 'string' THEN pg_temp.pgcraft_keeps(value)
     ELSE NOT EXISTS (SELECT FROM unnest((value #>> '{}')::text[]) AS e (part)
                       WHERE NOT pg_temp.pgcraft_keeps(to_jsonb(e.part)))
END
"""

_UNFIT = """
SELECT count(*), min(left(({column} -> %(name)s)::text, %(longest)s))
  FROM {table}
 WHERE {column} ? %(name)s AND NOT pg_temp.pgcraft_fits({column} -> %(name)s)
"""

_LONGEST_EXAMPLE = 60


@dataclass(frozen=True, slots=True)
class UnfitValues:
    """How many values do not convert to a type, and one of them as jsonb writes it, cut where it is long."""

    count: int
    example: str


def find_open_attributes(
    connection: Connection, table: QualifiedName, column: str, names: Sequence[str]
) -> tuple[str, ...]:
    """Return which of the names are keys in an open column, in their order; its index answers.

    Raises:
        sqlalchemy.exc.DBAPIError: the table may not be read, or is locked for longer than the session waits.
    """
    source, open_column = _beside_parameters(table, column)
    with discarded(connection):
        # The planner expects to find some row soon, and would read the whole table to learn that there is none.
        execute(connection, "SET LOCAL enable_seqscan = off")
        asked = {"names": list(names)}
        query = f"SELECT EXISTS (SELECT FROM {source} WHERE {open_column} ?| %(names)s::text[])"
        if not fetch(connection, query, asked)[0][0]:
            return ()
        query = (
            f"SELECT asked.name FROM unnest(%(names)s::text[]) WITH ORDINALITY AS asked (name, place) "
            f"WHERE EXISTS (SELECT FROM {source} WHERE {open_column} ? asked.name) ORDER BY asked.place"
        )
        return tuple(name for (name,) in fetch(connection, query, asked))


def count_open_attribute(connection: Connection, table: QualifiedName, column: str, name: str) -> int:
    """Return in how many rows a name is a key in an open column; its index answers.

    Raises:
        sqlalchemy.exc.DBAPIError: the table may not be read, or is locked for longer than the session waits.
    """
    source, open_column = _beside_parameters(table, column)
    return fetch(connection, f"SELECT count(*) FROM {source} WHERE {open_column} ? %(name)s", {"name": name})[0][0]


def count_logged_attribute(connection: Connection, log: QualifiedName, name: str) -> int:
    """Return how many rows a log of attributes has of one name; reads all of it.

    Raises:
        sqlalchemy.exc.DBAPIError: the log may not be read, or is locked for longer than the session waits.
    """
    source = qualify(log.schema, log.name).replace("%", "%%")
    return fetch(connection, f"SELECT count(*) FROM {source} WHERE attribute = %(name)s", {"name": name})[0][0]


def find_unfit_values(
    connection: Connection, table: QualifiedName, column: str, name: str, type_: str, *, nullable: bool
) -> UnfitValues | None:
    """Return what does not convert unharmed among the values of one attribute, None where all do; reads all of them.

    Raises:
        sqlalchemy.exc.DBAPIError: the table may not be read, or the login may not make temporary functions.
    """
    accepts = "true" if nullable else "converted IS NOT NULL"
    source, open_column = _beside_parameters(table, column)
    query = _UNFIT.format(table=source, column=open_column)
    with discarded(connection), qualified_names(connection):
        fidelity, keeps = fidelity_of(connection, type_), "true"
        if fidelity is not None:
            execute(connection, _KEEPS.format(element=fidelity.element, condition=fidelity.condition))
            keeps = _KEEPS_ELEMENTS if fidelity.is_array else "pg_temp.pgcraft_keeps(value)"
        execute(connection, _FITS.format(type=type_, accepts=accepts, keeps=keeps))
        count, example = fetch(connection, query, {"name": name, "longest": _LONGEST_EXAMPLE})[0]
    return UnfitValues(count, example) if count else None


def count_breaking_rows(
    connection: Connection, table: QualifiedName, column: str, added: Sequence[Column], check: str
) -> int:
    """Return in how many rows a check would fail once what the open column holds is in the columns to be added.

    All of that converts; a column that has nothing there counts as NULL.

    Raises:
        sqlalchemy.exc.DBAPIError: the check cannot be computed for some row, or the table may not be read.
    """
    source, open_column = qualify(table.schema, table.name), quote_identifier(column)
    record = ", ".join(f"{quote_identifier(item.name)} {item.type}" for item in added)
    keys = ", ".join(quote_literal(item.name) for item in added)
    query = (
        f"SELECT count(*) FROM (\n"
        f"  SELECT held.*, added.* FROM {source} AS held\n"
        f"  CROSS JOIN LATERAL jsonb_to_record(held.{open_column}) AS added ({record})\n"
        f"  WHERE held.{open_column} ?| ARRAY[{keys}]\n"
        f") AS {quote_identifier(table.name)} WHERE NOT ({check})"
    )
    with discarded(connection):
        return fetch(connection, query)[0][0]


def _beside_parameters(table: QualifiedName, column: str) -> tuple[str, str]:
    """Return the names of table and column for a statement in which a percent sign begins a parameter."""
    return qualify(table.schema, table.name).replace("%", "%%"), quote_identifier(column).replace("%", "%%")
