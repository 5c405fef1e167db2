import psycopg
import pytest
from psycopg import sql

from pgcraft_operator.postgrest.scram import make_verifier
from playground.postgres import PostgresServer


@pytest.mark.parametrize("password", ["kV3-_2s9Zq0aTw", "p%40ss word:/?#", "x" * 200])
def test_postgres_takes_the_verifier_and_lets_its_password_in(any_postgres: PostgresServer, password: str) -> None:
    verifier = make_verifier(password)
    with any_postgres.scratch_database() as database:
        role = f"{database.name}_login"
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
            )
            stored = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role]).fetchone()
        assert stored == (verifier,), "Postgres hashed the verifier as if it were a password"

        with psycopg.connect(any_postgres.url_for(role, password, database.name)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(any_postgres.url_for(role, password + "x", database.name))
