"""No expression reaches beyond its own row, and none stops the others."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pgcraft_core.catalog import probe
from pgcraft_core.migrate.session import Session
from pgcraft_core.spec.dimension import Dimension
from playground.postgres import PostgresServer, ScratchDatabase
from tests.corpus.world import (
    said,
)
from tests.postgres.attack_world import CANARY, CODE, EVIL, apply, evil, plan, query, session_on, victim


def everywhere(expression: str) -> Dimension:
    """Return the attacker's dimension with a condition in every place an expression can stand."""
    return evil(
        CODE | {"check": expression},
        {"name": "d", "type": "boolean", "default": expression},
        {"name": "g", "type": "boolean", "generated": expression},
        checks=[{"name": "c", "expression": expression}],
        indexes=[
            {"name": "key", "expressions": [expression]},
            {"name": "where", "columns": ["code"], "where": expression},
        ],
    )


EVERYWHERE = {
    "spec.columns[code].check",
    "spec.columns[d].default",
    "spec.columns[g].generated",
    "spec.checks[c].expression",
    "spec.indexes[key]",
    "spec.indexes[where]",
}


TRAPS = """
CREATE SCHEMA sea; CREATE SCHEMA geo; GRANT ALL ON SCHEMA geo, sea TO PUBLIC;
CREATE SEQUENCE geo.sprung; GRANT ALL ON SEQUENCE geo.sprung TO PUBLIC;
CREATE FUNCTION geo.lower(text) RETURNS text IMMUTABLE LANGUAGE plpgsql
    AS $$ BEGIN PERFORM nextval('geo.sprung'); RETURN $1; END $$;
CREATE FUNCTION geo.same(text, text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql
    AS $$ BEGIN PERFORM nextval('geo.sprung'); RETURN true; END $$;
CREATE OPERATOR geo.= (LEFTARG = text, RIGHTARG = text, FUNCTION = geo.same);
CREATE DOMAIN geo.word AS text; CREATE DOMAIN sea.word AS text;
CREATE TYPE geo.text AS ENUM ('a');
"""


@pytest.fixture(scope="module")
def besieged(any_postgres: PostgresServer) -> Iterator[tuple[ScratchDatabase, Session]]:
    """A database with traps and the victim in it, for attacks of which nothing may be left."""
    with any_postgres.scratch_database("besieged") as database:
        query(database, f"{CANARY}; {TRAPS}")
        with session_on(database, owner="besieged_owner") as session:
            apply(session, victim())
            yield database, session


def refused_everywhere(besieged: tuple[ScratchDatabase, Session], text: str) -> None:
    """See that a condition is refused in every place, changes nothing and springs no trap."""
    database, session = besieged
    planned = plan(session, everywhere(text), victim())
    assert {finding.path for finding in planned.diagnostics[EVIL]} == EVERYWHERE
    assert planned.diagnostics.keys() == {EVIL}
    assert planned.is_empty
    left = "SELECT alive, to_regclass('geo.evil'), (SELECT is_called FROM geo.sprung) FROM public.canary"
    assert query(database, left) == [(1, None, False)]


ESCAPES = [
    "true); DROP TABLE public.canary; --",
    "true) NOT VALID, ADD CHECK (true",
    "code = 'a\\'); DROP TABLE public.canary; --'' = '",
    "code = E'\\'); DROP TABLE public.canary; --",
    "code = $a$ $b$ $a$ ) ; DROP TABLE public.canary; -- $b$ = '",
    "true /* /* */ ) ; DROP TABLE public.canary; -- */",
    'code = U&"d\\0061t+000061"',
    "code = U&'\\0027 ); DROP TABLE public.canary; --' UESCAPE '!' || '",
    "1e'\\'' ) ; DROP TABLE public.canary; -- '",
    "b'1''0' = '); DROP TABLE public.canary; --",
    "code = 'a'\n--\n'); DROP TABLE public.canary; --'",
    "code = 'a'\v\n'\\'); DROP TABLE public.canary; --'",
    "true, true",
    "true) STORED, x text DEFAULT ('a'",
    "$1",
    "code = 'a'::text COLLATE \"C\") ; SELECT (true",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_no_text_leaves_its_parentheses(besieged: tuple[ScratchDatabase, Session], text: str) -> None:
    refused_everywhere(besieged, text)


@pytest.mark.parametrize(
    "text",
    [
        "exists (select from geo.victim)",
        "(with gone as (delete from geo.victim returning 1) select true from gone)",
        "count(*) > 1",
        "row_number() over () > 1",
        "generate_series(1, 2) > 1",
        "jsonb_path_query('[1]', '$[*]') is null",
        "evil is null",
        "ctid is null",
        "xmin::text = '1'",
        "'geo.victim'::regclass is null",
        "'geo.victim'::regclass::oid > 1",
        "array['geo.victim']::regclass[] is null",
        "nextval('geo.victim_id_seq') > 1",
        "currval('geo.victim_id_seq') > 1",
        "current_setting('pgcraft.x', true) is null",
        "set_config('role', 'postgres', false) = ''",
        "pg_read_file('PG_VERSION') = ''",
        "pg_ls_dir('.') is null",
        "lo_import('/etc/passwd') > 1",
        "lo_from_bytea(0, ''::bytea) > 1",
        "pg_notify('pgrst', 'reload schema') is null",
        "pg_terminate_backend(1)",
        "pg_advisory_lock(1) is null",
        "txid_current() > 1",
        "query_to_xml('delete from geo.victim', true, true, '') is null",
        "table_to_xml('geo.victim', true, true, '') is null",
        "xmlelement(name a) is null",
        "ts_stat('select 1') is null",
        "ts_rewrite('a'::tsquery, 'select 1') is null",
        "json_populate_record(null::pg_authid, '{}') is null",
        "has_table_privilege('geo.victim', 'select')",
        "pg_get_viewdef('geo.victim') = ''",
        "concat(variadic array(select code from geo.victim)) = ''",
        "make_interval(secs => pg_sleep(9)::text::int) is null",
        "geo.lower(code) = ''",
        "code operator(geo.=) 'x'",
        "code::geo.word is null and geo.lower('x') = ''",
        "code::geo.victim is null",
        "null::geo.victim is null",
        "null::pg_authid is null",
        "sea.anything(code) = ''",
        "code::sea.word = ''",
    ],
)
def test_nothing_but_its_own_row_is_reached(besieged: tuple[ScratchDatabase, Session], text: str) -> None:
    refused_everywhere(besieged, text)


def test_objects_in_the_given_schemas_shadow_nothing(any_database: ScratchDatabase) -> None:
    query(any_database, TRAPS)
    with session_on(any_database) as session:
        resource = evil(CODE | {"check": "lower(code) = 'a'"}, {"name": "text", "type": "text"})
        assert not said(apply(session, resource))
    query(any_database, "INSERT INTO geo.evil (code) VALUES ('A')")
    with pytest.raises(psycopg.errors.CheckViolation):
        query(any_database, "INSERT INTO geo.evil (code) VALUES ('B')")
    assert query(any_database, "SELECT is_called FROM geo.sprung") == [(False,)]


@pytest.mark.parametrize("name", ["pg_constraint", "pg_proc", "pg_type", "pg_operator", "pg_namespace", "pg_settings"])
def test_a_table_called_like_a_catalog_hides_nothing_from_us(any_database: ScratchDatabase, name: str) -> None:
    catalog = [
        {"name": "conname", "type": "name"},
        {"name": "conbin", "type": "text"},
        {"name": "conrelid", "type": "oid"},
        {"name": "contype", "type": '"char"'},
    ]
    refused = {"name": "c", "expression": "set_config('a.b', 'c', false) is null"}
    with session_on(any_database) as session:
        planned = plan(session, evil(CODE, *catalog, table=name, checks=[refused]))
        assert "set_config" in said(planned)
        assert not said(apply(session, evil(CODE, *catalog, table=name)))


NESTED_ARRAYS = "array[" * 60 + "1" + "]" * 60 + " is null"


@pytest.mark.parametrize(
    "text",
    [
        "float8_accum('{1}'::float8[], 1) is null",  # raises XX000
        "factorial(30000) + factorial(30001) + factorial(30002) > 1",
        "repeat('x', 2000000000) = ''",
        "1 / 0 > 1",
        "- " * 1900 + "1 > 1",
        "(" * 1900 + "true" + ")" * 1900,
        "not " * 900 + "true",
        "lower(" * 500 + "code" + ")" * 500 + " is null",
        "case when " * 150 + "true" + " then true end" * 150,
        NESTED_ARRAYS,
        "json_value('{}', '$.a' passing 1 as \"x} {SUBLINK :funcid 5\") is null",
        "'(-1)'::geo.pair is null",  # a domain's check fails while the constant is read
    ],
)
def test_one_author_cannot_hold_up_the_others(
    database: ScratchDatabase, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Whether it is taken or refused: neither an error nor a calculation of one dimension is the others' concern."""
    monkeypatch.setattr(probe, "_STATEMENT_PATIENCE", 0.5)
    query(
        database,
        """
        CREATE SCHEMA geo; GRANT ALL ON SCHEMA geo TO PUBLIC;
        CREATE DOMAIN geo.positive AS int CHECK (VALUE > 0); CREATE TYPE geo.pair AS (a geo.positive);
        """,
    )
    shared = {"checks": [{"name": "c", "expression": text}]}
    for hostile in (
        evil(**shared),
        evil(indexes=[{"name": "i", "columns": ["code"], "where": text}]),
        evil(CODE, {"name": "g", "type": "boolean", "generated": text}),
    ):
        with session_on(database) as session:
            planned = plan(session, hostile, victim())
            assert planned.diagnostics.keys() <= {EVIL}
            for migration in planned.migrations:
                session.apply(migration)
        assert query(database, "SELECT to_regclass('geo.victim') IS NULL, to_regclass('api.victim') IS NULL") == [
            (False, False)
        ]
        query(database, "DROP SCHEMA api, pgcraft CASCADE; DROP TABLE geo.victim; DROP TABLE IF EXISTS geo.evil")


@pytest.mark.parametrize("type_", ["geo.victim", "geo.victim[]", "api.victim", "pg_catalog.pg_class"])
def test_a_column_of_anothers_rows_cannot_nail_its_table_down(any_database: ScratchDatabase, type_: str) -> None:
    with session_on(any_database) as session:
        apply(session, victim())
        nail = evil(CODE, {"name": "nail", "type": type_})
        assert "the row of a table or view" in said(apply(session, nail, victim()))
        assert plan(session, nail, victim(CODE | {"type": "varchar(9)"})).diagnostics.keys() == {EVIL}
        apply(session, nail, victim(CODE | {"type": "varchar(9)"}))
