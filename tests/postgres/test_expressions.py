"""Expressions and types as Postgres resolves them under an author's allowance; nothing runs before it is allowed."""

from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pgcraft_core.catalog.probe import Allowance, Finding, ScratchUnavailableError, probe_tables
from pgcraft_core.schema.table import Check, Column, Index, IndexElement, Table
from playground.postgres import PostgresServer, ScratchDatabase

COLUMNS = (
    Column(name="id", type="bigint", identity=True),
    Column(name="icao", type="character varying(4)"),
    Column(name="elevation", type="numeric"),
    Column(name="at", type="timestamp with time zone", default="now()"),
    Column(name="label", type="text", generated="icao || ' ' || 'x'"),
    Column(name="tags", type="text[]", default="'{}'"),
    Column(name="doc", type="jsonb", default="jsonb_build_object('a', 1)"),
    Column(name="key", type="uuid", default="gen_random_uuid()"),
    Column(name="Order By", type="date", default="current_date"),
)


def table(*columns: Column, checks: Sequence[str] = (), indexes: Sequence[Index] = (), name: str = "airports") -> Table:
    return Table(
        schema_name="geo",
        name=name,
        columns=columns or COLUMNS,
        checks=tuple(Check(name=f"check {at}", expression=text) for at, text in enumerate(checks)),
        indexes=tuple(indexes),
    )


def sqlalchemy_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(scope="module")
def world(any_postgres: PostgresServer) -> Iterator[ScratchDatabase]:
    """One database for all tests here: a probe leaves nothing behind."""
    with any_postgres.scratch_database("expressions") as database:
        yield database


@pytest.fixture(scope="module")
def admin(world: ScratchDatabase) -> Iterator[Connection]:
    engine = create_engine(sqlalchemy_url(world.url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(TRAPS)
        yield connection
    engine.dispose()


@pytest.fixture(scope="module")
def owner_engine(world: ScratchDatabase) -> Iterator[Engine]:
    engine = create_engine(sqlalchemy_url(world.owner_url))
    yield engine
    engine.dispose()


@pytest.fixture
def owner(owner_engine: Engine) -> Iterator[Connection]:
    with owner_engine.connect() as connection:
        yield connection


def messages(found: Sequence[Finding]) -> dict[str, str]:
    return {finding.element: finding.message for finding in found}


GOOD_CHECKS = [
    "elevation > -1500",
    "airports.icao ~ '^[A-Z]{4}$'",
    "char_length(icao) = 4 and icao in ('ENGM', 'LFPG')",
    "at > now() - make_interval(days => 3)",
    "elevation % 2 = 0",
    "(doc ->> 'a')::int > 3",
    "coalesce(tags[1], 'x') <> 'y'",
    "case when elevation > 1 then true else false end",
    "icao collate \"C\" > 'x'",
    "at at time zone 'UTC' > '2020-01-01'",
    "(icao, label) is distinct from ('a', 'b')",
    "row(icao, label) < row('a', 'b')",
    "to_tsvector('english', label) @@ to_tsquery('english', 'x')",
    "current_user = icao",
    "extract(year from at) > 1999",
    "format('%s', icao) <> '' and concat(icao, 'a', 1) <> ''",
    "elevation between 1 and greatest(2, 3)",
    "nullif(icao, '') is not null and (elevation > 1) is true",
    "array_length(tags, 1) > 1 and tags @> array['x']",
    "tags::varchar(3)[] is not null",
    "elevation::int4::text = '3'",
    '"Order By" < at',
]
GOOD_INDEXES = [
    Index(
        name="by label",
        elements=(
            IndexElement(expression="lower(label)"),
            IndexElement(column="icao", operator_class="text_pattern_ops"),
        ),
        where="at is not null",
    ),
    Index(name="by_doc", elements=(IndexElement(column="doc"),), method="gin"),
    Index(name="date", elements=(IndexElement(expression="to_tsvector('english', label)"),), method="gin"),
]


def test_what_dimensions_usually_say_is_allowed(owner: Connection) -> None:
    assert probe_tables(owner, [table(checks=GOOD_CHECKS, indexes=GOOD_INDEXES)], Allowance()) == ()


def test_json_constructors_and_queries_are_values_like_others(owner: Connection) -> None:
    if owner.dialect.server_version_info < (17,):  # ty: ignore[unsupported-operator]
        pytest.skip("SQL/JSON came with Postgres 16 and 17")
    checks = [
        "json_object('a' value elevation) is json object",
        "json_array(1, icao returning jsonb) is not null",
        "json_value(doc, '$.a' returning int default 3 on empty) > 2",
        "json_exists(doc, '$.a') and json_query(doc, '$.b') is not null",
        "json_scalar(1) is not null and json_serialize(doc) <> ''",
    ]
    assert probe_tables(owner, [table(checks=checks)], Allowance()) == ()


def test_names_of_tables_hide_nothing_and_are_quoted(owner: Connection) -> None:
    """A scratch table called `date` would be a type of that name, were temporary types found first."""
    named = [table(checks=["'2020-01-01'::date < at"], name=name) for name in ("date", "Order", 'a"b %s :x', "x" * 63)]
    assert probe_tables(owner, named, Allowance()) == ()


def test_nothing_stays_in_the_database_or_the_session(owner: Connection) -> None:
    before = owner.exec_driver_sql("SELECT current_setting('search_path')").scalar()
    probe_tables(owner, [table(checks=["nonsense"])], Allowance())
    assert owner.exec_driver_sql("SELECT count(*) FROM pg_class WHERE relname = 'airports'").scalar() == 0
    assert owner.exec_driver_sql("SELECT current_setting('search_path')").scalar() == before


def test_all_that_is_wrong_is_reported_with_its_place(owner: Connection) -> None:
    broken = {
        "check 0": ("elevaton > 1", 'column "elevaton" does not exist (at character 1'),
        "check 1": ("elevation", "must be type boolean"),
        "check 2": ("elevation > 0 and count(*) > 1", "aggregate functions are not allowed"),
        "check 3": ("exists (select from pg_authid)", "cannot use subquery"),
        "check 4": ("icao icao", 'syntax error at or near "icao" (at character 6)'),
        "check 5": ("elevation >", "syntax error: something is missing at the end (at character 12)"),
        "check 6": ("elevation > 1) or (true", "closes what the expression did not open (at character 14)"),
        "check 7": ("  label  =  'x' -- ", "comment; remove it"),
        "check 8": ("foo(1)", "function foo(integer) does not exist (at character 1"),
        "check 9": ("at > 'never'", 'invalid input syntax for type timestamp with time zone: "never" (at character 6)'),
    }
    columns = (
        *COLUMNS,
        Column(name="d1", type="integer", default="'x'"),
        Column(name="d2", type="numeric", default="elevation"),
        Column(name="d3", type="integer", default="now()"),
        Column(name="g1", type="text", generated="at::text"),
        Column(name="g2", type="text", generated="label || 'x'"),
    )
    indexes = (
        *GOOD_INDEXES,
        Index(name="b1", elements=(IndexElement(expression="to_char(at, 'YYYY')"),)),
        Index(name="b2", elements=(IndexElement(column="icao"),), method="gin"),
        Index(name="b3", elements=(IndexElement(column="icao", operator_class="nope"),)),
        Index(name="b4", elements=(IndexElement(column="icao", operator_class="a) where (true"),)),
        Index(name="b5", elements=(IndexElement(column="icao"),), where="elevation"),
    )
    checks = [text for text, _ in broken.values()]
    found = messages(probe_tables(owner, [table(*columns, checks=checks, indexes=indexes)], Allowance()))
    expected = {f"check:{name}": says for name, (_, says) in broken.items()} | {
        "default:d1": 'invalid input syntax for type integer: "x" (at character 1)',
        "default:d2": "cannot use column reference in DEFAULT expression (at character 1)",
        "default:d3": "cannot cast type timestamp with time zone to integer",
        "generated:g1": "generation expression is not immutable",
        "generated:g2": 'cannot use generated column "label"',
        "index:b1": "must be marked IMMUTABLE",
        "index:b2": 'no default operator class for access method "gin"',
        "index:b3": 'operator class "nope" does not exist',
        "index:b4": "stands here alone",
        "index:b5": "argument of WHERE must be type boolean",
    }
    assert found.keys() == expected.keys()
    assert {element: says for element, says in expected.items() if says not in found[element]} == {}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("pg_read_file('/etc/passwd') is null", "pg_catalog.pg_read_file(text)"),
        ("set_config('role', 'x', true) is null", "pg_catalog.set_config(text, text, boolean)"),
        ("current_setting('x') = ''", "pg_catalog.current_setting(text)"),
        ("pg_sleep(100) is null", "pg_catalog.pg_sleep(double precision)"),
        ("lo_import('/etc/passwd') > 1", "pg_catalog.lo_import(text)"),
        ("query_to_xml('select 1', true, true, '') is null", "pg_catalog.query_to_xml"),
        ("pg_advisory_lock(1) is null", "pg_catalog.pg_advisory_lock(bigint)"),
        ("has_table_privilege('x', 'select')", "pg_catalog.has_table_privilege(text, text)"),
        ("ts_rewrite('a'::tsquery, 'select 1') is null", "pg_catalog.ts_rewrite(tsquery, text)"),
        ("satisfies_hash_partition(1::oid, 1, 1, 1)", "pg_catalog.satisfies_hash_partition"),
        ("setseed(1) is null", "pg_catalog.setseed(double precision)"),
        ("'pg_class'::regclass is not null", "type regclass names objects"),
        ("airports is null", "the whole row"),
        ("tableoid > 1", "a system column"),
        ("generate_series(1, 2) > 1", "set-returning functions are not allowed"),
        ("other.anything(1) > 1", "other is no schema this dimension may use, nor its own table"),
        ("elevation operator(other.+) 3 > 1", "other is no schema this dimension may use, nor its own table"),
        ("'x'::other.kind is null", "other is no schema this dimension may use, nor its own table"),
        ('U&"\\006Fther".anything(1) > 1', "Unicode escapes"),
    ],
)
def test_what_reaches_beyond_the_row_is_refused_by_name(owner: Connection, expression: str, names: str) -> None:
    found = probe_tables(owner, [everywhere(expression)], Allowance())
    assert {finding.element for finding in found} == EVERYWHERE
    assert [finding.message for finding in found if names not in finding.message] == []


TRAPS = """
CREATE SCHEMA trap;
CREATE SEQUENCE trap.taken;
CREATE FUNCTION trap.constant(int) RETURNS int IMMUTABLE LANGUAGE plpgsql
    AS $$ BEGIN PERFORM nextval('trap.taken'); RETURN $1; END $$;
CREATE FUNCTION trap.fresh() RETURNS int VOLATILE LANGUAGE plpgsql
    AS $$ BEGIN PERFORM nextval('trap.taken'); RETURN 1; END $$;
CREATE FUNCTION trap.inlined(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT trap.constant($1)';
CREATE FUNCTION trap.sum(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql
    AS $$ BEGIN PERFORM nextval('trap.taken'); RETURN $1 + $2; END $$;
CREATE OPERATOR trap.@+ (LEFTARG = int, RIGHTARG = int, FUNCTION = trap.sum);
CREATE TYPE trap.kind AS ENUM ('a');
CREATE FUNCTION trap.kind_of(int) RETURNS trap.kind IMMUTABLE LANGUAGE plpgsql
    AS $$ BEGIN PERFORM nextval('trap.taken'); RETURN 'a'; END $$;
CREATE CAST (int AS trap.kind) WITH FUNCTION trap.kind_of(int) AS ASSIGNMENT;
CREATE DOMAIN trap.watched AS int CHECK (trap.constant(VALUE) > 0);
CREATE TYPE trap.pair AS (a trap.watched);
GRANT USAGE ON SCHEMA trap TO PUBLIC;
GRANT ALL ON SEQUENCE trap.taken TO PUBLIC;
"""
"""Functions with a side effect that no rollback undoes: each takes a number from a sequence."""


def everywhere(expression: str, *, name: str = "airports") -> Table:
    """Return a table with the condition in every place an expression can stand."""
    columns = (
        *COLUMNS,
        Column(name="d", type="boolean", default=expression),
        Column(name="g", type="boolean", generated=expression),
    )
    indexes = (
        Index(name="key", elements=(IndexElement(expression=expression),)),
        Index(name="where", elements=(IndexElement(column="icao"),), where=expression),
    )
    return table(*columns, checks=[expression], indexes=indexes, name=name)


EVERYWHERE = {"default:d", "generated:g", "check:check 0", "index:key", "index:where"}


@pytest.fixture
def trapped(admin: Connection) -> Connection:
    """The traps, none of them sprung."""
    admin.exec_driver_sql("SELECT setval('trap.taken', 1, false)")
    return admin


def has_sprung(admin: Connection) -> bool:
    return bool(admin.exec_driver_sql("SELECT is_called FROM trap.taken").scalar())


@pytest.mark.parametrize(
    "expression",
    [
        "trap.constant(1) > 0",
        "trap.fresh() > 0",
        "trap.inlined(1) > 0",
        "1 operator(trap.@+) 2 > 1",
        "1::trap.kind is null",
        "lower(trap.constant(1)::text) = ''",
        "case trap.constant(1) when 1 then true end",
        "array[trap.constant(1), 2] is null",
        "1 = any(array[trap.constant(1)])",
        "coalesce(trap.constant(1), 2) = greatest(trap.constant(2), 1)",
        "(1, trap.constant(1)) < (1, 2)",
        "nextval('trap.taken') > 0",
        "setval('trap.taken', 5) > 0",
    ],
)
def test_nothing_runs_before_it_is_allowed(trapped: Connection, owner: Connection, expression: str) -> None:
    """Not even when types of the schema may be used, so that Postgres gets to see the expression."""
    found = probe_tables(owner, [everywhere(expression)], Allowance(schemas=frozenset({"trap"})))
    assert {finding.element for finding in found} == EVERYWHERE
    assert all("may not be called from a dimension" in finding.message for finding in found)
    assert not has_sprung(trapped)


def test_a_cast_to_the_columns_type_is_not_run_either(trapped: Connection, owner: Connection) -> None:
    columns = [Column(name="d", type="trap.kind", default="1"), Column(name="g", type="trap.kind", generated="1")]
    found = messages(probe_tables(owner, [table(*columns)], Allowance(schemas=frozenset({"trap"}))))
    assert found.keys() == {"default:d", "generated:g"}
    assert "trap.kind_of(integer)" in found["default:d"]
    assert not has_sprung(trapped)


def test_a_constant_of_a_foreign_type_is_not_even_read(trapped: Connection, owner: Connection) -> None:
    """Reading `'(1)'` as trap.pair would run the check of the domain within."""
    for name in ("airports", "trap"):
        found = probe_tables(owner, [everywhere("'(1)'::trap.pair is null", name=name)], Allowance())
        assert {finding.element for finding in found} == EVERYWHERE
    assert not has_sprung(trapped)


def test_the_traps_do_spring_once_their_functions_are_allowed(trapped: Connection, owner: Connection) -> None:
    """Or the tests above would prove nothing: building an index computes what is constant in it."""
    allowance = Allowance(functions=("trap.constant(int)",))
    keyed = table(indexes=[Index(name="key", elements=(IndexElement(expression="elevation + trap.constant(1)"),))])
    assert probe_tables(owner, [keyed], allowance) == ()
    assert has_sprung(trapped)


def test_a_function_is_allowed_by_its_signature(trapped: Connection, owner: Connection) -> None:
    asked = table(checks=["trap.constant(1) > 0"])
    assert probe_tables(owner, [asked], Allowance(functions=("trap.constant",))) == ()
    assert probe_tables(owner, [asked], Allowance(functions=("trap.constant(int)",))) == ()
    assert messages(probe_tables(owner, [asked], Allowance(functions=("trap.constant(text)",)))).keys() == {
        "check:check 0"
    }


def test_an_extension_has_to_be_declared(admin: Connection, owner: Connection) -> None:
    admin.exec_driver_sql("CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; GRANT USAGE ON SCHEMA ext TO PUBLIC")
    asked = table(
        Column(name="code", type="ext.citext", default="'x'"),
        Column(name="codes", type="ext.citext[]"),
        Column(name="plain", type="text"),
        checks=["plain::ext.citext operator(ext.=) 'x'::ext.citext", "ext.strpos(code, code) > 0"],
        indexes=[
            Index(name="by_code", elements=(IndexElement(column="code", operator_class="ext.citext_pattern_ops"),))
        ],
    )
    assert probe_tables(owner, [asked], Allowance(extensions=frozenset({"citext"}))) == ()
    found = messages(probe_tables(owner, [asked], Allowance()))
    assert found.keys() == {"type:code", "type:codes", "check:check 0", "check:check 1"}
    assert "declare the extension it comes from in Database.spec.extensions" in found["type:code"]
    plain = asked.model_copy(update={"columns": (Column(name="code", type="text"),), "checks": ()})
    wrong = messages(probe_tables(owner, [plain], Allowance()))
    assert "operator class ext.citext_pattern_ops may not be used" in wrong["index:by_code"]


def test_types_are_those_of_pg_catalog_and_the_schemas_that_were_given(trapped: Connection, owner: Connection) -> None:
    names = [
        "trap.kind",
        "trap.kind[]",
        "trap.watched",
        "trap.pair",
        "regclass",
        "record",
        "serial",
        "nope",
        "trap.nope",
    ]
    names += ["information_schema.sql_identifier", "text; drop table x", "numeric(4,1)[]", "public.vector(3)"]
    asked = table(*(Column(name=name, type=name) for name in names))
    given = messages(probe_tables(owner, [asked], Allowance(schemas=frozenset({"trap"}))))
    assert given.keys() == {
        f"type:{name}"
        for name in (
            "record",
            "serial",
            "nope",
            "trap.nope",
            "information_schema.sql_identifier",
            "text; drop table x",
            "public.vector(3)",
        )
    }
    assert given["type:nope"] == "type nope does not exist; a type outside pg_catalog is written with its schema"
    assert "primaryKey.strategy Identity" in given["type:serial"]
    not_given = messages(probe_tables(owner, [asked], Allowance()))
    assert not_given.keys() - given.keys() == {
        f"type:{name}" for name in ("trap.kind", "trap.kind[]", "trap.watched", "trap.pair")
    }


def test_one_bad_table_does_not_hide_another(owner: Connection) -> None:
    tables = [
        table(checks=["nonsense > 1"], name="one"),
        table(checks=["elevation > 1"], name="two"),
        table(Column(name="c", type="nope"), checks=["c )"], name="three"),
    ]
    found = probe_tables(owner, tables, Allowance())
    assert [(finding.table.name, finding.element) for finding in found] == [
        ("three", "type:c"),
        ("one", "check:check 0"),
        ("three", "check:check 0"),
    ]


def test_a_login_without_temporary_tables_is_told_what_to_grant(admin: Connection, world: ScratchDatabase) -> None:
    admin.exec_driver_sql(f"REVOKE TEMPORARY ON DATABASE {world.name} FROM PUBLIC; CREATE ROLE bare_{world.name}")
    engine = create_engine(sqlalchemy_url(world.url))
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET ROLE bare_{world.name}")
        assert probe_tables(connection, [table(Column(name="a", type="text"))], Allowance()) == ()
        with pytest.raises(ScratchUnavailableError, match="grant it TEMPORARY"):
            probe_tables(connection, [table(checks=["elevation > 1"])], Allowance())
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()
    admin.exec_driver_sql(f"GRANT TEMPORARY ON DATABASE {world.name} TO PUBLIC")


def test_a_failing_database_is_no_fault_of_the_author(owner: Connection) -> None:
    owner.exec_driver_sql("SET TRANSACTION READ ONLY")
    with pytest.raises(DBAPIError, match="read-only transaction"):
        probe_tables(owner, [table(checks=["elevation > 1"])], Allowance())
    assert owner.exec_driver_sql("SELECT 1").scalar() == 1  # the caller's transaction goes on


def test_a_bad_type_hides_nothing_else(owner: Connection) -> None:
    table = Table(
        schema_name="geo",
        name="t",
        columns=(
            Column(name="a", type="text"),
            Column(name="b", type="txt"),
            Column(name="c", type="text", default="pg_read_file('/etc/passwd')"),
        ),
        checks=(Check(name="x", expression="a <> "), Check(name="y", expression="b <> ''")),
        indexes=(Index(name="i", elements=(IndexElement(column="b"),), where="a > 1"),),
    )

    found = {finding.element for finding in probe_tables(owner, [table], Allowance())}

    assert found == {"type:b", "default:c", "check:x"}, "what stands on the untyped column cannot be judged"
