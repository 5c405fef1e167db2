"""Applying under the conditions of production: other writers, locks, kills, stale plans, few privileges."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic.migration import MigrationContext

from pgcraft_core.migrate.errors import (
    AnotherWriterError,
    InsufficientPrivilegeError,
    LockTimeoutError,
    MigrationCancelledError,
    MigrationError,
    RegistryConflictError,
    StatementFailedError,
)
from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.model import PlannedMigration
from playground.postgres import PostgresServer, ScratchDatabase
from tests.corpus.world import (
    API,
    FINGERPRINTS,
    VERIFIER,
    compiled,
    deploy,
    dimension,
    login_of,
    open_session,
    postgrest,
    said,
    settings,
    sql,
)

CODE = {"name": "code", "type": "varchar(8)", "nullable": False}
SIZE = {"name": "size", "type": "integer"}


def things(*columns: dict[str, Any], **spec: Any) -> Any:
    return dimension("things", *columns, **spec)


def only_migration(session: Session, *resources: Any, **given: Any) -> PlannedMigration:
    plan = session.plan(compiled(*resources, server_version=session.server_version, **given))
    assert not plan.diagnostics, said(plan)
    (migration,) = plan.migrations
    return migration


def head(eye: psycopg.Connection[Any]) -> Any:
    row = eye.execute("SELECT version_num FROM pgcraft.alembic_version").fetchone()
    return row[0] if row else None


def test_bad_group_fails_the_batch_and_alone_when_split(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, things(CODE, SIZE))
        eye.execute("INSERT INTO geo.things (code, size) VALUES ('a', 1), ('a', 2)")
        before = head(eye)
        batch = only_migration(session, things({**CODE, "unique": True}, SIZE), dimension("others", CODE))
        with pytest.raises(StatementFailedError, match="23505") as caught:
            session.apply(batch)
        assert caught.value.sqlstate == "23505"
        assert "(a)" not in str(caught.value), "rows are not quoted in messages"
        assert head(eye) == before
        outcomes = []
        for group in batch.split():
            try:
                outcomes.append(session.apply(group).revision)
            except StatementFailedError as error:
                outcomes.append(error.sqlstate)
        assert outcomes[0] == "23505"
        assert head(eye) == outcomes[1]
        eye.execute("DELETE FROM geo.things WHERE size = 2")
        deploy(session, things({**CODE, "unique": True}, SIZE), dimension("others", CODE))


def test_two_sessions_do_not_write_at_once(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, things(CODE))
        migration = only_migration(session, things(CODE, SIZE))
        with (
            locked(any_database, "geo.things"),
            Session(settings(any_database, actor="the other one", lock_timeout_ms=30_000)) as other,
        ):
            running = threading.Thread(target=_apply_until_cancelled, args=[other, migration])
            running.start()
            _await(
                eye,
                "SELECT FROM pg_stat_activity WHERE application_name = 'the other one' AND wait_event_type = 'Lock'",
            )
            with pytest.raises(AnotherWriterError, match="the other one"):
                session.apply(migration)
            other.cancel()
            running.join(20)
        session.apply(migration)
        assert session.plan(compiled(things(CODE, SIZE), server_version=session.server_version)).is_empty


def test_session_is_not_idle_in_a_transaction_between_calls(database: ScratchDatabase) -> None:
    with open_session(database, actor="idler") as session, psycopg.connect(database.url, autocommit=True) as eye:
        state = "SELECT state FROM pg_stat_activity WHERE application_name = 'idler'"
        assert eye.execute(sql(state)).fetchall() == [("idle",)]
        deploy(session, things(CODE))
        assert eye.execute(sql(state)).fetchall() == [("idle",)]


def test_lock_timeout_is_retried_until_the_table_is_free(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, things(CODE))
        migration = only_migration(session, things(CODE, SIZE), dimension("others", CODE))
        with locked(any_database, "geo.things"):
            done: list[Any] = []
            running = threading.Thread(target=lambda: done.append(session.apply(migration)))
            running.start()
            _await(eye, "SELECT FROM pg_locks WHERE NOT granted AND relation = 'geo.things'::regclass")
            # Whoever gave up left nothing behind; and it does not hold the queue of others for longer than its timeout.
            assert eye.execute("SELECT to_regclass('geo.others')").fetchone() == (None,)
        running.join(20)
        assert head(eye) == done[0].revision
        assert session.plan(
            compiled(things(CODE, SIZE), dimension("others", CODE), server_version=session.server_version)
        ).is_empty


def test_lock_that_is_never_released_ends_in_an_error_with_nothing_changed(
    database: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgcraft_core.migrate.execute.LOCK_ATTEMPTS", 2)
    with open_session(database, lock_timeout_ms=20) as session, psycopg.connect(database.url, autocommit=True) as eye:
        deploy(session, things(CODE))
        before = head(eye)
        migration = only_migration(session, things(CODE, SIZE))
        with locked(database, "geo.things"), pytest.raises(LockTimeoutError, match="gave up after 2 attempts"):
            session.apply(migration)
        assert head(eye) == before


def test_stale_plan_is_refused(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, open_session(any_database) as other:
        stale = only_migration(session, things(CODE, SIZE))
        deploy(other, things(CODE))
        with pytest.raises(RegistryConflictError, match="plan again"):
            session.apply(stale)
        stale = only_migration(session, things(CODE, SIZE))
        deploy(other, things(CODE, comment="meanwhile"))
        with pytest.raises(RegistryConflictError, match=r"table geo\.things was changed"):
            session.apply(stale)
        deploy(session, things(CODE, SIZE))


def test_cancel_from_another_thread_ends_the_running_statement(any_database: ScratchDatabase) -> None:
    with (
        open_session(any_database, lock_timeout_ms=60_000) as session,
        psycopg.connect(any_database.url, autocommit=True) as eye,
    ):
        deploy(session, things(CODE))
        before = head(eye)
        migration = only_migration(session, things(CODE, SIZE))
        errors: list[BaseException] = []

        def apply() -> None:
            try:
                session.apply(migration)
            except MigrationError as error:
                errors.append(error)

        with locked(any_database, "geo.things"):
            running = threading.Thread(target=apply)
            running.start()
            _await(eye, "SELECT FROM pg_locks WHERE NOT granted AND relation = 'geo.things'::regclass")
            session.cancel()
            running.join(20)
        assert [type(error) for error in errors] == [MigrationCancelledError]
        assert head(eye) == before
        assert eye.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchall() == []


def test_killed_process_leaves_nothing_and_the_next_run_converges(any_database: ScratchDatabase) -> None:
    with psycopg.connect(any_database.url, autocommit=True) as eye:
        with open_session(any_database) as session:
            deploy(session, things(CODE))
        before = head(eye)
        with locked(any_database, "geo.things"):
            process = multiprocessing.get_context("spawn").Process(target=_apply_for_ever, args=[any_database])
            process.start()
            _await(eye, "SELECT FROM pg_locks WHERE NOT granted AND relation = 'geo.things'::regclass")
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join(20)
            # The server notices that its client is gone (client_connection_check_interval), though it waits for a lock.
            _await(eye, "SELECT WHERE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory')")
        assert head(eye) == before
        assert eye.execute("SELECT to_regclass('geo.first')").fetchone() == (None,)
        with open_session(any_database) as session:
            deploy(session, dimension("first", CODE), things(CODE, SIZE))


def _apply_until_cancelled(session: Session, migration: PlannedMigration) -> None:
    with contextlib.suppress(MigrationCancelledError):
        session.apply(migration)


def _apply_for_ever(database: ScratchDatabase) -> None:
    with Session(settings(database, lock_timeout_ms=600_000)) as session:
        units = compiled(dimension("first", CODE), things(CODE, SIZE), server_version=session.server_version)
        session.apply(session.plan(units).migrations[0])


def test_alembic_finds_the_head_where_it_looks_for_it(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session:
        deploy(session, things(CODE))
        (last,) = deploy(session, things(CODE, SIZE))
    engine = sqlalchemy.create_engine(any_database.owner_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f'SET ROLE "{any_database.name}_owner"'))
        found = MigrationContext.configure(connection, opts={"version_table_schema": "pgcraft"})
        assert found.get_current_revision() == last.revision
    engine.dispose()


def test_password_verifier_is_kept_nowhere(any_database: ScratchDatabase) -> None:
    api = postgrest(anonymousRole={"name": "warehouse_anon"}, authenticator={"name": "warehouse_authenticator"})
    given = login_of(api)
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        migration = only_migration(session, api, **given)
        with pytest.raises(MigrationError, match="was not handed over"):
            session.apply(migration)
        deploy(session, api, **given)
        row = eye.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'warehouse_authenticator'").fetchone()
        assert row == (VERIFIER,)
        for table in ("revisions", "objects", "alembic_version"):
            for (text,) in eye.execute(sql(f"SELECT t::text FROM pgcraft.{table} AS t")).fetchall():
                assert "SCRAM" not in text
        assert "SCRAM" not in migration.sql
        # Renewed only when it changed.
        assert session.plan(compiled(api, server_version=session.server_version, **given)).is_empty
        renewed = only_migration(session, api, **login_of(api, FINGERPRINTS[1]))
        assert [step.name for step in renewed.operations] == ["SetRolePassword"]


def test_password_verifier_is_in_no_error(database: ScratchDatabase) -> None:
    api = postgrest(authenticator={"name": "warehouse_authenticator"})
    given = login_of(api)
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as eye:
        deploy(session, api, **given)
        migration = only_migration(session, api, **login_of(api, FINGERPRINTS[1]))
        eye.execute(sql(f'ALTER ROLE "{database.owner}" NOCREATEROLE'))
        with pytest.raises(InsufficientPrivilegeError) as caught:
            session.apply(migration, dict.fromkeys(FINGERPRINTS, VERIFIER))
        assert "SCRAM" not in str(caught.value)
        assert "SCRAM" not in str(caught.value.__cause__)


@pytest.mark.parametrize("lack", ['ALTER ROLE "{0}" NOCREATEROLE', 'ALTER DATABASE "{0}" OWNER TO postgres'])
def test_login_that_may_not_prepare_is_told_all_that_helps(any_postgres: PostgresServer, lack: str) -> None:
    with any_postgres.scratch_database() as database, psycopg.connect(database.url, autocommit=True) as admin:
        admin.execute(sql(lack.format(database.name)))
        with open_session(database) as session:
            migration = only_migration(session, things(CODE))
            with pytest.raises(InsufficientPrivilegeError) as refusal:
                session.apply(migration)
            admin.execute(sql(str(refusal.value).partition("have an administrator run: ")[2]))
            deploy(session, things(CODE))


def test_schema_of_somebody_else_holds_back_only_what_is_to_be_in_it(any_postgres: PostgresServer) -> None:
    with any_postgres.scratch_database() as database, psycopg.connect(database.url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA theirs")
        wanted = [things(CODE), dimension("others", CODE, schema="theirs")]
        with open_session(database) as session:
            batch = only_migration(session, *wanted)
            failed = []
            for group in batch.split():
                try:
                    session.apply(group)
                except InsufficientPrivilegeError as error:
                    failed.append(str(error))
            assert "GRANT USAGE, CREATE ON SCHEMA theirs" in failed[0]
            assert admin.execute("SELECT to_regclass('geo.things')").fetchone() != (None,)
            admin.execute(sql(f'GRANT USAGE, CREATE ON SCHEMA theirs TO "{database.name}_owner"'))
            deploy(session, *wanted)


def test_public_schema_works_though_nobody_may_write_there_by_default(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as eye:
        deploy(session, things(CODE, schema="public", api=API))
        eye.execute("SET ROLE writer")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            eye.execute("SELECT FROM public.things")


def test_two_databases_of_one_server_leave_each_other_alone(any_postgres: PostgresServer) -> None:
    def api(prefix: str) -> Any:
        return postgrest(
            anonymousRole={"name": f"{prefix}_anon"},
            roles=[{"name": "shared"}],
            authenticator={"name": f"{prefix}_login"},
        )

    with (
        any_postgres.scratch_database() as one,
        any_postgres.scratch_database() as two,
        open_session(one, owner_id="one") as first,
        open_session(two, owner_id="two") as second,
        psycopg.connect(one.url, autocommit=True) as eye,
    ):
        deploy(first, api("one"), things(CODE))
        before = _roles(eye)
        plan = second.plan(compiled(api("two"), things(CODE), server_version=second.server_version))
        assert "role shared exists already and was not made by pgcraft" in said(plan)
        apart = postgrest(
            anonymousRole={"name": "two_anon"},
            roles=[{"name": "shared", "create": False}],
            authenticator={"name": "two_login"},
        )
        with psycopg.connect(one.url, autocommit=True) as admin:
            admin.execute(sql(f'GRANT shared TO "{two.owner}" WITH ADMIN OPTION'))
        deploy(second, apart, things(CODE))
        after = _roles(eye)
        theirs = {"shared", two.owner}
        assert {name: role for name, role in after.items() if name in before and name not in theirs} == {
            name: role for name, role in before.items() if name not in theirs
        }
        deploy(first, things(CODE))
        assert "one_login" not in _roles(eye)
        assert {"two_login", "two_anon", "shared", "one_anon"} <= set(_roles(eye))


def test_observed_and_waiting_migrations_are_not_applied(database: ScratchDatabase) -> None:
    with open_session(database, apply=False) as session, psycopg.connect(database.url, autocommit=True) as eye:
        with pytest.raises(MigrationError, match="only observed"):
            session.apply(only_migration(session, things(CODE)))
        assert eye.execute("SELECT to_regnamespace('pgcraft'), to_regnamespace('geo')").fetchone() == (None, None)
    with open_session(database, approval="Always") as session:
        (waiting,) = session.plan(compiled(things(CODE), server_version=session.server_version)).waiting[1:]
        with pytest.raises(MigrationError, match="waits for approval"):
            session.apply(waiting)


def _roles(eye: psycopg.Connection[Any]) -> dict[str, tuple[Any, ...]]:
    rows = eye.execute(
        """
        SELECT rolname, rolcanlogin, rolinherit, shobj_description(oid, 'pg_authid'),
               array(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid ORDER BY 1)
        FROM pg_roles r
        """
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


@contextmanager
def locked(database: ScratchDatabase, table: str) -> Generator[None]:
    """Hold a lock on a table that lets nobody else even read it, until the block ends."""
    with psycopg.connect(database.url) as holder:
        holder.execute(sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield
        holder.rollback()


def _await(eye: psycopg.Connection[Any], query: str) -> None:
    """Return once the query gives a row, as seen by the server itself; fail after 20 seconds."""
    eye.execute(
        sql(f"""
        DO $$ BEGIN
          FOR i IN 1..2000 LOOP
            PERFORM pg_stat_clear_snapshot();
            IF EXISTS ({query}) THEN RETURN; END IF;
            PERFORM pg_sleep(0.01);
          END LOOP;
          RAISE 'it did not happen within 20 s';
        END $$
        """)
    )
