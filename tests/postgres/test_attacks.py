"""A hostile author: what a namespace was given is all it gets, whatever it writes into a dimension.

The attacker writes dimensions in `team-geo`, which was given the schemas geo and api and the roles reader and writer;
the victim writes in `team-sea`, which was given a schema of its own besides.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgcraft_core.catalog import probe
from pgcraft_core.compile.policy import allowed_schemas
from pgcraft_core.migrate.errors import MigrationError
from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.hazards import is_lossless
from pgcraft_core.plan.model import Plan
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.postgrest import PostgREST
from playground.postgres import PostgresServer, ScratchDatabase
from tests.corpus.world import (
    API,
    FINGERPRINTS,
    READER,
    VERIFIER,
    WRITER,
    compiled,
    dimension,
    login_of,
    open_session,
    postgrest,
    said,
    warehouse,
)

OWNER, LOGIN = "the_owner", "warehouse_authenticator"
DATABASE = warehouse(
    owner=OWNER,
    allowedNamespaces=[
        {"namespace": "team-geo", "schemas": ["geo", "api"], "roles": [READER, WRITER]},
        {"namespace": "team-sea", "schemas": ["geo", "api", "sea"], "roles": [READER, WRITER]},
    ],
)
CODE = {"name": "code", "type": "text"}
EVIL, VICTIM = Claimant("Dimension", "team-geo", "evil"), Claimant("Dimension", "team-sea", "victim")


def evil(*columns: dict[str, Any], **spec: Any) -> Dimension:
    return dimension("evil", *(columns or (CODE,)), namespace="team-geo", **spec)


def victim(*columns: dict[str, Any], **spec: Any) -> Dimension:
    return dimension("victim", *(columns or (CODE,)), namespace="team-sea", **{"api": API, **spec})


@contextmanager
def session_on(database: ScratchDatabase, owner: str = OWNER) -> Generator[Session]:
    with open_session(
        database, owner_role=owner, allowed_schemas=lambda claimant: allowed_schemas(claimant.namespace, DATABASE)
    ) as session:
        yield session


def plan(session: Session, *resources: Dimension | PostgREST, **given: Any) -> Plan:
    return session.plan(compiled(*resources, database=DATABASE, server_version=session.server_version, **given))


def apply(session: Session, *resources: Dimension | PostgREST, **given: Any) -> Plan:
    """Apply all that is ready, and see that nothing more is then ready."""
    planned = plan(session, *resources, **given)
    for migration in planned.migrations:
        session.apply(migration, dict.fromkeys(FINGERPRINTS, VERIFIER))
    assert plan(session, *resources, **given).migrations == ()
    return planned


def query(database: ScratchDatabase, statement: str) -> list[Any]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # ty: ignore[no-matching-overload]
        return cursor.fetchall() if cursor.description else []


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


CANARY = "CREATE TABLE public.canary AS SELECT 1 AS alive"

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


HOSTILE_NAMES = [
    'a"; DROP TABLE public.canary; --',
    "a'; DROP TABLE public.canary; --",
    'a") CASCADE; DROP TABLE public.canary; /*',
    "$$; DROP TABLE public.canary; $$",
    "*/ DROP TABLE public.canary; /*",
    "back\\'slash\\",
    'U&"\\0061"',
    '"""); import os #',
    "%s %(x)s %%",
    ":p {0} {x!r}",
    "line\u2028separator\u0085",
    "ŉé🜁" + "x" * 54,
    "x" * 63,
    "select",
    "pg_class",
    "public",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_or_comment_is_only_ever_itself(database: ScratchDatabase, name: str) -> None:
    resource = evil(
        {"name": name, "type": "text", "comment": name, "unique": True, "default": "'d'"},
        table=name,
        comment=name,
        checks=[{"name": name, "expression": "true", "comment": name}],
        indexes=[{"name": f"{name[:9]}i", "columns": [name], "comment": name}],
        api={**API, "name": name},
    )
    query(database, CANARY)
    with session_on(database) as session:
        assert not said(apply(session, resource))
    read = """
        SELECT n.nspname, c.relname, obj_description(c.oid, 'pg_class'),
               ARRAY(SELECT a.attname || coalesce(col_description(c.oid, a.attnum), '') FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum),
               ARRAY(SELECT pg_get_constraintdef(k.oid) || coalesce(obj_description(k.oid, 'pg_constraint'), '')
                       FROM pg_constraint k WHERE k.conrelid = c.oid ORDER BY k.conname),
               ARRAY(SELECT coalesce(obj_description(i.indexrelid, 'pg_class'), '') FROM pg_index i
                      WHERE i.indrelid = c.oid ORDER BY 1)
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('geo', 'api') AND c.relkind IN ('r', 'v') ORDER BY 1
    """
    made = query(database, read)
    assert [(row[0], row[1], row[2]) for row in made] == [("api", name, name), ("geo", name, name)]
    assert made[1][3] == ["id", name + name]
    assert query(database, "SELECT alive FROM public.canary") == [(1,)]

    # The script on record says the same: what ran can run again from it, and makes the same.
    scripts = query(database, "SELECT script FROM pgcraft.revisions ORDER BY applied_at")
    query(database, "DROP SCHEMA geo, api CASCADE")
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in (found for (script,) in scripts for found in statements_of(script)):
            connection.execute(statement)  # ty: ignore[no-matching-overload]
    assert query(database, read) == made
    assert query(database, "SELECT alive FROM public.canary") == [(1,)]


def statements_of(script: str) -> list[str]:
    """Return what a script's upgrade() sends, and see that it does nothing else."""
    module = ast.parse(script)
    (upgrade,) = (item for item in module.body if isinstance(item, ast.FunctionDef) and item.name == "upgrade")
    found: list[str] = []
    for line in upgrade.body:
        assert isinstance(line, ast.Expr)
        assert isinstance(line.value, ast.Call)
        assert isinstance(line.value.func, ast.Name)
        assert line.value.func.id == "execute"
        found.append(ast.literal_eval(line.value.args[0]))
    return [statement for statement in found if not statement.startswith("SET LOCAL ROLE")]


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


BEYOND: dict[str, dict[str, Any]] = {
    "schema": {"schema": "sea"},
    "schema that does not exist": {"schema": "elsewhere"},
    "API schema": {"api": {"schema": "sea"}},
    "superuser": {"api": {"schema": "api", "grants": [{"role": "postgres", "privileges": ["select"]}]}},
    "owner": {"api": {"schema": "api", "grants": [{"role": OWNER, "privileges": ["select"]}]}},
    "authenticator": {"api": {"schema": "api", "grants": [{"role": LOGIN, "privileges": ["select"]}]}},
    "PUBLIC as a name": {"api": {"schema": "api", "grants": [{"role": "PUBLIC", "privileges": ["select"]}]}},
    "hidden API": {"api": {"expose": False, "grants": [{"role": "postgres", "privileges": ["select"]}]}},
    "table": {"columns": [CODE | {"references": {"table": {"schema": "sea", "name": "secret"}, "column": "code"}}]},
    "table that does not exist": {
        "columns": [CODE | {"references": {"table": {"schema": "sea", "name": "nothing"}, "column": "code"}}]
    },
    "dimension": {
        "columns": [{"name": "r", "type": "bigint", "references": {"dimension": "deep", "namespace": "team-sea"}}]
    },
    "dimension, by several columns": {
        "columns": [{"name": "r", "type": "bigint"}],
        "foreignKeys": [{"name": "f", "columns": ["r"], "references": {"dimension": "deep", "namespace": "team-sea"}}],
    },
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_was_not_given_is_denied_by_name_alone(database: ScratchDatabase, name: str) -> None:
    query(database, "CREATE SCHEMA sea; GRANT ALL ON SCHEMA sea TO PUBLIC; CREATE TABLE sea.secret (code text UNIQUE)")
    spec = dict(BEYOND[name])
    columns: list[dict[str, Any]] = spec.pop("columns", [CODE])
    with session_on(database) as session:
        deep = dimension("deep", CODE, namespace="team-sea", schema="sea")
        planned = apply(session, evil(*columns, **spec), deep)
    assert {finding.reason for finding in planned.diagnostics[EVIL]} == {"PolicyDenied"}
    assert planned.diagnostics.keys() == {EVIL}
    assert query(database, "SELECT to_regclass('geo.evil')") == [(None,)]


@pytest.mark.parametrize("type_", ["sea.mood", "sea.mood[]", "information_schema.sql_identifier"])
def test_types_of_other_schemas_are_denied(database: ScratchDatabase, type_: str) -> None:
    query(database, "CREATE SCHEMA sea; CREATE TYPE sea.mood AS ENUM ('calm'); GRANT USAGE ON SCHEMA sea TO PUBLIC")
    with session_on(database) as session:
        apply(session, victim())
        planned = apply(session, evil({"name": "m", "type": type_}), victim())
    assert "may not be used by this dimension" in said(planned)
    assert planned.diagnostics.keys() == {EVIL}


@pytest.mark.parametrize(
    "spec",
    [
        {"schema": "pgcraft"},
        {"schema": "pg_catalog"},
        {"schema": "information_schema"},
        {"api": {"schema": "pgcraft"}},
        {"api": {"grants": [{"role": "public", "privileges": ["select"]}]}},
        {"api": {"grants": [{"role": "pg_read_all_data", "privileges": ["select"]}]}},
        {"columns": [CODE | {"references": {"table": {"schema": "pgcraft", "name": "objects"}, "column": "name"}}]},
        {"columns": [{"name": "tableoid", "type": "oid"}]},
        {"columns": [{"name": "a\x00b", "type": "text"}]},
        {"columns": [{"name": "a\nb", "type": "text"}]},
        {"columns": [{"name": "é" * 32, "type": "text"}]},
        {"columns": [CODE], "comment": "\x00"},
        {"columns": [CODE | {"check": "\x00"}]},
        {"plugins": [{"name": "table", "config": {"sql": "drop"}}]},
    ],
)
def test_what_is_nobodys_is_refused_before_any_database_is_asked(spec: dict[str, Any]) -> None:
    loaded = load_resource(
        {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": "Dimension",
            "metadata": {"name": "evil", "namespace": "platform"},
            "spec": {"databaseRef": {"name": "warehouse", "namespace": "platform"}, **spec},
        }
    )
    if isinstance(loaded, Dimension):
        (unit,) = compiled(loaded, database=DATABASE)
        loaded = list(unit.diagnostics)
    assert isinstance(loaded, list)
    assert loaded


@pytest.mark.parametrize("namespace", ["team-geo", "platform"])
@pytest.mark.parametrize(
    "spec",
    [
        {"authenticator": {"name": OWNER}},
        {"roles": [{"name": OWNER}]},
        {"roles": [{"name": OWNER, "create": False}]},
        {"roles": [{"name": "writer2", "inherits": [OWNER]}]},
        {"anonymousRole": {"name": OWNER, "create": False}},
    ],
)
def test_no_request_ever_runs_as_the_owner(database: ScratchDatabase, namespace: str, spec: dict[str, Any]) -> None:
    """The owner role carries our mark, so it would not be a stranger's either."""
    with session_on(database) as session:
        apply(session, victim())
        api = postgrest("mine", namespace=namespace, schemas=["geo"], **spec)
        planned = apply(session, api, victim(), **login_of(api))
    assert "PolicyDenied" in {finding.reason for found in planned.diagnostics.values() for finding in found}
    assert query(
        database,
        f"""
        SELECT rolcanlogin, rolpassword, (SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
                                           WHERE m.roleid = a.oid AND r.rolname <> '{database.owner}')
          FROM pg_authid a WHERE rolname = '{OWNER}'
        """,
    ) == [(False, None, 0)]


def test_a_role_that_was_not_given_becomes_nobodys_login(database: ScratchDatabase) -> None:
    """A released role keeps what it may do elsewhere; its name is not to be had by asking first."""
    finance = postgrest("api", schemas=["api"], roles=[{"name": "finance"}])
    with session_on(database) as session:
        apply(session, finance)
        apply(session)
        mine = postgrest("mine", namespace="team-geo", schemas=["geo"], authenticator={"name": "finance"})
        planned = apply(session, mine, **login_of(mine))
    assert "may not use role finance" in said(planned)
    assert query(database, "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'finance'") == [
        (False, None)
    ]


TAKEN: dict[str, dict[str, Any]] = {
    "the table": {"table": "victim"},
    "the view's name": {"api": {**API, "name": "victim"}},
    "a view in the table's place": {"api": {**API, "schema": "geo", "name": "victim"}},
    "a table in the view's place": {"schema": "api", "table": "victim"},
    "a table in its index's place": {"table": "victim_pkey"},
    "a table in its sequence's place": {"table": "victim_id_seq"},
}


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("gone", [False, True], ids=["", "deleted"])
def test_what_another_has_cannot_be_taken(database: ScratchDatabase, name: str, gone: bool) -> None:
    with session_on(database) as session:
        apply(session, victim())
        query(database, "INSERT INTO geo.victim (code) VALUES ('mine')")
        if gone:
            apply(session)
        others = [] if gone else [victim()]
        planned = plan(session, evil(**TAKEN[name]), *others)
        if gone and "view's" in name:  # a view holds nothing, and its name is free again
            assert not planned.diagnostics
        else:
            assert [finding.reason for finding in planned.diagnostics[EVIL]] == ["Conflict"]
            assert not planned.migrations
        apply(session, evil(**TAKEN[name]), *others)
    assert query(database, "SELECT code FROM geo.victim") == [("mine",)]


@pytest.mark.parametrize("former", ["tableoid", "ctid", "victim.code", 'code"; DROP TABLE geo.victim; --'])
def test_renamed_from_reaches_own_columns_only(database: ScratchDatabase, former: str) -> None:
    with session_on(database) as session:
        apply(session, victim(), evil())
        assert not said(apply(session, victim(), evil(CODE, {"name": "x", "type": "text", "renamedFrom": former})))
    assert query(database, "SELECT code, x FROM geo.evil UNION ALL SELECT code, code FROM geo.victim") == []


SAMPLES = {
    "smallint": "-32768",
    "integer": "2147483647",
    "bigint": "9007199254740993",
    "real": "0.1",
    "double precision": "0.1",
    "numeric": "123456789012345678901234567890.123456789",
    "numeric(6,2)": "9999.99",
    "numeric(6,4)": "99.9999",
    "numeric(8,2)": "999999.99",
    "character varying": "a long text with  spaces ",
    "character varying(3)": "ab ",
    "character varying(9)": "abcdefgh ",
    "character(9)": "abc",
    "text": "a long text with  spaces ",
    "date": "2024-02-29",
    "timestamp without time zone": "2024-02-29 23:59:59.999999",
    "timestamp with time zone": "2024-02-29 23:59:59.999999+00",
    "json": '{"b": 1, "a" : 2, "a": 3}',
    "jsonb": '{"a": 3}',
    "uuid": "00000000-0000-0000-0000-000000000001",
    "inet": "10.0.0.1/8",
    "cidr": "10.0.0.0/8",
    "boolean": "true",
    "bytea": "\\x00ff",
}


@pytest.mark.parametrize("before", SAMPLES)
def test_what_changes_unasked_comes_back_as_it_was(postgres: PostgresServer, before: str) -> None:
    """Every change of type that does not wait for approval keeps each value: cast there and back gives the same."""
    with psycopg.connect(postgres.url) as connection:
        for after in (type_ for type_ in SAMPLES if type_ != before and is_lossless(before, type_)):
            there_and_back = sql.SQL("SELECT %s::{0}::text, %s::{0}::{1}::{0}::text").format(
                sql.SQL(before),  # ty: ignore[invalid-argument-type]
                sql.SQL(after),  # ty: ignore[invalid-argument-type]
            )
            row = connection.execute(there_and_back, [SAMPLES[before], SAMPLES[before]]).fetchone()
            assert row is not None
            assert row[0] == row[1], after


def test_an_unlimited_text_is_not_cut_unasked(database: ScratchDatabase) -> None:
    wide, narrow = {"name": "v", "type": "varchar"}, {"name": "v", "type": "varchar(3)"}
    with session_on(database) as session:
        apply(session, evil(wide))
        query(database, "INSERT INTO geo.evil (v) VALUES ('abcdefgh')")
        planned = apply(session, evil(narrow))
        assert [item.hazard.type for item in planned.waiting[0].operations if item.hazard] == ["DataLoss"]
        with pytest.raises(MigrationError, match="waits for approval"):
            session.apply(planned.waiting[0])
    assert query(database, "SELECT v FROM geo.evil") == [("abcdefgh",)]


@pytest.mark.parametrize(
    ("column", "written"), [("label", "LABEL"), ("label", "Label"), ('la"bel', '"la""bel"'), ("Größe", '"Größe"')]
)
def test_constraints_outlive_the_column_they_read_however_it_is_written(
    any_database: ScratchDatabase, column: str, written: str
) -> None:
    """Postgres drops the checks and indexes of a dropped column without a word."""

    def computed(expression: str) -> Dimension:
        return evil(
            CODE,
            {"name": column, "type": "text", "generated": expression},
            checks=[{"name": "c", "expression": f"{written} <> 'bad'"}],
            indexes=[{"name": "i", "columns": ["code"], "where": f"{written} <> ''"}],
        )

    with session_on(any_database) as session:
        for expression in ("code", "lower(code)"):
            apply(session, computed(expression))
    with pytest.raises(psycopg.errors.CheckViolation):
        query(any_database, "INSERT INTO geo.evil (code) VALUES ('BAD')")
    assert query(any_database, "SELECT to_regclass('geo.evil_i') IS NULL") == [(False,)]


def test_the_verifier_is_kept_nowhere_but_in_the_login(
    any_database: ScratchDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api = postgrest(schemas=["api"], authenticator={"name": LOGIN})
    with session_on(any_database) as session:
        shown = apply(session, api, **login_of(api)).migrations[0]
        (rotation,) = plan(session, api, **login_of(api, FINGERPRINTS[1])).migrations
        query(any_database, f"DROP ROLE {LOGIN}")
        with pytest.raises(MigrationError) as failure:
            session.apply(rotation, dict.fromkeys(FINGERPRINTS, VERIFIER))
    secret = VERIFIER.split("$")[2]
    dump = query(
        any_database, "SELECT objects::text FROM pgcraft.objects UNION ALL SELECT r::text FROM pgcraft.revisions r"
    )
    told = [
        shown.sql,
        shown.message,
        repr(shown),
        str(failure.value),
        repr(failure.value),
        caplog.text,
        *map(str, dump),
    ]
    assert [text for text in told if secret in text] == []
    assert FINGERPRINTS[0] in str(dump)


EVERY_PRIVILEGE = ["select", "insert", "update", "delete", "truncate", "references", "trigger"]


def privileges(database: ScratchDatabase, role: str) -> dict[str, set[str]]:
    """Return all that a role may do with relations outside Postgres's own schemas."""
    rows = query(
        database,
        f"""
        SELECT c.oid::regclass::text, p FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN unnest(ARRAY{EVERY_PRIVILEGE}) AS p
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'v', 'm', 'p', 'S')
           AND CASE c.relkind WHEN 'S' THEN p IN ('select', 'update') AND has_sequence_privilege('{role}', c.oid, p)
                    ELSE has_table_privilege('{role}', c.oid, p) OR (p <> ALL ('{{delete,truncate,trigger}}')
                         AND has_any_column_privilege('{role}', c.oid, p)) END
        """,
    )
    return {name: {privilege for found, privilege in rows if found == name} for name, _ in rows}


def usable_schemas(database: ScratchDatabase, role: str) -> set[tuple[str, str]]:
    rows = query(
        database,
        f"""
        SELECT nspname, p FROM pg_namespace CROSS JOIN unnest(ARRAY['usage', 'create']) AS p
         WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND has_schema_privilege('{role}', oid, p)
        """,
    )
    return set(rows) - {("public", "usage")}


def test_roles_have_what_is_declared_and_lose_what_is_not(any_database: ScratchDatabase) -> None:
    api = postgrest(schemas=["api"], anonymousRole={"name": "anon"}, roles=[{"name": "editor"}])

    def granted(**grants: Sequence[str]) -> Dimension:
        given = [{"role": role, "privileges": list(names)} for role, names in grants.items()]
        return dimension("victim", CODE, api={"schema": "api", "grants": given})

    every = ["select", "insert", "update", "delete"]
    with session_on(any_database) as session:
        for grants in (
            {"anon": ["select"], "editor": every},
            {"anon": every, "editor": ["select"]},
            {"anon": ["select"]},
            {"editor": ["insert"]},
            {},
        ):
            apply(session, api, granted(**grants))
            for role in ("anon", "editor"):
                assert privileges(any_database, role) == ({"api.victim": set(grants[role])} if role in grants else {})
                assert usable_schemas(any_database, role) == {("api", "usage")}
        apply(session, api, granted(anon=every))
        apply(session, api)
        assert privileges(any_database, "anon") == {}
        apply(session, granted())
        assert usable_schemas(any_database, "anon") == set()
        assert query(any_database, "SELECT has_schema_privilege('anon', 'pgcraft', 'usage')") == [(False,)]


def test_a_login_keeps_the_password_of_the_api_that_holds_it(database: ScratchDatabase) -> None:
    """Two APIs that claim one login: the second is refused, and its password goes nowhere."""
    mine = postgrest("api", schemas=["api"], authenticator={"name": LOGIN})
    thief = postgrest("thief", schemas=["api"], authenticator={"name": LOGIN})
    with session_on(database) as session:
        apply(session, mine, **login_of(mine))
        both = {"verifier_fingerprints": {**login_of(mine)["verifier_fingerprints"], CLAIM: FINGERPRINTS[1]}}
        planned = apply(session, mine, thief, **both)
    assert planned.is_empty
    assert "already declared" in said(planned)


CLAIM = Claimant("PostgREST", "platform", "thief")


def test_a_server_that_logs_ddl_does_not_log_the_verifier(postgres: PostgresServer, database: ScratchDatabase) -> None:
    query(database, f'ALTER DATABASE "{database.name}" SET log_statement = ddl')
    query(database, f'ALTER DATABASE "{database.name}" SET log_min_messages = log')
    api = postgrest("api", schemas=["api"], authenticator={"name": LOGIN})
    before = len(postgres.log)
    with session_on(database) as session:
        apply(session, api, **login_of(api))
    logged = postgres.log[before:]
    assert "CREATE ROLE" in logged
    assert VERIFIER not in logged
