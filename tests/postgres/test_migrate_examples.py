"""The examples, and everything an API needs, on a fresh database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import yaml

from examples.geo.rows import load_tables
from examples.geo.stores import DatabaseStore
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.postgrest import PostgREST
from playground.postgres import ScratchDatabase
from tests.corpus.world import deploy, load, login_of, open_session

GEO = Path(__file__).parents[2] / "examples" / "geo"


def read_manifests() -> list[dict[str, Any]]:
    documents = [document for file in sorted(GEO.glob("*.yaml")) for document in yaml.safe_load_all(file.read_text())]
    return [document for document in documents if document["apiVersion"].startswith("pgcraft.io/")]


def test_geo_is_deployed_granted_and_then_left_alone(any_database: ScratchDatabase) -> None:
    resources = [load(document) for document in read_manifests()]
    (database,) = (item for item in resources if isinstance(item, Database))
    rest = [item for item in resources if isinstance(item, Dimension | PostgREST)]
    (api,) = (item for item in rest if isinstance(item, PostgREST))
    given = {"database": database, **login_of(api)}
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        done = deploy(session, *rest, **given)
        assert len(done) == 1
        made = eye.execute(
            """
            SELECT n.nspname || '.' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
            WHERE nspname IN ('geo', 'api') AND relkind IN ('r', 'v') ORDER BY 1
            """
        ).fetchall()
        names = {item.table_name for item in rest if isinstance(item, Dimension)}
        past = {"airports_versions", "airport_facts_attributes", "airport_facts_attribute_history"}
        kept = {"airports_history", "airport_facts_attribute_log"}
        expected = {f"geo.{name}" for name in names | past | kept} | {f"api.{name}" for name in names | past}
        assert {name for (name,) in made} == expected
        may = eye.execute(
            """
            SELECT relname, role, array_agg(privilege ORDER BY privilege)
            FROM pg_class c, unnest(ARRAY['web_anon', 'editor']) role,
                 unnest(ARRAY['select', 'insert', 'delete']) privilege
            WHERE relnamespace = 'api'::regnamespace AND has_table_privilege(role, c.oid, privilege) GROUP BY 1, 2
            """
        ).fetchall()
        writes = ["delete", "insert", "select"]
        assert {(name, role): privileges for name, role, privileges in may} == (
            {(name, "web_anon"): ["select"] for name in names | past}
            | {(name, "editor"): writes for name in names}
            | {(name, "editor"): ["select"] for name in past}
        )
        asks = eye.execute(
            """
            SELECT proname, bool_and(has_function_privilege('web_anon', oid, 'execute'))
            FROM pg_proc WHERE pronamespace = 'api'::regnamespace GROUP BY 1
            """
        ).fetchall()
        assert dict(asks) == dict.fromkeys(("airports_as_of", "airports_diff", "airport_facts_attributes_as_of"), True)
        base = (
            "SELECT bool_or(has_schema_privilege(role, 'geo', 'usage')) FROM unnest(ARRAY['web_anon', 'editor']) role"
        )
        assert eye.execute(base).fetchone() == (False,)
        login = eye.execute(
            """
            SELECT rolcanlogin, rolinherit, rolsuper, rolcreaterole
            FROM pg_roles WHERE rolname = 'warehouse_authenticator'
            """
        ).fetchone()
        assert login == (True, False, False, False)
        eye.execute("SET ROLE warehouse_authenticator; SET ROLE editor; RESET ROLE")

        # Everything goes but the data, comes back, and is the same again.
        deploy(session, **given)
        assert eye.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'api'::regnamespace").fetchone() == (0,)
        assert eye.execute("SELECT FROM pg_roles WHERE rolname = 'warehouse_authenticator'").rowcount == 0
        deploy(session, *rest, **given)


def test_every_row_of_geo_fits_and_a_second_load_leaves_no_past(database: ScratchDatabase) -> None:
    resources = [load(document) for document in read_manifests()]
    declared = [item for item in resources if isinstance(item, Dimension | PostgREST)]
    (warehouse,) = (item for item in resources if isinstance(item, Database))
    given = {"database": warehouse, **login_of(next(item for item in declared if isinstance(item, PostgREST)))}
    with (
        open_session(database, owner_role=warehouse.spec.owner) as session,
        psycopg.connect(database.url) as connection,
    ):
        deploy(session, *declared, **given)
        store = DatabaseStore(connection, "geo")
        for table in load_tables() + load_tables():
            assert sum(store.write(table)) == len(table.rows) == store.count(table)
            connection.commit()
        closed = (
            "SELECT count(*) FROM geo.airports_history UNION ALL SELECT count(*) FROM geo.airport_facts_attribute_log"
        )
        assert connection.execute(closed).fetchall() == [(0,), (0,)]
        connection.execute("UPDATE geo.airport_facts SET extra = extra || '{\"lounges\": 4}' WHERE icao = 'EDDB'")
        connection.execute("DELETE FROM geo.airports WHERE icao = 'EDDB'")  # and by its foreign key what is known of it
        assert connection.execute("SELECT icao FROM geo.airports_history").fetchall() == [("EDDB",)]
        ended = connection.execute("SELECT attribute FROM geo.airport_facts_attribute_log").fetchall()
        assert {"runways", "longest_runway_ft", "lounges"} <= {attribute for (attribute,) in ended}
