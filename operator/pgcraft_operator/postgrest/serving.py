"""Whether one pod's PostgREST serves what it should: asked over HTTP, not assumed.

Two questions, because PostgREST keeps a schema cache beside the database. Reading a view tells that it, its columns and
the grant are in the database, and nothing of the cache, by which PostgREST embeds, inserts and describes: release 12
answers such a read from the database alone. The OpenAPI description comes from the cache, so its columns must be the
view's. Where nobody may read a view, OPTIONS, which asks the cache for the view but not for privileges, has to do, with
a read that may be refused but must not find the view missing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from pgcraft_operator.postgrest.credentials import Credentials, Headers
from pgcraft_operator.postgrest.exposed import ExposedView, ViewKey, read_path, view_path
from pgcraft_operator.postgrest.rollout import ReadyPod

_QUESTIONS_AT_ONCE = 4  # per pod; its pool of connections is for clients
_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=2)  # seconds
_FAILURES = (aiohttp.ClientError, TimeoutError, ValueError)  # the last one: an answer that is not what it claims to be
_CACHE_ERRORS = "PGRST2"  # prefix of the codes by which PostgREST says that its cache does not know something
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.NOT_ACCEPTABLE)  # the view; the schema with it


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why a view is not served as it should be; `is_stale` when the database has it and the cache does not know yet."""

    message: str
    is_stale: bool = False


_Question = Callable[[ExposedView], Awaitable[Shortfall | None]]


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

    def shortfall(self, view: ExposedView) -> Shortfall:
        is_stale = str(self._error.get("code", "")).startswith(_CACHE_ERRORS)
        return Shortfall(f"{view} answers {self.status}: {self.message}", is_stale)


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

    async def find_shortfalls(self, views: Sequence[ExposedView]) -> dict[ViewKey, Shortfall]:
        """Return the views that are not served as they should be, and why. Views nobody can ask for count as served."""
        try:
            readable: list[ExposedView] = []
            others: list[ExposedView] = []
            for view in views:
                (others if self._credentials.headers_as(view.reader) is None else readable).append(view)
            found = await self._gather(self._read, readable)
            found |= await self._find_cache_shortfalls([view for view in readable if view.key not in found])
            return found | await self._gather(self._look_up, others)
        except _FAILURES as error:
            return {view.key: self._unreachable(error) for view in views}

    async def find_lingering(self, withdrawn: Collection[ViewKey]) -> dict[ViewKey, Shortfall]:
        """Return the withdrawn views that still answer."""
        headers = self._credentials.headers_as_anyone()
        if headers is None:
            return {}
        lingering: dict[ViewKey, Shortfall] = {}
        try:
            for schema, name in sorted(withdrawn):
                answer = await self._ask("GET", read_path(name), schema, headers)
                if answer.status not in _GONE:
                    lingering[schema, name] = Shortfall(f"{schema}.{name} is withdrawn and still answers")
        except _FAILURES as error:
            return dict.fromkeys(withdrawn, self._unreachable(error))
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

    async def _find_cache_shortfalls(self, views: Sequence[ExposedView]) -> dict[ViewKey, Shortfall]:
        """Compare views that the database has with what the cache says, one description a schema and reader."""
        groups: defaultdict[tuple[str, str | None], list[ExposedView]] = defaultdict(list)
        for view in views:
            groups[view.schema, view.reader].append(view)
        found: dict[ViewKey, Shortfall] = {}
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

    async def _ask(self, method: str, path: str, schema: str, headers: Headers) -> _Answer:
        url = URL(self._pod.base_url + path, encoded=True)  # quoted for PostgREST, to be sent as it is
        headers = {**headers, "Accept-Profile": schema}
        async with self._turn, self._session.request(method, url, headers=headers, allow_redirects=False) as response:
            is_json = "json" in response.content_type
            return _Answer(response.status, await response.json(content_type=None) if is_json else None)

    def _unreachable(self, error: Exception) -> Shortfall:
        detail = str(error) or type(error).__name__
        return Shortfall(f"pod {self._pod.name} cannot be asked at {self._pod.base_url}: {detail}")

    @staticmethod
    async def _gather(question: _Question, views: Sequence[ExposedView]) -> dict[ViewKey, Shortfall]:
        answers = await asyncio.gather(*(question(view) for view in views))
        return {view.key: answer for view, answer in zip(views, answers, strict=True) if answer is not None}
