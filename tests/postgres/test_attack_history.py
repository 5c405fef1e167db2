"""Attacks on the past: statements, triggers and changes that would have it tell what was not so."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import date, timedelta
from itertools import pairwise
from threading import Thread
from typing import Any

import psycopg
import pytest

from pgcraft_core.compile.policy import allowed_schemas
from pgcraft_core.migrate.errors import MigrationError
from pgcraft_core.migrate.session import Session
from pgcraft_core.plan.model import Plan
from pgcraft_core.spec.dimension import Dimension
from playground.postgres import ScratchDatabase
from tests.corpus.world import API, READER, WRITER, compiled, deploy, dimension, open_session, said, sql, warehouse
from tests.postgres.history_world import PAST

KEY = {"strategy": "Natural", "columns": ["k"]}
VERSIONS = {
    "AppendOnly": "SELECT k, a AS value, valid_from, valid_to FROM geo.t_versions",
    "EAV": "SELECT k, value, valid_from, valid_to FROM geo.t_attribute_history WHERE attribute = 'a'",
}


def text(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "type": "text", **given}


def past(type_: str, *columns: Mapping[str, Any], **spec: Any) -> Dimension:
    """Return the dimension `t` that keeps its past, with the natural key `k`."""
    given: dict[str, Any] = {"primary_key": KEY, "api": {**API, "history": True}}
    return dimension("t", *(columns or (text("k"), text("a"))), type=type_, **given | spec)


def run(database: ScratchDatabase, *statements: str) -> list[Any]:
    """Run statements as the superuser, each in a transaction of its own, and return the rows of the last."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        cursor = None
        for statement in statements:
            cursor = connection.execute(sql(statement))
        return cursor.fetchall() if cursor is not None and cursor.description else []


def values(database: ScratchDatabase, type_: str, key: str = "x") -> list[str]:
    """Return the values of attribute `a` one after the other, having seen that none stands beside another."""
    spans = run(database, f"SELECT * FROM ({VERSIONS[type_]}) AS v WHERE k = '{key}' ORDER BY valid_from, valid_to")
    for (_, earlier, begun, ended), (_, later, since, _) in pairwise(spans):
        assert ended is not None, f"{earlier} still stands, though it begins before {later}"
        assert begun < ended <= since, f"{earlier} stands until {ended}, {later} from {since} on"
    return [value for _, value, _, _ in spans]


def plan(session: Session, *resources: Dimension, **given: Any) -> Plan:
    given.setdefault("database", warehouse(owner=session.owner_role))
    return session.plan(compiled(*resources, server_version=session.server_version, **given))


def apply(session: Session, *resources: Dimension, **given: Any) -> Plan:
    planned = plan(session, *resources, **given)
    for migration in planned.migrations:
        session.apply(migration)
    return planned


def function_in_returning(body: str) -> str:
    return (
        f"CREATE FUNCTION public.nested(key text) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN 1; END $$"
    )


@pytest.mark.parametrize("type_", PAST)
def test_forged_beginning_does_not_outlive_a_nested_update(database: ScratchDatabase, type_: str) -> None:
    """What a statement does to its own new row comes before the row is settled."""
    stamp = {"AppendOnly": "valid_from", "EAV": "created_at"}[type_]
    with open_session(database) as session:
        deploy(session, past(type_))
    run(
        database,
        "INSERT INTO geo.t (k, a) VALUES ('x', '1')",
        "DELETE FROM geo.t",
        function_in_returning("UPDATE geo.t SET a = '3' WHERE k = key"),
        f"INSERT INTO geo.t (k, a, {stamp}) VALUES ('x', '2', '1990-01-01') RETURNING public.nested(k)",
    )
    assert run(database, f"SELECT value FROM ({VERSIONS[type_]}) AS v WHERE valid_from < '2000-01-01'") == []
    assert values(database, type_) == ["1", "2", "3"]


@pytest.mark.parametrize("type_", PAST)
def test_trigger_that_touches_its_new_row_leaves_no_forged_beginning(database: ScratchDatabase, type_: str) -> None:
    stamp = {"AppendOnly": "valid_from", "EAV": "created_at"}[type_]
    with open_session(database) as session:
        deploy(session, past(type_))
    run(
        database,
        "CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE geo.t SET a = a || '!' WHERE k = NEW.k; RETURN NULL; END $$",
        "CREATE TRIGGER a_touch AFTER INSERT ON geo.t FOR EACH ROW EXECUTE FUNCTION public.touch()",
        f"INSERT INTO geo.t (k, a, {stamp}) VALUES ('x', '1', '1990-01-01')",
    )
    assert run(database, f"SELECT value FROM ({VERSIONS[type_]}) AS v WHERE valid_from < '2000-01-01'") == []


@pytest.mark.parametrize(
    "type_",
    [
        "AppendOnly",
        pytest.param(
            "EAV", marks=pytest.mark.xfail(reason="what a nested statement ends is logged first", strict=True)
        ),
    ],
)
def test_nested_update_of_the_same_row_comes_after_the_outer_one(database: ScratchDatabase, type_: str) -> None:
    with open_session(database) as session:
        deploy(session, past(type_))
    run(
        database,
        function_in_returning("UPDATE geo.t SET a = '3' WHERE k = key"),
        "INSERT INTO geo.t (k, a) VALUES ('x', '1')",
        "UPDATE geo.t SET a = '2' RETURNING public.nested(k)",
    )
    assert values(database, type_) == ["1", "2", "3"]


def test_change_by_a_later_trigger_is_recorded(database: ScratchDatabase) -> None:
    """Triggers fire by name: one that sorts after the stamp may change a row that the stamp found unchanged."""
    with open_session(database) as session:
        deploy(session, past("AppendOnly"))
    run(
        database,
        "CREATE FUNCTION public.count() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.a := (OLD.a::integer + 1)::text; RETURN NEW; END $$",
        "CREATE TRIGGER zz_count BEFORE UPDATE ON geo.t FOR EACH ROW EXECUTE FUNCTION public.count()",
        "INSERT INTO geo.t (k, a) VALUES ('x', '1')",
        "UPDATE geo.t SET a = a",
    )
    assert values(database, "AppendOnly") == ["1", "2"]


@pytest.mark.parametrize("type_", PAST)
def test_procedure_that_commits_deletes_when_it_deletes(database: ScratchDatabase, type_: str) -> None:
    """The statement of a procedure is its CALL, which may have begun hours before."""
    with open_session(database) as session:
        deploy(session, past(type_))
    run(
        database,
        "CREATE PROCEDURE public.purge() LANGUAGE plpgsql AS $$ BEGIN "
        "COMMIT; PERFORM pg_advisory_lock(1); DELETE FROM geo.t; END $$",
        "INSERT INTO geo.t (k, a) VALUES ('x', '1')",
    )
    with closing(psycopg.connect(database.url, autocommit=True)) as eye:
        eye.execute("SELECT pg_advisory_lock(1)")
        purge = Thread(target=run, args=(database, "CALL public.purge()"))
        purge.start()
        while not eye.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").rowcount:
            eye.execute("SELECT pg_sleep(0.01)")
        assert eye.execute("SELECT a FROM geo.t").fetchall() == [("1",)]
        seen_at = eye.execute("SELECT clock_timestamp()").fetchall()[0][0]
        eye.execute("SELECT pg_advisory_unlock(1)")
        purge.join()
        query = f"SELECT value FROM ({VERSIONS[type_]}) AS v WHERE valid_from <= %(at)s AND valid_to > %(at)s"
        assert eye.execute(sql(query), {"at": seen_at}).fetchall() == [("1",)]


@pytest.mark.parametrize("type_", PAST)
def test_one_delete_that_sets_a_default_and_then_cascades_keeps_the_order(
    database: ScratchDatabase, type_: str
) -> None:
    """A second row that is set puts the UPDATE's trigger behind the DELETE's."""
    root = dimension("root", text("k"), primary_key=KEY)
    cascading = {"dimension": "root", "onDelete": "Cascade"}
    parents = [dimension(f"p{n}", text("k"), text("r", references=cascading), primary_key=KEY) for n in range(3)]
    defaults: dict[str, Any] = {"default": "'d'"}
    table = past(
        type_,
        text("k"),
        text("a", **defaults, references={"dimension": "p0", "onDelete": "SetDefault"}),
        text("b", references={"dimension": "p1", "onDelete": "Cascade"}),
        text("c", **defaults, references={"dimension": "p2", "onDelete": "SetDefault"}),
    )
    with open_session(database) as session:
        for count in range(4):
            deploy(session, root, *parents[:count])  # foreign keys act in the order they were made in
        deploy(session, root, *parents, table)
    run(
        database,
        "INSERT INTO geo.root VALUES ('gone'), ('kept')",
        *(f"INSERT INTO geo.p{n} (k, r) VALUES ('v', 'gone'), ('d', 'kept')" for n in range(3)),
        "INSERT INTO geo.t (k, a, b, c) VALUES ('x', 'v', 'v', 'd'), ('y', 'd', 'd', 'v')",
        "DELETE FROM geo.root WHERE k = 'gone'",
    )
    assert values(database, type_) == ["v", "d"]


@pytest.mark.parametrize("type_", PAST)
def test_attribute_that_a_statement_and_its_cascade_both_change(database: ScratchDatabase, type_: str) -> None:
    reference = {"dimension": "t", "column": "code", "onUpdate": "Cascade", "deferrable": "InitiallyDeferred"}
    with open_session(database) as session:
        deploy(session, past(type_, text("k"), text("code", unique=True), text("a", references=reference)))
    run(
        database,
        "INSERT INTO geo.t (k, code, a) VALUES ('w', 'a', NULL), ('x', 'b', 'a')",
        "UPDATE geo.t SET code = code || '!', a = CASE WHEN k = 'x' THEN 'b' END",
    )
    assert values(database, type_)[0] == "a"
    assert values(database, type_)[-1] == "b!"


@pytest.mark.xfail(
    raises=AssertionError,
    strict=True,
    reason="a new row is stamped without a look at the past, which would cost every INSERT",
)
@pytest.mark.parametrize("type_", PAST)
def test_life_that_begins_on_a_clock_that_was_set_back_does_not_overlap(database: ScratchDatabase, type_: str) -> None:
    stamp = {"AppendOnly": "valid_from", "EAV": "created_at"}[type_]
    with open_session(database) as session:
        deploy(session, past(type_))
    run(
        database,
        "INSERT INTO geo.t (k, a) VALUES ('x', '1')",
        f"SET session_replication_role = replica; UPDATE geo.t SET {stamp} = clock_timestamp() + interval '1 hour'",
        "RESET session_replication_role",
        "DELETE FROM geo.t",
        "INSERT INTO geo.t (k, a) VALUES ('x', '2')",
    )
    assert values(database, type_) == ["1", "2"]
    assert run(database, f"SELECT {stamp} > clock_timestamp() FROM geo.t") == [(True,)], "a life begins after the last"


@pytest.mark.xfail(
    raises=psycopg.errors.ProgramLimitExceeded,
    strict=True,
    reason="a key of 2,685 to 2,696 bytes leaves no room for `valid_to` beside it; the row goes in, and stays",
)
def test_key_that_fits_the_table_fits_its_past(database: ScratchDatabase) -> None:
    """A row that goes in can be changed and taken out again."""
    with open_session(database) as session:
        deploy(session, past("AppendOnly"))
    long = "(SELECT substr(string_agg(md5(n::text), ''), 1, 2688) FROM generate_series(1, 90) AS n)"
    with suppress(psycopg.errors.ProgramLimitExceeded, psycopg.errors.CheckViolation):
        run(database, f"INSERT INTO geo.t (k, a) VALUES ({long}, 'x')")
    run(database, "UPDATE geo.t SET a = 'y'", "DELETE FROM geo.t")


def test_attribute_of_a_long_name_can_be_taken_out_again(database: ScratchDatabase) -> None:
    with open_session(database) as session:
        deploy(session, past("EAV", open=True))
    long = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 150) AS n)"
    with suppress(psycopg.Error):  # to refuse it is as good
        run(database, f"INSERT INTO geo.t (k, extra) VALUES ('x', jsonb_build_object({long}, 1))")
    run(database, "UPDATE geo.t SET extra = '{}'", "DELETE FROM geo.t")


def test_write_to_a_column_is_not_undone_by_what_extra_still_holds(database: ScratchDatabase) -> None:
    """Between the declaration of an attribute and the move of its values, the column is there to be written."""
    with open_session(database) as session:
        deploy(session, past("EAV", open=True))
        run(database, """INSERT INTO geo.t (k, extra) VALUES ('x', '{"b": 1}')""")
        declare, move = plan(
            session, past("EAV", text("k"), text("a"), {"name": "b", "type": "integer"}, open=True)
        ).migrations
        session.apply(declare)
        assert run(database, "UPDATE geo.t SET b = 5 RETURNING b") == [(5,)]
        with suppress(MigrationError):
            session.apply(move)
    assert run(database, "SELECT b FROM geo.t") == [(5,)]
    query = "SELECT value FROM geo.t_attribute_history WHERE attribute = 'b' ORDER BY valid_from"
    assert run(database, query) == [("1",), ("5",)]


def test_rename_onto_an_undeclared_attribute_loses_neither(database: ScratchDatabase) -> None:
    with open_session(database) as session:
        deploy(session, past("EAV", open=True))
        run(
            database,
            """INSERT INTO geo.t (k, a, extra) VALUES ('x', 'valuable', '{"b": "other"}')""",
        )
        planned = apply(session, past("EAV", text("k"), text("b", renamedFrom="a"), open=True))
    assert "spec.columns[b].renamedFrom: 1 row holds an attribute b in extra that is not declared" in said(planned)
    held = run(database, "SELECT to_jsonb(t) ->> 'a', to_jsonb(t) ->> 'b' FROM geo.t AS t")
    assert "valuable" in held[0], f"the column's value is gone, and nobody was told: {said(planned)!r}"


def test_rename_onto_an_attribute_of_the_past_is_refused_ahead_or_done(database: ScratchDatabase) -> None:
    with open_session(database) as session:
        deploy(session, past("EAV", open=True))
        run(
            database,
            """INSERT INTO geo.t (k, a, extra) VALUES ('x', '1', '{"b": 1}')""",
            "UPDATE geo.t SET a = '2', extra = '{}'",
        )
        planned = apply(session, past("EAV", text("k"), text("b", renamedFrom="a"), open=True))
        assert "geo.t_attribute_log holds 1 value that another attribute b had" in said(planned)
        # A closed one looks as closely: it may have been open before.
        deploy(session, past("EAV"))
        planned = plan(session, past("EAV", text("k"), text("b", renamedFrom="a")))
        assert "geo.t_attribute_log holds 1 value that another attribute b had" in said(planned)
        deploy(session, past("EAV", text("k"), text("c", renamedFrom="a")))


def test_value_that_came_after_the_plan_can_be_put_right(database: ScratchDatabase) -> None:
    with open_session(database) as session:
        deploy(session, past("EAV", open=True))
        run(database, """INSERT INTO geo.t (k, extra) VALUES ('x', '{"b": 1}')""")
        planned = plan(session, past("EAV", text("k"), text("a"), {"name": "b", "type": "integer"}, open=True))
        run(database, """INSERT INTO geo.t (k, extra) VALUES ('y', '{"b": "many"}')""")
        for migration in planned.migrations:
            with suppress(MigrationError):
                session.apply(migration)
    run(database, "UPDATE geo.t SET extra = extra - 'b' WHERE k = 'y'")


def test_attributes_move_where_the_key_is_of_a_domain_that_is_never_null(database: ScratchDatabase) -> None:
    run(database, "CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO PUBLIC; CREATE DOMAIN s.code AS text NOT NULL")
    key = {"name": "k", "type": "s.code"}
    with open_session(database) as session:
        deploy(session, past("EAV", key, text("a"), open=True))
        run(database, """INSERT INTO geo.t (k, extra) VALUES ('x', '{"b": "1"}')""")
        apply(session, past("EAV", key, text("a"), text("b"), open=True))
    assert run(database, "SELECT b FROM geo.t") == [("1",)]


@pytest.mark.parametrize(
    ("type_", "value"),
    [("numeric(4,1)", "3.14159"), ("date", "2024-01-01 10:00"), ("timestamp(0)", "2024-01-01 10:00:00.7")],
)
def test_string_that_a_type_shortens_is_no_move_without_loss(database: ScratchDatabase, type_: str, value: str) -> None:
    """Numbers are looked at for that already; strings lose as much."""
    with open_session(database) as session:
        deploy(session, past("EAV", open=True))
        run(database, f"""INSERT INTO geo.t (k, extra) VALUES ('x', '{{"b": "{value}"}}')""")
        apply(session, past("EAV", text("k"), text("a"), {"name": "b", "type": type_}, open=True))
    query = "SELECT value FROM geo.t_attribute_history WHERE attribute = 'b' ORDER BY valid_from"
    assert run(database, query)[0] == (value,)


def test_retention_is_refused_where_it_would_date_what_stands_back_to_its_rows_beginning() -> None:
    """The log of an EAV dimension says since when the values that stand do."""
    (unit,) = compiled(past("EAV", history={"partitionBy": "Month", "retain": "P1M"}))
    assert [finding.path for finding in unit.diagnostics] == ["spec.history.retain"]


def test_months_do_not_expire_by_a_clock_that_is_ahead_of_the_servers(database: ScratchDatabase) -> None:
    table = past("AppendOnly", history={"partitionBy": "Month", "retain": "P1Y"})
    with open_session(database) as session:
        deploy(session, table)
        run(database, "INSERT INTO geo.t (k, a) VALUES ('x', '1')", "UPDATE geo.t SET a = '2'")
        apply(session, table, today=date.today() + timedelta(days=800))
    assert values(database, "AppendOnly") == ["1", "2"]


@pytest.mark.parametrize("name", ["v", "o", "n", "old_row", "entity", "ended", "{name}", "it's"])
@pytest.mark.parametrize("type_", PAST)
def test_columns_may_be_called_like_what_our_sql_calls_its_rows(
    database: ScratchDatabase, type_: str, name: str
) -> None:
    with open_session(database) as session:
        deploy(session, past(type_, text("k"), text("a"), text(name)))
    run(
        database,
        "INSERT INTO geo.t (k, a) VALUES ('x', '1')",
        "UPDATE geo.t SET a = '2'",
        "DELETE FROM geo.t",
    )
    assert values(database, type_) == ["1", "2"]
    if type_ == "AppendOnly":
        assert run(database, "SELECT old_value, new_value FROM geo.t_diff('x') WHERE operation = 'UPDATE'") == [
            ("1", "2")
        ]


def test_attributes_of_several_collations_stand_in_one_view(database: ScratchDatabase) -> None:
    run(database, 'CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO PUBLIC; CREATE DOMAIN s.c AS text COLLATE "POSIX"')
    with open_session(database) as session:
        deploy(session, past("EAV", text("k"), {"name": "a", "type": "name"}, {"name": "b", "type": "s.c"}))


def test_attribute_no_longer_declared_leaves_the_api_with_its_past(database: ScratchDatabase) -> None:
    with open_session(database) as session:
        deploy(session, past("EAV", text("k"), text("a"), text("secret")))
        run(database, "INSERT INTO geo.t (k, secret) VALUES ('x', 's1')", "UPDATE geo.t SET secret = 's2'")
        deploy(session, past("EAV"))
    assert run(database, "SELECT value FROM api.t_attribute_history WHERE attribute = 'secret'") == []


def test_planted_operator_does_not_run_for_who_reads_the_past(database: ScratchDatabase) -> None:
    """`character varying` has no equality of its own, so a better one on the reader's path would be taken."""
    with open_session(database) as session:
        deploy(session, past("AppendOnly", {"name": "k", "type": "varchar(4)"}, text("a")))
    found = run(
        database,
        "CREATE SCHEMA evil",
        "CREATE FUNCTION evil.eq(varchar, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "CREATE OPERATOR evil.= (leftarg = varchar, rightarg = varchar, function = evil.eq)",
        "INSERT INTO geo.t (k, a) VALUES ('x', '1')",
        "SET search_path = evil",
        "SELECT new_value FROM geo.t_diff('none')",
    )
    assert found == []


def test_cast_of_an_authors_type_does_not_run_as_the_owner(database: ScratchDatabase) -> None:
    """Who owns a type may say how it becomes text: that is code, and our functions convert values as the owner role."""
    given = {"namespace": "team-geo", "schemas": ["geo", "api", "team"], "roles": [READER, WRITER]}
    run(
        database,
        "CREATE SCHEMA team; GRANT USAGE ON SCHEMA team TO PUBLIC",
        "CREATE TYPE team.mood AS (name text)",
        "CREATE FUNCTION team.show(team.mood) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT current_user::text'",
        "CREATE CAST (team.mood AS text) WITH FUNCTION team.show(team.mood)",
    )
    columns = (text("k"), {"name": "a", "type": "team.mood"})
    owner = f"{database.name}_owner"
    allowed = warehouse(owner=owner, allowedNamespaces=[given])
    with open_session(
        database, allowed_schemas=lambda claimant: allowed_schemas(claimant.namespace, allowed)
    ) as session:
        apply(session, past("EAV", *columns, namespace="team-geo"), database=allowed)
    with suppress(psycopg.errors.UndefinedTable):  # to refuse the type is as good
        run(database, "INSERT INTO geo.t (k, a) VALUES ('x', ROW('1'))", "UPDATE geo.t SET a = ROW('2')")
        assert run(database, f"SELECT value FROM geo.t_attribute_log WHERE value = '{owner}'") == []


NAMES_THAT_ARE_CODE = ("\\'/*", "*/ END --*/ THEN (SELECT current_user::text) --")
"""Where a backslash escapes, the first ends its constant and begins a comment, and the second goes on from there."""


def test_name_of_a_column_is_no_code_where_a_backslash_escapes(database: ScratchDatabase) -> None:
    """Anybody may switch `standard_conforming_strings` off, and bodies are parsed in the session that runs them."""
    first, _ = NAMES_THAT_ARE_CODE
    with open_session(database) as session:
        deploy(session, past("EAV", text("k"), *map(text, NAMES_THAT_ARE_CODE)))
    found = run(
        database,
        f"""INSERT INTO geo.t (k, "{first}") VALUES ('x', '1')""",
        "SET standard_conforming_strings = off",
        "SET escape_string_warning = off",
        f"""UPDATE geo.t SET "{first}" = '2'""",
        "SELECT attribute, value FROM geo.t_attribute_log",
    )
    assert found == [(first, "1")]


@pytest.mark.parametrize("type_", PAST)
def test_name_with_a_backslash_is_itself_in_every_session(database: ScratchDatabase, type_: str) -> None:
    with open_session(database) as session:
        deploy(session, past(type_, text("k"), text(r"a\b")))
    query = {
        "AppendOnly": """SELECT "column" FROM geo.t_diff('x') WHERE operation = 'UPDATE'""",
        "EAV": "SELECT attribute FROM geo.t_attribute_log",
    }[type_]
    found = run(
        database,
        r"""INSERT INTO geo.t (k, "a\b") VALUES ('x', '1')""",
        "SET standard_conforming_strings = off",
        "SET escape_string_warning = off",
        r"""UPDATE geo.t SET "a\b" = '2'""",
        query,
    )
    assert found == [(r"a\b",)]


@pytest.mark.parametrize("type_", PAST)
def test_key_can_get_a_further_column_that_has_a_default(database: ScratchDatabase, type_: str) -> None:
    further = {"name": "j", "type": "integer", "default": "0", "nullable": False}
    with open_session(database) as session:
        deploy(session, past(type_))
        run(database, "INSERT INTO geo.t (k, a) VALUES ('x', '1')", "UPDATE geo.t SET a = '2'")
        wider = {"strategy": "Natural", "columns": ["k", "j"]}
        planned = plan(session, past(type_, text("k"), further, text("a"), primary_key=wider))
    assert "spec.primaryKey: " in said(planned)
    assert "keeps the past by k, and the key of a row with a past never changes: make a new dimension" in said(planned)
    assert not planned.migrations


def test_insert_returns_the_stamp_that_stays(database: ScratchDatabase) -> None:
    with open_session(database) as session:
        deploy(session, past("AppendOnly"))
    for relation in ("geo.t", "api.t"):
        returned = run(database, f"INSERT INTO {relation} (k) VALUES ('{relation}') RETURNING valid_from, changed_by")
        assert returned == run(database, f"SELECT valid_from, changed_by FROM geo.t WHERE k = '{relation}'")
