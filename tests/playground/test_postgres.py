import psycopg
import pytest

from playground.postgres import EmbeddedPostgres, PostgresServer, ScratchDatabase


def test_the_owner_is_no_superuser_and_may_create_roles_and_objects(any_database: ScratchDatabase):
    with psycopg.connect(any_database.owner_url) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, True, False)
        connection.execute("CREATE ROLE reader")
        connection.execute("CREATE SCHEMA geo")
        connection.execute("CREATE TABLE public.countries (code text)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_read_file('PG_VERSION')")


def test_the_versions_are_those_promised(postgres: PostgresServer, postgres15: PostgresServer):
    versions = []
    for server in (postgres15, postgres):
        with psycopg.connect(server.url) as connection:
            versions.append(connection.info.server_version // 10000)
    assert versions == [15, 18]


def test_a_scratch_database_takes_its_roles_with_it(any_postgres: PostgresServer):
    with any_postgres.scratch_database() as database, psycopg.connect(database.owner_url) as connection:
        connection.execute('CREATE ROLE "left Behind"')
        connection.execute('GRANT CREATE ON SCHEMA public TO "left Behind"')
    with psycopg.connect(any_postgres.url) as connection:
        left = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname IN (%s, %s)", (database.owner, "left Behind")
        ).fetchall()
        databases = connection.execute(
            "SELECT datname FROM pg_database WHERE datname = %s", (database.name,)
        ).fetchall()
    assert (left, databases) == ([], [])


def test_a_wrong_password_is_refused(database: ScratchDatabase, postgres: PostgresServer):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url_for(database.owner, "wrong", database.name))


def test_names_and_passwords_of_any_kind_make_urls_that_work(postgres: PostgresServer):
    name, password = 'odd "Name"/ä', "p@ss:w/o rd%"
    with postgres.scratch_database():  # takes the role away
        postgres.create_login(name, password)
        postgres.create_database(name, owner=name)
        with psycopg.connect(postgres.url_for(name, password, name)) as connection:
            assert connection.execute("SELECT current_user, current_database()").fetchone() == (name, name)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute('DROP DATABASE "odd ""Name""/ä"')


def test_a_suspended_server_refuses_and_then_goes_on_with_its_data():
    with EmbeddedPostgres() as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        server.suspend()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(server.url)
        server.resume()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
