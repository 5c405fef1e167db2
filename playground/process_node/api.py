"""The Kubernetes API in plain dictionaries: requests and watches."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient

_TIMEOUT = aiohttp.ClientTimeout(total=15)
_WATCH_SECONDS = 290  # after which the server ends a watch and we begin another
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=15, sock_read=_WATCH_SECONDS + 15)


class ApiError(Exception):
    """The API server refused; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class KubernetesAPI:
    """One connection pool to an API server; made by `connect`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: Path) -> AsyncGenerator[Self]:
        """Connect as the kubeconfig's current context says."""
        client = await config.new_client_from_config(str(kubeconfig))
        # No proxy stands between this machine and itself, whatever the environment says of proxies.
        local = urlsplit(client.configuration.host).hostname in {"127.0.0.1", "localhost", "::1"}
        client.configuration.client_session_kwargs = {"trust_env": not local}
        try:
            yield cls(client)
        finally:
            await client.close()

    async def get(self, path: str) -> dict[str, Any]:
        """Return an object or a list."""
        return await self._request("GET", path)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object."""
        return await self._request("POST", path, body)

    async def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Merge `body` into an object (JSON merge patch: lists are replaced)."""
        return await self._request("PATCH", path, body, "application/merge-patch+json")

    async def delete(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Delete an object with the DeleteOptions in `body`."""
        return await self._request("DELETE", path, body)

    async def watch(self, path: str, resource_version: str) -> AsyncIterator[dict[str, Any]]:
        """Yield what happens after `resource_version` until the server ends the watch.

        Raises `ApiError` when the server says the version is too old (410) or refuses.
        """
        query = [
            ("watch", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(_WATCH_SECONDS)),
            ("allowWatchBookmarks", "true"),
        ]
        response = await self._send("GET", path, query=query, timeout=_WATCH_TIMEOUT)
        try:
            if response.status >= 400:
                raise ApiError(response.status, await response.text())
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"].get("code", 0), event["object"].get("message", ""))
                yield event
        finally:
            response.close()

    async def _request(
        self, method: str, path: str, body: dict[str, Any] | None = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        async with await self._send(method, path, body, content_type=content_type) as response:
            text = await response.text()
        content = json.loads(text) if text.startswith("{") else {"message": text}
        if response.status >= 400:
            raise ApiError(response.status, content.get("message", ""))
        return content

    async def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        query: list[tuple[str, str]] | None = None,
        timeout: aiohttp.ClientTimeout = _TIMEOUT,  # noqa: ASYNC109 - aiohttp's own, for parts of a request
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        # The generated client for the address, the credentials and their refresh; not for its models.
        _, url, headers, _, _ = await self._client.param_serialize(
            method, path, query_params=query or [], header_params=headers, auth_settings=["BearerToken"]
        )
        response = await self._client.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=timeout
        )
        return response.response
