"""The examples, and everything an API needs, on a fresh database."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import psycopg
import yaml

from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.postgrest import PostgREST
from playground.postgres import ScratchDatabase
from tests.corpus.world import deploy, load, login_of, open_session

GEO = Path(__file__).parents[2] / "examples" / "geo"


def test_geo_is_deployed_granted_and_then_left_alone(any_database: ScratchDatabase) -> None:
    documents = [document for file in sorted(GEO.glob("*.yaml")) for document in yaml.safe_load_all(file.read_text())]
    resources = [load(document) for document in documents if document["apiVersion"].startswith("pgcraft.io/")]
    (database,) = (item for item in resources if isinstance(item, Database))
    rest = [item for item in resources if isinstance(item, Dimension | PostgREST)]
    (api,) = (item for item in rest if isinstance(item, PostgREST))
    given = {"database": database, **login_of(api)}
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        done = deploy(session, *rest, **given)
        assert len(done) == 1
        kinds = eye.execute(
            """
            SELECT relkind::text, count(*) FROM pg_class
            WHERE relnamespace IN ('geo'::regnamespace, 'api'::regnamespace) AND relkind IN ('r', 'v') GROUP BY 1
            """
        ).fetchall()
        dimensions = [item for item in rest if isinstance(item, Dimension)]
        assert dict(kinds) == {"r": len(dimensions), "v": len(dimensions)}
        may = eye.execute(
            """
            SELECT role, privilege, bool_and(has_table_privilege(role, c.oid, privilege))
            FROM pg_class c, unnest(ARRAY['web_anon', 'editor']) role,
                 unnest(ARRAY['select', 'insert', 'delete']) privilege
            WHERE relnamespace = 'api'::regnamespace GROUP BY 1, 2
            """
        ).fetchall()
        assert Counter(role for role, _, granted in may if granted) == {"web_anon": 1, "editor": 3}
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
