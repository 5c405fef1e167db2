"""What a migration made is read back before it commits: functions and triggers as declared, or it says the way out."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from pgcraft_core.catalog.read import read_catalog
from pgcraft_core.migrate.errors import VerificationError
from pgcraft_core.migrate.verify import verify_changes
from pgcraft_core.plan.model import RegistryChange
from pgcraft_core.schema.function import Argument, Function
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.table import Column, Table, Trigger
from playground.postgres import ScratchDatabase
from tests.corpus.world import WAREHOUSE

WORLD = """
CREATE ROLE {owner}; CREATE ROLE {reader}; CREATE ROLE {other};
GRANT CREATE ON DATABASE {database} TO {owner};
SET ROLE {owner};
CREATE SCHEMA geo;
CREATE TABLE geo."Things" (id bigint);
CREATE FUNCTION geo.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
REVOKE ALL ON FUNCTION geo.stamp FROM PUBLIC;
CREATE FUNCTION geo.as_of(at timestamptz) RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON FUNCTION geo.as_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION geo.as_of TO {reader};
CREATE TRIGGER "Stamp" BEFORE UPDATE ON geo."Things" FOR EACH ROW EXECUTE FUNCTION geo.stamp();
RESET ROLE;
"""


@pytest.fixture
def names(database: ScratchDatabase) -> dict[str, str]:
    roles = {role: f"{database.name}_verify_{role}" for role in ("owner", "reader", "other")}
    return {"database": database.name, **roles}


@pytest.fixture
def connection(database: ScratchDatabase, names: dict[str, str]) -> Iterator[Connection]:
    engine = create_engine(database.url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        connection.exec_driver_sql(WORLD.format(**names))
        connection.commit()
        yield connection
        connection.rollback()
    engine.dispose()


def things(names: dict[str, str], *, public: bool = False) -> tuple[Table, Function, Function]:
    """Return what the world above is declared as."""
    stamp = Trigger(
        name="Stamp",
        timing="BEFORE",
        events=("UPDATE",),
        level="ROW",
        function_schema="geo",
        function_name="stamp",
    )
    at = Argument(name="at", type="timestamp with time zone")
    return (
        Table(schema_name="geo", name="Things", columns=(Column(name="id", type="bigint"),), triggers=(stamp,)),
        Function(schema_name="geo", name="stamp", body=("BEGIN RETURN NEW; END",)),
        Function(
            schema_name="geo",
            name="as_of",
            arguments=(at,),
            returns="int",
            language="sql",
            body=("SELECT 1",),
            executors=(names["reader"],),
            public=public,
        ),
    )


def verify(connection: Connection, objects: tuple[AnyObject, ...], owner: str, *, new: bool = True) -> None:
    changes = [RegistryChange(item.id, WAREHOUSE, item, before=None) for item in objects]
    made = {item.id for item in objects} if new else set()
    verify_changes(changes, made, read_catalog(connection, ["geo"], []), owner)


def test_what_is_as_declared_passes(connection: Connection, names: dict[str, str]) -> None:
    verify(connection, things(names), names["owner"])


@pytest.mark.parametrize(
    ("by_hand", "said_of_it"),
    [
        ("DROP FUNCTION geo.as_of", "function geo.as_of is not there after the migration that made it"),
        ("ALTER FUNCTION geo.as_of OWNER TO {other}", "function geo.as_of belongs to {other}, not to {owner}"),
        (
            "SET ROLE {owner}; CREATE FUNCTION geo.as_of() RETURNS int LANGUAGE sql AS 'SELECT 1'; RESET ROLE",
            "more than once, with the arguments () and (at timestamp with time zone)",
        ),
        ("REVOKE ALL ON FUNCTION geo.as_of FROM {reader}", "{reader} did not receive EXECUTE on geo.as_of"),
        ('DROP TRIGGER "Stamp" ON geo."Things"', "trigger Stamp of geo.Things is not there"),
        (
            'ALTER TABLE geo."Things" DISABLE TRIGGER "Stamp"',
            'Run: ALTER TABLE geo."Things" ENABLE TRIGGER "Stamp";',
        ),
        ('ALTER TABLE geo."Things" ENABLE REPLICA TRIGGER "Stamp"', "trigger Stamp of geo.Things was disabled"),
    ],
)
@pytest.mark.parametrize("new", [True, False])
def test_what_is_not_as_declared_is_refused(
    connection: Connection, names: dict[str, str], by_hand: str, said_of_it: str, new: bool
) -> None:
    connection.exec_driver_sql(by_hand.format(**names))
    with pytest.raises(VerificationError) as refused:
        verify(connection, things(names), names["owner"], new=new)
    assert said_of_it.format(**names) in str(refused.value)


def test_triggers_that_always_fire_and_strangers_overloads_are_no_obstacle(
    connection: Connection, names: dict[str, str]
) -> None:
    connection.exec_driver_sql(
        'ALTER TABLE geo."Things" ENABLE ALWAYS TRIGGER "Stamp";'
        "CREATE FUNCTION geo.as_of(at text) RETURNS int LANGUAGE sql AS 'SELECT 1'"
    )
    verify(connection, things(names), names["owner"])


def test_public_execute_is_as_declared_too(connection: Connection, names: dict[str, str]) -> None:
    with pytest.raises(VerificationError, match=r"PUBLIC did not receive EXECUTE on geo\.as_of"):
        verify(connection, things(names, public=True), names["owner"])
    connection.exec_driver_sql("GRANT EXECUTE ON FUNCTION geo.as_of TO PUBLIC")
    verify(connection, things(names, public=True), names["owner"])
    with pytest.raises(VerificationError, match=r"PUBLIC would have EXECUTE on geo\.as_of"):
        verify(connection, things(names), names["owner"])
    verify(connection, things(names), names["owner"], new=False)  # it was there: drift, not ours


def test_default_privileges_are_named_with_what_takes_them_back(connection: Connection, names: dict[str, str]) -> None:
    connection.exec_driver_sql(
        """
        ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA geo GRANT EXECUTE ON FUNCTIONS TO {other};
        DROP FUNCTION geo.as_of;
        SET ROLE {owner};
        CREATE FUNCTION geo.as_of(at timestamptz) RETURNS int LANGUAGE sql AS 'SELECT 1';
        REVOKE ALL ON FUNCTION geo.as_of FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION geo.as_of TO {reader};
        RESET ROLE;
        """.format(**names)
    )
    with pytest.raises(VerificationError) as refused:
        verify(connection, things(names), names["owner"])
    way_out = str(refused.value).rpartition("Run: ")[2]
    connection.exec_driver_sql(way_out)
    connection.exec_driver_sql(
        """
        DROP FUNCTION geo.as_of;
        SET ROLE {owner};
        CREATE FUNCTION geo.as_of(at timestamptz) RETURNS int LANGUAGE sql AS 'SELECT 1';
        REVOKE ALL ON FUNCTION geo.as_of FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION geo.as_of TO {reader};
        RESET ROLE;
        """.format(**names)
    )
    verify(connection, things(names), names["owner"])
