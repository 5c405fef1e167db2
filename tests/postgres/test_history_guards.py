"""The past cannot be written, forged or emptied by anybody, and keys do not change under it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from playground.postgres import PostgresServer
from tests.corpus.world import API, WRITER, compiled, dimension, sql
from tests.postgres.history_world import PAST, Stage, staged, things

ACTIONS = ("SetNull", "Cascade", "SetDefault")


@pytest.fixture(scope="module", params=PAST)
def stage(any_postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Stage]:
    parent = dimension("parents", {"name": "code", "type": "text", "unique": True}, api=API)
    reference = {"dimension": "parents", "column": "code", "onDelete": "SetNull"}
    child = dimension(
        "children", {"name": "parent", "type": "text", "references": reference}, type=request.param, api=API
    )
    months = dimension(
        "months", {"name": "a", "type": "text"}, type=request.param, api=API, history={"partitionBy": "Month"}
    )
    with staged(any_postgres, request.param, things(request.param), parent, child, months) as stage:
        yield stage


@pytest.fixture
def world(stage: Stage) -> int:
    """A thing with a past: `a` was 'x' and is 'y'."""
    world = next(stage.worlds)
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    stage.run("UPDATE geo.things SET a = 'y' WHERE world = %s", world)
    assert [span.value for span in stage.spans(world, 1)] == ["x", "y"]
    return world


WRITES = {
    "INSERT": "INSERT INTO {past} SELECT * FROM {past}",
    "INSERT of nothing": "INSERT INTO {past} SELECT * FROM {past} WHERE false",
    "UPDATE": "UPDATE {past} SET changed_by = 'somebody else'",
    "UPDATE of nothing": "UPDATE {past} SET changed_by = 'somebody else' WHERE false",
    "DELETE": "DELETE FROM {past}",
    "MERGE": "MERGE INTO {past} USING (SELECT 1) one ON true WHEN MATCHED THEN DELETE",
    "COPY": "COPY {past} FROM STDIN",
    "TRUNCATE": "TRUNCATE {past}",
    "TRUNCATE CASCADE": "TRUNCATE {past} CASCADE",
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("by", ["owner", "superuser"])
def test_past_refuses_every_write(stage: Stage, world: int, write: str, by: str) -> None:
    before = stage.rows(f"TABLE {stage.past}")
    assert refusal(stage, by, WRITES[write], stage.past).startswith(f"{stage.past} is written by geo.things alone")
    assert stage.rows(f"TABLE {stage.past}") == before


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("by", ["owner", "superuser"])
def test_partitions_of_the_past_refuse_every_write(stage: Stage, write: str, by: str) -> None:
    stage.run("INSERT INTO geo.months (a) VALUES ('x')")
    stage.run("UPDATE geo.months SET a = 'y' WHERE a = 'x'")
    parent = stage.past.replace("things", "months")
    partitions = [
        name
        for (name,) in stage.rows(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", parent
        )
    ]
    assert len(partitions) > 2, "this month, months ahead and the default one"
    before = stage.rows(f"TABLE {parent}")
    for relation in (parent, *partitions):
        assert "is written by geo.months alone" in refusal(stage, by, WRITES[write], relation), relation
    assert stage.rows(f"TABLE {parent}") == before


def test_api_roles_cannot_reach_the_past_but_by_reading(stage: Stage, world: int) -> None:
    readable = {"AppendOnly": "api.things_versions", "EAV": "api.things_attribute_history"}[stage.type]
    with as_role(stage, WRITER) as session:
        assert session.execute(sql(f"SELECT count(*) FROM {readable} WHERE world = {world}")).fetchone() == (
            {"AppendOnly": 2, "EAV": 2}[stage.type],
        )
    for write in ("INSERT INTO {} SELECT * FROM {}", "UPDATE {} SET changed_by = 'me'", "DELETE FROM {}"):
        with pytest.raises(psycopg.errors.Error), as_role(stage, WRITER) as session:
            session.execute(sql(write.replace("{}", readable)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), as_role(stage, WRITER) as session:
        session.execute(sql(f"SELECT FROM {stage.past}"))


@pytest.mark.parametrize("by", ["owner", "superuser"])
@pytest.mark.parametrize("statement", ["TRUNCATE geo.things", "TRUNCATE geo.parents CASCADE"])
def test_current_table_refuses_truncate(stage: Stage, world: int, by: str, statement: str) -> None:
    stage.run("INSERT INTO geo.parents (code) VALUES (%s)", f"p{world}")
    stage.run("INSERT INTO geo.children (parent) VALUES (%s)", f"p{world}")
    with pytest.raises(psycopg.Error, match="DELETE"), as_role(stage, by) as session:
        session.execute(sql(statement))
    assert stage.spans(world, 1)[-1].valid_to is None
    assert stage.rows("SELECT FROM geo.children WHERE parent = %s", f"p{world}")


@pytest.mark.parametrize("relation", ["geo.things", "api.things"])
def test_key_may_not_change(stage: Stage, world: int, relation: str) -> None:
    for change in ("k = 2", "world = -1", "k = k + 1, a = 'z'"):
        with pytest.raises(psycopg.Error, match="things") as refused:
            stage.run(f"UPDATE {relation} SET {change} WHERE world = {world}")
        assert not isinstance(refused.value, psycopg.errors.UniqueViolation)
    assert [span.value for span in stage.spans(world, 1)] == ["x", "y"]
    stage.run(f"UPDATE {relation} SET k = k, a = 'z' WHERE world = {world}")
    assert [span.value for span in stage.spans(world, 1)] == ["x", "y", "z"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("type_", PAST)
def test_foreign_key_that_would_change_a_key_is_refused_at_compile(type_: str, action: str) -> None:
    parent = dimension("parents", {"name": "code", "type": "text", "unique": True, "nullable": False})
    reference = {"dimension": "parents", "column": "code", "onUpdate": action}
    key = {"name": "k", "type": "text", "references": reference}
    other = {"name": "b", "type": "text", "references": reference}
    rekeyed = things(type_, key, {"name": "b", "type": "text"}, primary_key={"strategy": "Natural", "columns": ["k"]})
    (finding,) = [finding for unit in compiled(parent, rekeyed) for finding in unit.diagnostics]
    assert finding.path.startswith("spec.columns")
    assert "never changes" in finding.message
    assert not any(unit.diagnostics for unit in compiled(parent, things(type_, other))), "no part of the key"


def test_composite_foreign_key_that_would_change_a_key_is_refused_at_compile() -> None:
    parent = dimension(
        "parents",
        {"name": "x", "type": "integer"},
        {"name": "y", "type": "integer"},
        uniques=[{"name": "xy", "columns": ["x", "y"]}],
    )
    key = {
        "name": "fk",
        "columns": ["world", "n"],
        "references": {"dimension": "parents", "columns": ["x", "y"]},
        "onUpdate": "Cascade",
    }
    for type_ in PAST:
        units = compiled(parent, things(type_, foreign_keys=[key]))
        (finding,) = [finding for unit in units for finding in unit.diagnostics]
        assert finding.path.startswith("spec.foreignKeys")
        assert "never changes" in finding.message


def test_nobody_else_can_call_the_functions_that_write_the_past(stage: Stage) -> None:
    stage.run("GRANT USAGE ON SCHEMA geo TO PUBLIC; GRANT CREATE ON SCHEMA public TO writer")
    functions = stage.rows(
        """
        SELECT oid::regprocedure::text, prosecdef, proconfig FROM pg_proc
        WHERE pronamespace = 'geo'::regnamespace AND prorettype = 'trigger'::regtype
        """
    )
    assert any(definer for _, definer, _ in functions)
    for function, definer, settings in functions:
        assert not definer or "search_path=pg_catalog, pg_temp" in settings, function
        trigger = f"CREATE TRIGGER t AFTER UPDATE ON public.mine FOR EACH STATEMENT EXECUTE FUNCTION {function}"
        with as_role(stage, WRITER) as session, session.transaction(force_rollback=True):
            session.execute("CREATE TABLE public.mine (k integer)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(sql(trigger))


@pytest.mark.parametrize("role", [WRITER, "superuser"])
def test_nobody_passes_for_a_migration_by_its_setting(stage: Stage, world: int, role: str) -> None:
    relation = "api.things" if role == WRITER else "geo.things"
    with as_role(stage, role) as session:
        session.execute("SET pgcraft.backfill = 'on'")
        session.execute(sql(f"UPDATE {relation} SET a = 'z' WHERE world = {world}"))
        session.execute(sql(f"DELETE FROM {relation} WHERE world = {world}"))
        if role == "superuser":
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is written by"):
                session.execute(sql(f"DELETE FROM {stage.past}"))
    spans = stage.spans(world, 1)
    assert [span.value for span in spans] == ["x", "y", "z"]
    assert spans[-1].valid_to is not None


@pytest.mark.parametrize("role", [WRITER, "superuser", "owner"])
def test_nobody_passes_for_a_migration_through_a_foreign_key(stage: Stage, world: int, role: str) -> None:
    code = f"p{world}"
    stage.run("INSERT INTO geo.parents (code) VALUES (%s)", code)
    ((child,),) = stage.rows("INSERT INTO geo.children (parent) VALUES (%s) RETURNING id", code)
    with as_role(stage, role) as session:
        session.execute("SET pgcraft.backfill = 'on'")
        relation = "api.parents" if role == WRITER else "geo.parents"
        session.execute(sql(f"DELETE FROM {relation} WHERE code = '{code}'"))
    past = stage.past.replace("things", "children")
    column = "parent" if stage.type == "AppendOnly" else "value"
    assert stage.rows(f"SELECT {column} FROM {past} WHERE id = %s", child) == [(code,)]


FORGED_FUNCTIONS = {
    "clock_timestamp() RETURNS timestamptz": "'epoch'::timestamptz",
    "statement_timestamp() RETURNS timestamptz": "'epoch'::timestamptz",
    "now() RETURNS timestamptz": "'epoch'::timestamptz",
    "current_setting(text, boolean) RETURNS text": """'{"sub": "mallory"}'""",
    "pg_trigger_depth() RETURNS integer": "0",
    "record_image_eq(record, record) RETURNS boolean": "true",
    "record_image_ne(record, record) RETURNS boolean": "false",
    "never(record, record) RETURNS boolean": "true",
    **{f"never({type_}, {type_}) RETURNS boolean": "false" for type_ in ("timestamptz", "integer", "text")},
    "epoch(timestamptz, interval) RETURNS timestamptz": "'epoch'::timestamptz",
    "forged(jsonb, text) RETURNS text": "'mallory'",
    "forged(json, text) RETURNS text": "'mallory'",
}
FORGED_OPERATORS = [
    ("->>", "jsonb", "text", "forged"),
    ("->>", "json", "text", "forged"),
    ("+", "timestamptz", "interval", "epoch"),
    ("*=", "record", "record", "never"),
    *(
        (name, type_, type_, "never")
        for name in ("=", "<>", "<", ">", "<=", ">=")
        for type_ in ("timestamptz", "integer", "text")
    ),
]


def test_search_path_of_the_caller_forges_nothing(stage: Stage, world: int) -> None:
    stage.run("DROP SCHEMA IF EXISTS evil CASCADE; CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC")
    for signature, value in FORGED_FUNCTIONS.items():
        stage.run(f"CREATE FUNCTION evil.{signature} LANGUAGE plpgsql AS $$ BEGIN RETURN {value}; END $$")
    for name, left, right, function in FORGED_OPERATORS:
        stage.run(f"CREATE OPERATOR evil.{name} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = evil.{function})")
    began = stage.now()
    with as_role(stage, WRITER) as session:
        session.execute("SET search_path = evil, pg_temp, pg_catalog")
        session.execute("CREATE TEMP TABLE things_history (nothing text)")
        session.execute("CREATE TEMP TABLE things_attribute_log (nothing text)")
        where = f"WHERE world OPERATOR(pg_catalog.=) {world}"
        session.execute(sql(f"UPDATE api.things SET a = 'z' {where}"))
        session.execute(sql(f"UPDATE api.things SET a = a {where}"))
        session.execute(sql(f"DELETE FROM api.things {where}"))
        session.execute(sql(f"INSERT INTO api.things (world, k, a) VALUES ({world}, 1, 'w')"))
    ended = stage.now()
    spans = stage.spans(world, 1)
    assert [span.value for span in spans] == ["x", "y", "z", "w"]
    assert [span.changed_by for span in spans[2:]] == ["postgres", "postgres"]
    assert began < spans[2].valid_from < spans[3].valid_from < ended
    assert spans[1].closed_by == spans[2].closed_by == "postgres"


def refusal(stage: Stage, role: str, write: str, relation: str) -> str:
    """Return what is said to somebody who may write nothing there."""
    statement = write.replace("{past}", relation)
    with as_role(stage, role) as session, pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
        _write(session, statement)
    return str(refused.value)


def _write(session: psycopg.Connection[tuple[object, ...]], statement: str) -> None:
    if statement.startswith("COPY"):
        with session.cursor().copy(sql(statement)):
            pass
    else:
        session.execute(sql(statement))


def as_role(stage: Stage, role: str) -> psycopg.Connection[tuple[object, ...]]:
    """Return a session of the superuser that acts as the role, the owner role or itself."""
    connection = psycopg.connect(stage.database.url, autocommit=True)
    if role != "superuser":
        connection.execute(sql(f'SET ROLE "{stage.owner if role == "owner" else role}"'))
    return connection
