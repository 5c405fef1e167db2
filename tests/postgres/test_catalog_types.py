"""`canonical_type` says what Postgres says: compared with `format_type` on every built-in type and many spellings."""

import psycopg
import pytest

from pgcraft_core.sql.types import canonical_type
from playground.postgres import PostgresServer

SPELLINGS = """
int|integer|int4|smallint|bigint|int2|int8|real|float4|float|float(1)|float(24)|float(25)|float(53)|double precision
decimal|dec|numeric|decimal(10)|numeric(10,2)|numeric(3,-2)|dec(5)|bool|boolean|"bool"
char|char(3)|character|character(5)|nchar|nchar(2)|national character(4)|national char varying(4)|"char"|bpchar(7)
varchar|varchar(4)|character varying|character varying(9)|char varying(2)|"varchar"(3)|pg_catalog.varchar(4)|text|name
bpchar|bit|bit(3)|bit varying|bit varying(5)|varbit|varbit(2)|"bit"|"bit"(4)|pg_catalog."bit"|pg_catalog.bit(2)
timestamp|timestamp(3)|timestamp with time zone|timestamp(0) with time zone|timestamptz|timestamptz(6)
timestamp without time zone|time|time(2)|time with time zone|time(1) with time zone|timetz|timetz(4)|date|"timestamp"(2)
interval|interval(3)|interval year|interval year to month|interval month|interval day|interval day to hour
interval day to minute|interval day to second|interval day to second(2)|interval hour to second|interval second
interval second(4)|interval hour|interval hour to minute|interval minute|interval minute to second(1)|"interval"
text[]|int[][]|int[3]|varchar(4)[]|int array|int array[4]|timestamptz(3)[]|numeric(4,1)[2][3]|"char"[]|bpchar[]|"bit"[]
json|jsonb|uuid|bytea|inet|cidr|macaddr|macaddr8|money|xml|point|line|lseg|box|path|polygon|circle|tsvector|tsquery
int4range|numrange|tstzrange[]|int4multirange|pg_lsn|oid|regclass|jsonpath|JSONB|TimeStampTZ(1)|pg_catalog.int4[]|name[]
public.mood|public.mood[]|public."Odd ""Type"[]|PUBLIC.mood|public.positive|public.pair|pg_catalog.json
""".replace("\n", "|").strip("|")


@pytest.fixture(scope="module")
def connection(any_postgres: PostgresServer):
    with (
        any_postgres.scratch_database("types") as database,
        psycopg.connect(database.url, autocommit=True) as connection,
    ):
        connection.execute("CREATE TYPE public.mood AS ENUM ('good')")
        connection.execute('CREATE TYPE public."Odd ""Type" AS (a int)')
        connection.execute("CREATE DOMAIN public.positive AS int CHECK (VALUE > 0)")
        connection.execute("CREATE TYPE public.pair AS (a int, b text)")
        connection.execute("SET search_path = pg_catalog")
        yield connection


def formatted(connection: psycopg.Connection, type_name: str) -> str:
    """What Postgres calls the type of a column declared so."""
    with connection.transaction(force_rollback=True):
        connection.execute(f"CREATE TEMP TABLE t (c {type_name})".encode())
        row = connection.execute(
            """
            SELECT format_type(atttypid, atttypmod)
              FROM pg_attribute
             WHERE attrelid = 'pg_temp.t'::regclass AND attnum = 1
            """
        ).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("spelling", SPELLINGS.split("|"))
def test_a_spelling_becomes_what_postgres_calls_it(connection: psycopg.Connection, spelling: str) -> None:
    canonical = canonical_type(spelling)
    assert canonical == formatted(connection, spelling)
    assert canonical_type(canonical) == canonical
    assert formatted(connection, canonical) == canonical


def test_every_builtin_type_becomes_what_postgres_calls_it(connection: psycopg.Connection) -> None:
    names = connection.execute(
        """
        SELECT quote_ident(typname), typarray <> 0
          FROM pg_type
         WHERE typnamespace = 'pg_catalog'::regnamespace
           AND typtype IN ('b', 'r', 'm', 'e')
           AND typname NOT LIKE '\\_%'
        """
    ).fetchall()
    assert len(names) > 60
    for name, has_array in names:
        for spelling in (name, f"pg_catalog.{name}", *([f"{name}[]"] if has_array else [])):
            assert canonical_type(spelling) == formatted(connection, spelling), spelling
