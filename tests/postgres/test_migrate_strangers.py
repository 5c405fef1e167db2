"""What pgcraft did not make it leaves untouched, and names it where it stands in the way."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgcraft_core.migrate.errors import InsufficientPrivilegeError, StatementFailedError, VerificationError
from playground.postgres import ScratchDatabase
from tests.corpus.world import API, compiled, deploy, dimension, open_session, said, sql

CODE = {"name": "code", "type": "varchar(8)", "nullable": False}
SIZE = {"name": "size", "type": "integer"}


def things(*columns: dict[str, Any], **spec: Any) -> Any:
    return dimension("things", *columns, api=API, **spec)


def test_unmanaged_objects_stay_through_a_rebuild_and_are_reported(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as stranger:
        deploy(session, things(CODE, SIZE))
        stranger.execute(
            """
            CREATE TABLE geo.theirs (thing bigint REFERENCES geo.things);
            CREATE INDEX theirs_by_size ON geo.things (size);
            CREATE VIEW geo.their_view AS SELECT id, size FROM geo.things;
            GRANT SELECT ON geo.things TO reader;
            """
        )
        plan = session.plan(compiled(things(CODE, SIZE), server_version=session.server_version))
        assert plan.is_empty
        (drift,) = plan.drift.values()
        assert set(drift) == {
            "table geo.things: index theirs_by_size was added",
            "table geo.things: role reader has SELECT",
        }
        for migration in session.plan(compiled(things(SIZE), server_version=session.server_version)).migrations:
            session.apply(migration)
        left = stranger.execute(
            """
            SELECT to_regclass('geo.theirs_by_size'), to_regclass('geo.their_view'), to_regclass('geo.theirs'),
                   has_table_privilege('reader', 'geo.things', 'select')
            """
        ).fetchone()
        assert left is not None
        assert all(left)


@pytest.mark.parametrize("after", ["a column goes", "the API goes", "the dimension goes"])
def test_view_on_our_view_is_named_and_holds_back_only_its_dimension(any_database: ScratchDatabase, after: str) -> None:
    other = dimension("others", CODE, api=API)
    grown = dimension("others", CODE, SIZE, api=API)
    rest = {
        "a column goes": [things(SIZE)],
        "the API goes": [dimension("things", CODE, SIZE)],
        "the dimension goes": [],
    }[after]
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as stranger:
        deploy(session, things(CODE, SIZE), other)
        stranger.execute('CREATE VIEW public."Their Report" AS SELECT code FROM api.things')
        plan = session.plan(compiled(*rest, grown, server_version=session.server_version))
        ((claimant, (finding,)),) = plan.diagnostics.items()
        assert (claimant.name, finding.path, finding.reason) == ("things", "spec.api", "Conflict")
        assert "public.Their Report stands on it" in finding.message
        assert {claimant.name for migration in plan.migrations for claimant in migration.claimants} == {"others"}
        for migration in plan.migrations:
            session.apply(migration)
        assert stranger.execute('SELECT FROM public."Their Report"').fetchall() == []

        stranger.execute('DROP VIEW public."Their Report"')
        deploy(session, *rest, grown)


def test_view_on_our_table_is_named_when_a_type_changes(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as stranger:
        deploy(session, things(CODE, SIZE))
        stranger.execute("CREATE VIEW public.report AS SELECT size FROM geo.things")
        units = compiled(things(CODE, {**SIZE, "type": "bigint"}), server_version=session.server_version)
        (migration,) = session.plan(units).migrations
        with pytest.raises(StatementFailedError, match=r"view report depends on column \"size\"|public\.report"):
            session.apply(migration)
        assert stranger.execute("SELECT FROM api.things").fetchall() == []
        # One that reads other columns is not in the way.
        deploy(session, things({**CODE, "type": "text"}, SIZE))


def test_referenced_unique_is_not_taken_from_under_a_foreign_key(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as stranger:
        deploy(session, things({**CODE, "unique": True}))
        stranger.execute("CREATE TABLE public.theirs (thing varchar(8) REFERENCES geo.things (code))")
        (migration,) = session.plan(compiled(things(CODE), server_version=session.server_version)).migrations
        with pytest.raises(StatementFailedError, match=r"constraint theirs_thing_fkey on table .*theirs depends on"):
            session.apply(migration)


def test_existing_table_and_view_are_conflicts(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as stranger:
        stranger.execute(
            "CREATE SCHEMA geo; CREATE TABLE geo.things (a int); CREATE SCHEMA api; CREATE VIEW api.others AS SELECT 1"
        )
        units = compiled(
            things(CODE),
            dimension("others", CODE, api=API),
            dimension("free", CODE),
            server_version=session.server_version,
        )
        plan = session.plan(units)
        untouched = "exists already and was not made by pgcraft, which leaves it untouched; choose another name"
        assert said(plan).splitlines() == [
            f"Dimension platform/things: spec.table: table geo.things {untouched}",
            f"Dimension platform/others: spec.api: view api.others {untouched}",
        ]


@pytest.mark.parametrize(
    ("by_hand", "said_of_it"),
    [
        ("ALTER TABLE geo.things ADD extra int", "table geo.things: column extra was added"),
        ("ALTER TABLE geo.things ALTER size TYPE bigint USING size", "view api.things: it is gone"),
        ("ALTER TABLE geo.things ALTER size SET DEFAULT 7", "table geo.things: column size: default 7 was added"),
        ("ALTER TABLE geo.things DROP CONSTRAINT things_sane", "table geo.things: constraint things_sane is gone"),
        ("DROP INDEX geo.things_by_size", "table geo.things: index things_by_size is gone"),
        ("COMMENT ON TABLE geo.things IS 'mine'", "table geo.things: comment mine was added"),
        ("REVOKE SELECT ON api.things FROM reader", "view api.things: role reader lacks SELECT"),
        ("GRANT DELETE ON api.things TO reader", "view api.things: role reader has DELETE"),
        (
            "ALTER VIEW api.things SET (security_invoker = true)",
            "view api.things: options security_invoker=false became security_invoker=true",
        ),
        ("DROP VIEW api.things", "view api.things: it is gone"),
        ("DROP TABLE geo.things CASCADE", "table geo.things: it is gone"),
    ],
)
def test_drift_is_said_and_not_repaired(any_database: ScratchDatabase, by_hand: str, said_of_it: str) -> None:
    resource = things(
        CODE,
        SIZE,
        checks=[{"name": "sane", "expression": "size > 0"}],
        indexes=[{"name": "by_size", "columns": ["size"]}],
    )
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as hand:
        deploy(session, resource)
        if "TYPE" in by_hand:
            hand.execute("DROP VIEW api.things")
        hand.execute(sql(by_hand))
        plan = session.plan(compiled(resource, server_version=session.server_version))
        assert plan.is_empty
        assert said_of_it in [sentence for found in plan.drift.values() for sentence in found]


def test_view_dropped_by_hand_is_made_anew_with_the_next_change(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as hand:
        deploy(session, things(CODE))
        hand.execute("DROP VIEW api.things")
        for migration in session.plan(compiled(things(CODE, SIZE), server_version=session.server_version)).migrations:
            session.apply(migration)
        deploy(session, things(CODE, SIZE))
        may = "SELECT has_column_privilege('reader', 'api.things', 'size', 'select')"
        assert hand.execute(sql(may)).fetchone() == (True,)


def test_default_privileges_that_would_open_a_new_view_stop_it(any_database: ScratchDatabase) -> None:
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as admin:
        deploy(session, things(CODE))
        owner = f"{any_database.name}_owner"
        admin.execute(
            sql(f'ALTER DEFAULT PRIVILEGES FOR ROLE "{owner}" IN SCHEMA api GRANT SELECT ON TABLES TO PUBLIC')
        )
        units = compiled(things(CODE), dimension("others", CODE, api=API), server_version=session.server_version)
        (migration,) = session.plan(units).migrations
        with pytest.raises(VerificationError, match=r"PUBLIC would have SELECT on api\.others") as caught:
            session.apply(migration)
        admin.execute(sql(str(caught.value).partition("Run: ")[2]))
        session.apply(migration)


def test_expressions_need_temporary_tables_and_say_so(any_database: ScratchDatabase) -> None:
    checked = [{"name": "sane", "expression": "size > 0"}]
    with open_session(any_database) as session, psycopg.connect(any_database.url, autocommit=True) as admin:
        deploy(session, things(CODE, SIZE))
        admin.execute(sql(f'REVOKE TEMPORARY ON DATABASE "{any_database.name}" FROM PUBLIC'))
        with pytest.raises(InsufficientPrivilegeError, match="TEMPORARY") as caught:
            session.plan(compiled(things(CODE, SIZE, checks=checked), server_version=session.server_version))
        admin.execute(sql(str(caught.value).partition("have an administrator run: ")[2]))
        deploy(session, things(CODE, SIZE, checks=checked))


def test_view_that_somebody_dropped_can_be_withdrawn(database: ScratchDatabase) -> None:
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as stranger:
        deploy(session, dimension("things", CODE, api=API))
        stranger.execute("DROP VIEW api.things")
        deploy(session, dimension("things", CODE))
        assert "view api.things" not in {str(item) for held in session.plan([]).applied.values() for item in held}


def test_retained_column_that_somebody_dropped_is_forgotten(database: ScratchDatabase) -> None:
    note = {"name": "note", "type": "text", "check": "note <> ''"}
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as stranger:
        deploy(session, dimension("things", CODE, note))
        deploy(session, dimension("things", CODE))
        assert session.plan(compiled(dimension("things", CODE))).waiting
        stranger.execute("ALTER TABLE geo.things DROP COLUMN note")
        deploy(session, dimension("things", CODE))
        assert session.plan(compiled(dimension("things", CODE))).is_empty
        deploy(session, dimension("things", CODE, note))


def test_new_column_that_no_row_could_fill_is_refused_with_its_path(database: ScratchDatabase) -> None:
    needy = {"name": "needy", "type": "text", "nullable": False}
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as writer:
        deploy(session, dimension("things", CODE))
        writer.execute("INSERT INTO geo.things (code) VALUES ('a')")
        plan = session.plan(compiled(dimension("things", CODE, needy)))
        assert "spec.columns[needy].nullable: the table has a row and nothing to put into the new column" in said(plan)
        assert not plan.migrations
        deploy(session, dimension("things", CODE, needy | {"default": "''"}))


def test_names_that_would_be_taken_twice_are_refused_before_anything_runs(database: ScratchDatabase) -> None:
    first = dimension("orders", CODE, indexes=[{"name": "items", "columns": ["code"]}])
    second = dimension("z-items", CODE, table="orders_items")
    shown = dimension("z-shown", CODE, api={"schema": "geo", "name": "hidden"})
    with open_session(database) as session, psycopg.connect(database.url, autocommit=True) as stranger:
        plan = session.plan(compiled(first, second, shown, dimension("hidden", CODE)))
        assert "table geo.orders_items would have the name of the index of Dimension" in said(plan)
        assert "view geo.hidden would have the name of the table of Dimension" in said(plan)
        deploy(session, first)
        stranger.execute("CREATE INDEX orders_by_code ON geo.orders (code)")
        clashing = dimension("orders", CODE, indexes=[*first_indexes(first), {"name": "by_code", "columns": ["code"]}])
        assert "index geo.orders_by_code would have the name of a relation" in said(session.plan(compiled(clashing)))


def first_indexes(resource: Any) -> list[dict[str, Any]]:
    return [{"name": index.name, "columns": list(index.columns)} for index in resource.spec.indexes]
