"""Whether one pod's PostgREST serves what it should: asked over HTTP, not assumed.

Two questions, because PostgREST keeps a schema cache beside the database. Reading a view tells that it, its columns and
the grant are in the database, and nothing of the cache, by which PostgREST embeds, inserts and describes: release 12
answers such a read from the database alone. The OpenAPI description comes from the cache, so its columns must be the
view's. Where nobody may read a view, OPTIONS, which asks the cache for the view but not for privileges, has to do, with
a read that may be refused but must not find the view missing.

Functions are called by way of the cache, so one question tells of both: a call with no argument known, which finds
nothing and costs nothing. Only functions that promise to change nothing are called.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar, assert_never

import aiohttp
from yarl import URL

from pgcraft_core.schema.base import ObjectId
from pgcraft_operator.postgrest.credentials import Credentials, Headers
from pgcraft_operator.postgrest.exposed import Exposed, ExposedQuery, ExposedView, call_path, read_path, view_path
from pgcraft_operator.postgrest.rollout import ReadyPod

_QUESTIONS_AT_ONCE = 4  # per pod; its pool of connections is for clients
_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=2)  # seconds
_FAILURES = (aiohttp.ClientError, TimeoutError, ValueError)  # the last one: an answer that is not what it claims to be
_CACHE_ERRORS = "PGRST2"  # prefix of the codes by which PostgREST says that its cache does not know something
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.NOT_ACCEPTABLE)  # itself; the schema with it


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why something is not served as it should be; `is_stale` when the database has it and the cache does not yet."""

    message: str
    is_stale: bool = False


_E = TypeVar("_E", ExposedView, ExposedQuery)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: Any

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        return str(self._error.get("message") or "no message")

    @property
    def _error(self) -> Mapping[str, Any]:
        return self.body if isinstance(self.body, dict) else {}

    def shortfall(self, item: Exposed) -> Shortfall:
        is_stale = str(self._error.get("code", "")).startswith(_CACHE_ERRORS)
        return Shortfall(f"{item} answers {self.status}: {self.message}", is_stale)


def open_session() -> aiohttp.ClientSession:
    """Return a session for questions to pods."""
    # Unlimited here: waiting for one's turn, as `PodApi` does, is no part of the time a question may take.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=_TIMEOUT)


class PodApi:
    """The API of one pod; nothing it does or answers raises, it is a shortfall."""

    def __init__(self, session: aiohttp.ClientSession, pod: ReadyPod, credentials: Credentials) -> None:
        self._session = session
        self._pod = pod
        self._credentials = credentials
        self._turn = asyncio.Semaphore(_QUESTIONS_AT_ONCE)

    async def find_shortfalls(self, wanted: Sequence[Exposed]) -> dict[ObjectId, Shortfall]:
        """Return what is not served as it should be, and why. What nobody can ask for counts as served."""
        try:
            readable: list[ExposedView] = []
            others: list[ExposedView] = []
            queries: list[ExposedQuery] = []
            for item in wanted:
                if isinstance(item, ExposedQuery):
                    queries.append(item)
                else:
                    (others if self._credentials.headers_as(item.reader) is None else readable).append(item)
            found = await self._gather(self._read, readable)
            found |= await self._find_cache_shortfalls([view for view in readable if view.key not in found])
            found |= await self._gather(self._look_up, others)
            return found | await self._gather(self._call, queries)
        except _FAILURES as error:
            return {item.key: self._unreachable(error) for item in wanted}

    async def find_lingering(self, withdrawn: Collection[Exposed]) -> dict[ObjectId, Shortfall]:
        """Return what is withdrawn and still answers."""
        headers = self._credentials.headers_as_anyone()
        if headers is None:
            return {}
        lingering: dict[ObjectId, Shortfall] = {}
        try:
            for item in withdrawn:
                match item:
                    case ExposedView():
                        answer = await self._ask("GET", read_path(item.name), item.schema, headers)
                    case ExposedQuery():
                        answer = await self._ask_query(item, headers)
                    case _ as unreachable:
                        assert_never(unreachable)
                if answer.status not in _GONE:
                    lingering[item.key] = Shortfall(f"{item} is withdrawn and still answers")
        except _FAILURES as error:
            return {item.key: self._unreachable(error) for item in withdrawn}
        return lingering

    async def _read(self, view: ExposedView) -> Shortfall | None:
        """Read no row of all columns: tells of the database."""
        headers = self._credentials.headers_as(view.reader) or {}
        answer = await self._ask("GET", read_path(view.name, view.columns), view.schema, headers)
        return None if answer.is_good else answer.shortfall(view)

    async def _look_up(self, view: ExposedView) -> Shortfall | None:
        """Ask whether the view exists: tells of the cache and of the database, of its columns not."""
        headers = self._credentials.headers_as_anyone()
        if headers is None:
            return None
        answer = await self._ask("OPTIONS", view_path(view.name), view.schema, headers)
        if answer.status == HTTPStatus.NOT_FOUND:
            return Shortfall(f"{view} is not known to PostgREST yet", is_stale=True)
        if not answer.is_good:
            return answer.shortfall(view)
        # Postgres looks for a relation before it looks at privileges: whoever is refused has found it.
        answer = await self._ask("GET", read_path(view.name), view.schema, headers)
        return answer.shortfall(view) if answer.status == HTTPStatus.NOT_FOUND else None

    async def _call(self, query: ExposedQuery) -> Shortfall | None:
        """Call a function about nothing: tells of the cache and of the database."""
        as_reader = self._credentials.headers_as(query.reader)
        headers = self._credentials.headers_as_anyone() if as_reader is None else as_reader
        if headers is None:
            return None
        answer = await self._ask_query(query, headers)
        # Postgres looks for a function before it looks at privileges: whoever is refused has found it.
        is_there = answer.is_good or (as_reader is None and answer.status in _REFUSED)
        return None if is_there else answer.shortfall(query)

    async def _find_cache_shortfalls(self, views: Sequence[ExposedView]) -> dict[ObjectId, Shortfall]:
        """Compare views that the database has with what the cache says, one description a schema and reader."""
        groups: defaultdict[tuple[str, str | None], list[ExposedView]] = defaultdict(list)
        for view in views:
            groups[view.schema, view.reader].append(view)
        found: dict[ObjectId, Shortfall] = {}
        for (schema, reader), members in groups.items():
            described = await self._describe(schema, self._credentials.headers_as(reader) or {})
            if isinstance(described, Shortfall):
                found |= {view.key: described for view in members}
                continue
            if described is None:
                found |= await self._gather(self._look_up, members)
                continue
            for view in members:
                shortfall = await self._compare(view, described.get(view.name))
                if shortfall is not None:
                    found[view.key] = shortfall
        return found

    async def _describe(self, schema: str, headers: Headers) -> Mapping[str, Collection[str]] | Shortfall | None:
        """Return the columns of each relation that the cache knows and the role may use.

        None when the description is switched off, or another one put in its place, by the database's own configuration
        of PostgREST.
        """
        answer = await self._ask("GET", "/", schema, {**headers, "Accept": "application/openapi+json"})
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if not answer.is_good:
            return Shortfall(f"the description of schema {schema} answers {answer.status}: {answer.message}")
        if not isinstance(answer.body, dict) or not isinstance(answer.body.get("definitions"), dict):
            return None
        return {name: definition.get("properties", {}) for name, definition in answer.body["definitions"].items()}

    async def _compare(self, view: ExposedView, cached: Collection[str] | None) -> Shortfall | None:
        if cached is None:
            return Shortfall(f"{view} is not known to PostgREST yet", is_stale=True)
        missing, surplus = set(view.columns) - set(cached), sorted(set(cached) - set(view.columns))
        if missing:
            return Shortfall(f"{view} is known to PostgREST without {', '.join(sorted(missing))} yet", is_stale=True)
        if not surplus:
            return None
        # Either the cache is old, or the column is still in the database because its removal waits.
        headers = self._credentials.headers_as(view.reader) or {}
        answer = await self._ask("GET", read_path(view.name, surplus), view.schema, headers)
        return Shortfall(f"{view} still shows {', '.join(surplus)}", is_stale=not answer.is_good)

    async def _ask_query(self, query: ExposedQuery, headers: Headers) -> _Answer:
        return await self._ask("POST", call_path(query.name), query.schema, headers, dict.fromkeys(query.arguments))

    async def _ask(
        self, method: str, path: str, schema: str, headers: Headers, body: Mapping[str, None] | None = None
    ) -> _Answer:
        url = URL(self._pod.base_url + path, encoded=True)  # quoted for PostgREST, to be sent as it is
        headers = {**headers, "Accept-Profile" if body is None else "Content-Profile": schema}
        request = self._session.request(method, url, headers=headers, json=body, allow_redirects=False)
        async with self._turn, request as response:
            is_json = "json" in response.content_type
            return _Answer(response.status, await response.json(content_type=None) if is_json else None)

    def _unreachable(self, error: Exception) -> Shortfall:
        detail = str(error) or type(error).__name__
        return Shortfall(f"pod {self._pod.name} cannot be asked at {self._pod.base_url}: {detail}")

    @staticmethod
    async def _gather(
        question: Callable[[_E], Awaitable[Shortfall | None]], wanted: Sequence[_E]
    ) -> dict[ObjectId, Shortfall]:
        answers = await asyncio.gather(*(question(item) for item in wanted))
        return {item.key: answer for item, answer in zip(wanted, answers, strict=True) if answer is not None}
