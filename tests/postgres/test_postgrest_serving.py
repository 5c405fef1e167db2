"""Questions to a real PostgREST over a real Postgres: what is served, what is stale, what is withdrawn."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import LiteralString

import aiohttp
import psycopg
import pytest
from psycopg import sql

from pgcraft_core.schema.unit import Claimant
from pgcraft_operator.postgrest.confirmation import Memory, confirm
from pgcraft_operator.postgrest.credentials import Credentials
from pgcraft_operator.postgrest.exposed import Exposed, ExposedQuery, ExposedView
from pgcraft_operator.postgrest.rollout import ReadyPod
from pgcraft_operator.postgrest.serving import PodApi, open_session
from pgcraft_operator.postgrest.workload import ADMIN_PORT, API_PORT
from playground.postgres import PostgresServer

KEY = "k" * 32
CLAIMANT = Claimant("Dimension", "geo", "any")
STRANGE = (
    *("a b", "c,d", "e.f", 'g"h', "i\\j", "Upper", "select", "ü→✓", "x:y", "x::int", "x->>y", "(p)", "*", "and"),
    *("count", "count()", "%25 &=+#;", "a'b", " lead", "trail ", "not.null", "n" * 63),
)


@dataclass
class Api:
    """A PostgREST yet to be started over two schemas, and a superuser's connection beside it."""

    pod: ReadyPod
    database: psycopg.Connection
    anon: str
    editor: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self, session: aiohttp.ClientSession) -> None:
        """Start PostgREST, which reads its schema cache then, and return when it is ready."""
        with self.log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, env=self.environment, stdout=log, stderr=log
            )
        async with asyncio.timeout(20):
            while True:
                try:
                    async with session.get(f"http://{self.pod.address}:{ADMIN_PORT}/ready") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)  # a program that starts announces nothing to wait for

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def view(self, name: str, *columns: str, reader: str | None = None, schema: str = "api") -> ExposedView:
        return ExposedView(CLAIMANT, schema, name, columns, reader, fingerprint="")

    def query(self, name: str, *arguments: str, reader: str | None = None, schema: str = "api") -> ExposedQuery:
        return ExposedQuery(CLAIMANT, schema, name, arguments, reader, fingerprint="")

    def execute(self, statement: LiteralString, *names: str) -> None:
        self.database.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def notify(self) -> None:
        self.database.execute("NOTIFY pgrst, 'reload schema'")

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.anon, (self.anon, self.editor), "test", KEY.encode())

    def questions(self, session: aiohttp.ClientSession) -> PodApi:
        return PodApi(session, self.pod, self.credentials)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.fixture
async def api(postgres: PostgresServer, postgrest_binary: Path, tmp_path: Path) -> AsyncIterator[Api]:
    with postgres.scratch_database() as database, psycopg.connect(database.url, autocommit=True) as connection:
        anon, editor, login = (f"{database.name}_{role}" for role in ("anon", "editor", "login"))
        pod = ReadyPod("pod", "pod/1", f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250)}.7")
        settings = {
            "DB_URI": postgres.url_for(login, "secret", database.name),
            "JWT_SECRET": KEY,
            "JWT_AUD": "test",
            "DB_SCHEMAS": "api,Ünïcode schema",
            "DB_ANON_ROLE": anon,
            "SERVER_HOST": pod.address,
            "SERVER_PORT": str(API_PORT),
            "ADMIN_SERVER_PORT": str(ADMIN_PORT),
        }
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        environment |= {f"PGRST_{name}": value for name, value in settings.items()}
        api = Api(pod, connection, anon, editor, [str(postgrest_binary)], environment, tmp_path / "postgrest.log")
        api.execute("CREATE ROLE {} NOLOGIN", anon)
        api.execute("CREATE ROLE {} NOLOGIN", editor)
        api.execute("CREATE ROLE {} LOGIN NOINHERIT PASSWORD 'secret'", login)
        api.execute("GRANT {}, {} TO {}", anon, editor, login)
        api.execute("CREATE SCHEMA api")
        api.execute("CREATE SCHEMA {}", "Ünïcode schema")
        api.execute("GRANT USAGE ON SCHEMA api, {} TO {}, {}", "Ünïcode schema", anon, editor)
        try:
            yield api
        finally:
            await api.stop()


async def shortfall(questions: PodApi, item: Exposed) -> tuple[str, bool] | None:
    found = (await questions.find_shortfalls([item])).get(item.key)
    return None if found is None else (found.message, found.is_stale)


async def test_any_name_can_be_asked_for(api: Api, session: aiohttp.ClientSession) -> None:
    api.execute(f"CREATE TABLE api.plain ({', '.join(['{} text'] * len(STRANGE))})", *STRANGE)
    views = []
    for schema in ("api", "Ünïcode schema"):
        for name in STRANGE:
            api.execute("CREATE VIEW {}.{} AS SELECT * FROM api.plain", schema, name)
            api.execute("GRANT SELECT ON {}.{} TO {}", schema, name, api.editor)
            views.append(api.view(name, *STRANGE, reader=api.editor, schema=schema))
    await api.start(session)

    assert await api.questions(session).find_shortfalls(views) == {}
    absent = api.view("absent", "a b", reader=api.editor)
    assert set(await api.questions(session).find_shortfalls([*views, absent])) == {absent.key}


async def test_a_cache_that_lags_behind_is_found_out_and_catches_up(api: Api, session: aiohttp.ClientSession) -> None:
    api.execute("CREATE TABLE api.t (id int, old int)")
    api.execute("GRANT SELECT ON api.t TO {}", api.anon)
    await api.start(session)
    questions = api.questions(session)
    before = api.view("t", "id", "old", reader=api.anon)
    assert await shortfall(questions, before) is None

    # No notification yet, so whatever is right is right by the database alone.
    api.execute("ALTER TABLE api.t ADD new int")
    api.execute("CREATE TABLE api.u (id int)")
    api.execute("GRANT SELECT ON api.u TO {}", api.anon)
    grown, created = api.view("t", "id", "old", "new", reader=api.anon), api.view("u", "id", reader=api.anon)
    assert await shortfall(questions, grown) == ("api.t is known to PostgREST without new yet", True)
    assert await shortfall(questions, created) == ("api.u is not known to PostgREST yet", True)
    assert await shortfall(questions, before) is None, "the cache still describes the table as it was"

    api.notify()
    assert await confirm(Memory(), [api.pod], [grown, created], api.credentials) == {}
    assert await shortfall(questions, before) == ("api.t still shows new", False), "the column is in the database"

    api.execute("ALTER TABLE api.t DROP new")
    assert await shortfall(questions, before) == ("api.t still shows new", True), "the column is in the cache only"


async def test_what_the_database_lacks_or_forbids_is_no_matter_of_the_cache(
    api: Api, session: aiohttp.ClientSession
) -> None:
    api.execute("CREATE TABLE api.t (id int)")
    api.execute("GRANT SELECT ON api.t TO {}", api.editor)
    await api.start(session)
    questions = api.questions(session)
    assert await shortfall(questions, api.view("t", "id", reader=api.anon)) == (
        "api.t answers 401: permission denied for table t",
        False,
    )
    assert await shortfall(questions, api.view("t", "id", "no", reader=api.editor)) == (
        "api.t answers 400: column t.no does not exist",
        False,
    )
    refused = await shortfall(questions, api.view("t", "id", reader=api.editor, schema="elsewhere"))
    assert refused is not None
    assert refused[0].startswith("elsewhere.t answers 406: ")


async def test_a_view_that_nobody_may_read_is_looked_up(api: Api, session: aiohttp.ClientSession) -> None:
    api.execute("CREATE TABLE api.t (id int)")
    await api.start(session)
    questions = api.questions(session)
    assert await shortfall(questions, api.view("t", "id")) is None
    assert await shortfall(questions, api.view("u", "id")) == ("api.u is not known to PostgREST yet", True)


async def test_without_a_key_to_sign_with_views_are_looked_up(api: Api, session: aiohttp.ClientSession) -> None:
    api.execute("CREATE TABLE api.t (id int)")
    await api.start(session)
    questions = PodApi(session, api.pod, replace(api.credentials, key=None))
    assert await shortfall(questions, api.view("t", "id", reader=api.editor)) is None
    assert await shortfall(questions, api.view("u", "id", reader=api.editor)) == (
        "api.u is not known to PostgREST yet",
        True,
    )


async def test_without_a_description_views_are_looked_up(api: Api, session: aiohttp.ClientSession) -> None:
    api.execute("CREATE TABLE api.t (id int)")
    api.execute("GRANT SELECT ON api.t TO {}", api.anon)
    api.environment["PGRST_OPENAPI_MODE"] = "disabled"
    await api.start(session)
    api.execute("CREATE TABLE api.u (id int)")
    api.execute("GRANT SELECT ON api.u TO {}", api.anon)
    questions = api.questions(session)
    assert await shortfall(questions, api.view("t", "id", reader=api.anon)) is None
    assert await shortfall(questions, api.view("u", "id", reader=api.anon)) == (
        "api.u is not known to PostgREST yet",
        True,
    )


async def test_a_database_that_is_away_is_no_matter_of_the_cache(api: Api, session: aiohttp.ClientSession) -> None:
    api.execute("CREATE TABLE api.t (id int)")
    api.execute("GRANT SELECT ON api.t TO {}", api.anon)
    await api.start(session)
    api.execute("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", api.database.info.dbname)
    api.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )
    found = await shortfall(api.questions(session), api.view("t", "id", reader=api.anon))
    assert found is not None
    assert not found[1]


async def test_what_pods_were_seen_to_serve_is_not_asked_again(api: Api, session: aiohttp.ClientSession) -> None:
    api.execute("CREATE TABLE api.t (id int)")
    api.execute("GRANT SELECT ON api.t TO {}", api.anon)
    await api.start(session)
    memory, view = Memory(), api.view("t", "id", reader=api.anon)
    assert await confirm(memory, [api.pod], [view], api.credentials) == {}
    assert memory.served() == {view.key}

    await api.stop()
    assert await confirm(memory, [api.pod], [view], api.credentials) == {}, "a pod that is away was asked"
    changed = replace(view, fingerprint="changed")
    restarted = replace(api.pod, incarnation="pod/2")
    for pods, views in (([api.pod], [changed]), ([restarted], [view]), ([api.pod], [])):
        assert await confirm(deepcopy(memory), pods, views, api.credentials) != {}, "nothing was asked"
    assert memory.served() == {view.key}
    assert await confirm(memory, [api.pod], [view], api.credentials, doubted={CLAIMANT}) != {}, "nothing was asked"
    assert memory.served() == frozenset()


async def test_a_withdrawn_view_lingers_until_it_is_gone(api: Api, session: aiohttp.ClientSession) -> None:
    api.execute("CREATE TABLE api.t (id int)")
    api.execute("GRANT SELECT ON api.t TO {}", api.anon)
    await api.start(session)
    questions = api.questions(session)
    view = api.view("t", "id")
    gone = [api.view("never"), api.view("t", schema="elsewhere")]
    lingering = await questions.find_lingering([view, *gone])
    assert {key: found.message for key, found in lingering.items()} == {
        view.key: "api.t is withdrawn and still answers"
    }
    api.execute("DROP TABLE api.t")
    assert await questions.find_lingering([view, *gone]) == {}


async def test_a_query_is_called_about_nothing(api: Api, session: aiohttp.ClientSession) -> None:
    api.execute("CREATE TABLE api.t (id int, at timestamptz)")
    api.execute("INSERT INTO api.t VALUES (1, now())")
    for name in STRANGE:
        api.execute(
            "CREATE FUNCTION api.{} ({} timestamptz, k int) RETURNS SETOF api.t LANGUAGE sql STABLE "
            "AS 'SELECT * FROM api.t WHERE at <= $1 AND id = $2'",
            name,
            name,
        )
    api.execute("GRANT SELECT ON api.t TO {}", api.editor)
    await api.start(session)
    queries = [api.query(name, name, "k", reader=api.editor) for name in STRANGE]
    assert await api.questions(session).find_shortfalls(queries) == {}
    refused = await shortfall(api.questions(session), api.query("e.f", "e.f", "k", reader=api.anon))
    assert refused == ("api.e.f answers 401: permission denied for table t", False)


async def test_a_query_the_cache_or_the_database_does_not_know_is_told_apart(
    api: Api, session: aiohttp.ClientSession
) -> None:
    as_of = "(at timestamptz) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT 1 WHERE at < now()'"
    api.execute(f"CREATE FUNCTION api.early {as_of}")
    api.execute("REVOKE EXECUTE ON FUNCTION api.early FROM PUBLIC")
    api.execute("GRANT EXECUTE ON FUNCTION api.early TO {}", api.editor)
    await api.start(session)
    questions = api.questions(session)
    early = api.query("early", "at", reader=api.editor)
    assert await shortfall(questions, early) is None
    assert await shortfall(questions, replace(early, reader=None)) is None, "it is there, whoever may call it"
    assert await shortfall(PodApi(session, api.pod, replace(api.credentials, key=None)), early) is None
    forbidden = await shortfall(questions, replace(early, reader=api.anon))
    assert forbidden == ("api.early answers 401: permission denied for function early", False)

    api.execute(f"CREATE FUNCTION api.late {as_of}")
    late = api.query("late", "at", reader=api.editor)
    unknown = await shortfall(questions, late)
    assert unknown is not None
    assert unknown[1], "the cache does not know it yet"
    api.notify()
    assert await confirm(Memory(), [api.pod], [early, late], api.credentials) == {}

    assert set(await questions.find_lingering([late])) == {late.key}
    api.execute("DROP FUNCTION api.late")
    gone = await shortfall(questions, late)
    assert gone is not None
    assert not gone[1], "the cache knows it still, the database does not"
    assert await questions.find_lingering([late]) == {}


async def test_a_pod_that_does_not_answer_is_named(session: aiohttp.ClientSession) -> None:
    pod = ReadyPod("api-1", "api-1/1", f"127.{secrets.randbelow(200) + 20}.251.9")  # nobody listens there
    questions = PodApi(session, pod, Credentials("anon", ("anon",), None, None))
    view = ExposedView(CLAIMANT, "api", "t", ("id",), "anon", "")
    for found in (await questions.find_shortfalls([view]), await questions.find_lingering([view])):
        assert found[view.key].message.startswith(f"pod api-1 cannot be asked at {pod.base_url}: ")
        assert not found[view.key].is_stale
