"""Functions as a real catalog holds them: all of a name, who may call them, who stands on them, and what changed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from pgcraft_core.catalog.model import AccessGrant
from pgcraft_core.catalog.read import read_catalog
from pgcraft_core.catalog.rendering import Rendering, differences, render
from pgcraft_core.schema.base import ObjectId, QualifiedName
from playground.postgres import ScratchDatabase

WORLD = """
CREATE ROLE {caller};
CREATE SCHEMA geo; CREATE SCHEMA elsewhere;
CREATE TABLE geo.things (id int, code text, since timestamptz);
CREATE VIEW geo.things_versions AS SELECT * FROM geo.things;
CREATE FUNCTION geo.things_stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION geo.things_as_of(at timestamptz) RETURNS SETOF geo.things_versions LANGUAGE sql STABLE
  SECURITY DEFINER SET search_path = '' AS $$
SELECT *
  FROM geo.things_versions
 WHERE since <= at
$$;
COMMENT ON FUNCTION geo.things_as_of IS 'as they were';
REVOKE ALL ON FUNCTION geo.things_as_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION geo.things_as_of TO {caller} WITH GRANT OPTION;
CREATE TRIGGER things_stamp BEFORE UPDATE ON geo.things FOR EACH ROW EXECUTE FUNCTION geo.things_stamp();
"""

AS_OF = QualifiedName("geo", "things_as_of")
STAMP = QualifiedName("geo", "things_stamp")
THINGS = QualifiedName("geo", "things")
VERSIONS = QualifiedName("geo", "things_versions")


def run(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    connection.commit()


@pytest.fixture
def caller(any_database: ScratchDatabase) -> str:
    return f"{any_database.name}_caller"


@pytest.fixture
def connection(any_database: ScratchDatabase, caller: str) -> Iterator[Connection]:
    engine = create_engine(any_database.url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        run(connection, WORLD.format(caller=caller))
        yield connection
        connection.rollback()
    engine.dispose()


def rendered(connection: Connection, name: QualifiedName = AS_OF) -> Rendering | None:
    return render(read_catalog(connection, [name.schema], []), ObjectId("function", name.schema, name.name))


def test_a_function_is_read_whole(connection: Connection, caller: str) -> None:
    functions = read_catalog(connection, ["geo", "missing"], []).functions
    assert functions.keys() == {AS_OF, STAMP}
    (as_of,) = functions[AS_OF]
    assert (as_of.schema, as_of.name, as_of.owner) == ("geo", "things_as_of", "postgres")
    assert as_of.arguments == "at timestamp with time zone"
    assert as_of.comment == "as they were"
    assert as_of.definition == (
        "CREATE OR REPLACE FUNCTION geo.things_as_of(at timestamp with time zone)\n"
        " RETURNS SETOF geo.things_versions\n"
        " LANGUAGE sql\n"
        " STABLE SECURITY DEFINER\n"
        " SET search_path TO ''\n"
        "AS $function$\nSELECT *\n  FROM geo.things_versions\n WHERE since <= at\n$function$\n"
    )
    assert as_of.grants == (AccessGrant(caller, "EXECUTE", grantable=True),)


def test_what_was_never_granted_or_revoked_is_everybodys(connection: Connection) -> None:
    everybody = (AccessGrant("PUBLIC", "EXECUTE"),)
    (stamp,) = read_catalog(connection, ["geo"], []).functions[STAMP]
    assert stamp.grants == everybody
    run(connection, "REVOKE ALL ON FUNCTION geo.things_stamp FROM PUBLIC")
    (stamp,) = read_catalog(connection, ["geo"], []).functions[STAMP]
    assert stamp.grants == ()
    run(connection, "GRANT EXECUTE ON FUNCTION geo.things_stamp TO PUBLIC")
    (stamp,) = read_catalog(connection, ["geo"], []).functions[STAMP]
    assert stamp.grants == everybody


def test_whatever_has_a_functions_name_is_found_under_it(connection: Connection) -> None:
    run(
        connection,
        """
        CREATE FUNCTION geo.things_as_of(at text, VARIADIC ids int[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE PROCEDURE geo.tidy(INOUT n int) LANGUAGE sql AS 'SELECT 1';
        CREATE AGGREGATE geo."Total"(int) (SFUNC = int4pl, STYPE = int);
        CREATE FUNCTION elsewhere.things_as_of() RETURNS int LANGUAGE sql AS 'SELECT 1';
        """,
    )
    functions = read_catalog(connection, ["geo"], []).functions
    assert {str(name): [one.arguments for one in found] for name, found in functions.items()} == {
        "geo.Total": ["integer"],
        "geo.things_as_of": ["at text, VARIADIC ids integer[]", "at timestamp with time zone"],
        "geo.things_stamp": [""],
        "geo.tidy": ["INOUT n integer"],
    }
    assert functions[QualifiedName("geo", "Total")][0].definition is None
    only = read_catalog(connection, ["geo"], [], ["tidy", "things"])
    assert only.functions.keys() == {QualifiedName("geo", "tidy")}
    assert only.tables.keys() == {THINGS}


def test_who_stands_on_rows_and_functions_is_named(connection: Connection) -> None:
    run(
        connection,
        """
        CREATE FUNCTION elsewhere.one(geo.things) RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION elsewhere.many() RETURNS geo.things_versions[] LANGUAGE sql
          AS 'SELECT NULL::geo.things_versions[]';
        CREATE FUNCTION elsewhere."Parsed"() RETURNS bigint LANGUAGE sql
          BEGIN ATOMIC SELECT count(*) FROM geo.things_as_of(now()); END;
        CREATE FUNCTION elsewhere.counted() RETURNS bigint LANGUAGE sql
          BEGIN ATOMIC SELECT count(*) FROM geo.things; END;
        CREATE FUNCTION elsewhere.unrelated() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
        CREATE VIEW elsewhere.report AS SELECT code FROM geo.things_as_of('2020-01-01');
        CREATE TABLE elsewhere.theirs (id int, code text);
        CREATE TRIGGER theirs BEFORE INSERT ON elsewhere.theirs FOR EACH ROW EXECUTE FUNCTION geo.things_stamp();
        CREATE FUNCTION geo.short(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT left($1, 1)';
        CREATE INDEX by_short ON elsewhere.theirs (geo.short(code));
        CREATE TABLE elsewhere.defaulted (code text DEFAULT geo.short('abc'));
        CREATE TABLE elsewhere.checked (code text CHECK (geo.short(code) = 'a'));
        CREATE TABLE elsewhere.guarded (code text);
        CREATE POLICY mine ON elsewhere.guarded USING (geo.short(code) = 'a');
        """,
    )
    catalog = read_catalog(connection, ["geo"], [])
    assert {str(name): list(map(str, found)) for name, found in catalog.row_functions.items()} == {
        "geo.things": ["elsewhere.counted", "elsewhere.one"],
        "geo.things_versions": ["elsewhere.many", "geo.things_as_of"],
    }
    assert {str(name): list(map(str, found)) for name, found in catalog.callers.items()} == {
        "geo.things_as_of": ["elsewhere.Parsed", "elsewhere.report"],
        "geo.things_stamp": ["elsewhere.theirs", "geo.things"],
        "geo.short": [f"elsewhere.{name}" for name in ("checked", "defaulted", "guarded", "theirs")],
    }
    assert catalog.dependants == {THINGS: (VERSIONS,), VERSIONS: (QualifiedName("elsewhere", "report"),)}
    # What is said to stand on the view is what keeps Postgres from dropping it.
    with pytest.raises(DBAPIError, match=r"(?s)cannot drop view.*elsewhere\.many.*") as refused:
        run(connection, "DROP VIEW geo.things_versions")
    assert "geo.things_as_of" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (
            """
            CREATE OR REPLACE FUNCTION {f}(at timestamptz) RETURNS SETOF geo.things_versions LANGUAGE sql STABLE
            SECURITY DEFINER SET search_path = '' AS '\nSELECT *\n  FROM geo.things_versions\n WHERE since < at\n'
            """,
            ["{a}: definition, line 9: WHERE since <= at became WHERE since < at"],
        ),
        ("ALTER FUNCTION {f} SECURITY INVOKER", ["{a}: definition, line 4: STABLE SECURITY DEFINER became STABLE"]),
        ("ALTER FUNCTION {f} OWNER TO {caller}", ["{a}: owner postgres became {caller}"]),
        ("COMMENT ON FUNCTION {f} IS NULL", ["{a}: comment as they were is gone"]),
        ("GRANT EXECUTE ON FUNCTION {f} TO PUBLIC", ["{a}: role PUBLIC has EXECUTE"]),
        ("REVOKE ALL ON FUNCTION {f} FROM {caller}", ["{a}: role {caller} lacks EXECUTE WITH GRANT OPTION"]),
        ("CREATE FUNCTION {f}(at text) RETURNS int LANGUAGE sql AS 'SELECT 1'", ["signature (at text) was added"]),
        (
            "DROP FUNCTION {f}; CREATE FUNCTION {f}() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            ["{a} is gone", "signature () was added"],
        ),
        ("DROP FUNCTION {f}", ["it is gone"]),
        ("SET search_path = geo; SET quote_all_identifiers = on", []),
    ],
)
def test_what_changed_is_said_and_nothing_else(
    connection: Connection, caller: str, change: str, sentences: list[str]
) -> None:
    before = rendered(connection)
    names = {"f": "geo.things_as_of", "a": "signature (at timestamp with time zone)", "caller": caller}
    run(connection, change.format(**names))
    after = rendered(connection)
    # A grant to the new owner is no grant any more.
    if "OWNER" in change:
        sentences = [*sentences, "{a}: role {caller} lacks EXECUTE WITH GRANT OPTION"]
    assert differences(before, after) == [sentence.format(**names) for sentence in sentences]
    assert (before == after) == (not sentences)
