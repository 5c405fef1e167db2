"""The port to the Kubernetes API: the only module that imports the client; objects are plain dictionaries."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio import client, config

from pgcraft_core.spec.base import API_VERSION

Manifest = dict[str, Any]
Kind = Literal[
    "Database", "Dimension", "PostgREST", "Migration", "Secret", "Service", "Pod", "Deployment", "Event", "Namespace"
]

FIELD_MANAGER = "pgcraft-operator"
STATUS_FIELD_MANAGER = "pgcraft-operator-status"

_PAGE = 500  # objects a LIST response holds
_LIST_ATTEMPTS = 5  # a continue token expires with etcd's compaction, every five minutes
_TIMEOUT = 30.0  # seconds a request may take
_APPLY = "application/apply-patch+yaml"  # JSON is YAML


@dataclass(frozen=True, slots=True)
class _Endpoint:
    api_version: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        root = "/api/" if "/" not in self.api_version else "/apis/"
        parts = [self.api_version]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts += [self.plural, *(quote(part, safe="") for part in (name, subresource) if part)]
        return root + "/".join(parts)


_ENDPOINTS: Mapping[str, _Endpoint] = MappingProxyType(
    {
        "Database": _Endpoint(API_VERSION, "databases"),
        "Dimension": _Endpoint(API_VERSION, "dimensions"),
        "PostgREST": _Endpoint(API_VERSION, "postgrests"),
        "Migration": _Endpoint(API_VERSION, "migrations"),
        "Secret": _Endpoint("v1", "secrets"),
        "Service": _Endpoint("v1", "services"),
        "Pod": _Endpoint("v1", "pods"),
        "Namespace": _Endpoint("v1", "namespaces"),
        "Deployment": _Endpoint("apps/v1", "deployments"),
        "Event": _Endpoint("events.k8s.io/v1", "events"),
    }
)


class ClusterError(Exception):
    """Root of everything the Kubernetes API can refuse; `status` is the HTTP code, 0 where none came."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(ClusterError):
    """The object, its namespace or its kind is not there."""


class ConflictError(ClusterError):
    """The object exists already, or another field manager owns the field."""


class ForbiddenError(ClusterError):
    """The operator's service account may not do this."""


class RefusedError(ClusterError):
    """The API server refused the object as invalid."""


class UnavailableError(ClusterError):
    """The API server does not answer, or asks for patience; worth retrying."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete LIST and the resourceVersion it is consistent at."""

    items: tuple[Manifest, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What another client needs to reach the same API server as the same user."""

    server: str
    ca_path: str | None
    ca_data: str | bytes | None
    insecure: bool
    username: str | None
    password: str | None = field(repr=False)
    scheme: str | None
    token: str | None = field(repr=False)
    certificate_path: str | None
    private_key_path: str | None
    proxy_url: str | None


class Cluster:
    """A connection to one Kubernetes API server; safe to use from any task of its event loop."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    @classmethod
    async def connect(cls, kubeconfig: Path | None = None) -> Self:
        """Return a connection by `kubeconfig`, `$KUBECONFIG`, the pod's service account or `~/.kube/config`.

        Raises `ClusterError` when none of them leads anywhere.
        """
        configuration = client.Configuration()
        explicit = kubeconfig or os.environ.get("KUBECONFIG")
        try:
            if explicit is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
                config.load_incluster_config(configuration)  # it reads the token again every minute
            else:
                await config.load_kube_config(
                    config_file=str(explicit) if explicit else None,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except (config.ConfigException, OSError) as error:
            raise ClusterError(f"no usable Kubernetes configuration: {error}") from error
        api = client.ApiClient(configuration)
        api.user_agent = FIELD_MANAGER
        return cls(api)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def credentials(self) -> Credentials:
        """Return how this connection authenticates at this moment; tokens of service accounts rotate."""
        configuration = self._api.configuration
        scheme, _, token = (await configuration.get_api_key_with_prefix("BearerToken") or "").rpartition(" ")
        return Credentials(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            ca_data=configuration.ca_cert_data,
            insecure=not configuration.verify_ssl,
            username=configuration.username or None,
            password=configuration.password or None,
            scheme=scheme or None,
            token=token or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            proxy_url=configuration.proxy,
        )

    async def list_resources(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        selector: str | None = None,
        field_selector: str | None = None,
        limit: int = _PAGE,
    ) -> Listing:
        """Return every object of a kind in a namespace, or in all: complete, or an error; raises `ClusterError`."""
        query = {"limit": str(limit), "labelSelector": selector, "fieldSelector": field_selector}
        for _ in range(_LIST_ATTEMPTS):
            try:
                return await self._list_pages(kind, namespace, {key: value for key, value in query.items() if value})
            except ClusterError as error:
                if error.status != 410:
                    raise
        raise UnavailableError(f"listing {kind} objects took longer than its snapshot lived", status=410)

    async def list_pods(self, namespace: str, selector: str) -> tuple[Manifest, ...]:
        """Return the pods that a label selector (`app=x,tier=y`) finds."""
        return (await self.list_resources("Pod", namespace, selector=selector)).items

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest:
        """Return one object; raises `NotFoundError`."""
        return await self._request("GET", _ENDPOINTS[kind].path(namespace, name))

    async def get_secret(self, namespace: str, name: str) -> Manifest:
        """Return a Secret with its `data` still base64; raises `NotFoundError`."""
        return await self.get("Secret", namespace, name)

    async def apply(self, manifest: Manifest, field_manager: str = FIELD_MANAGER, *, force: bool = True) -> Manifest:
        """Apply an object on the server's side and return it as stored; raises `ConflictError` where not forced."""
        return await self._apply(manifest, None, field_manager, force)

    async def apply_status(
        self, manifest: Manifest, field_manager: str = STATUS_FIELD_MANAGER, *, force: bool = True
    ) -> Manifest:
        """Apply the status subresource: what this manager wrote before and `manifest` lacks is removed."""
        return await self._apply(manifest, "status", field_manager, force)

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object; raises `ConflictError` when its name is taken."""
        endpoint = _ENDPOINTS[manifest["kind"]]
        path = endpoint.path(manifest["metadata"].get("namespace"))
        return await self._request("POST", path, body=manifest, query={"fieldManager": FIELD_MANAGER})

    async def delete(self, kind: Kind, namespace: str | None, name: str, *, uid: str | None = None) -> None:
        """Delete an object, only the one with `uid` where given; one already gone is no error."""
        options: Manifest = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self._request("DELETE", _ENDPOINTS[kind].path(namespace, name), body=options)
        except NotFoundError:
            return

    async def _apply(self, manifest: Manifest, subresource: str | None, manager: str, force: bool) -> Manifest:
        metadata = manifest["metadata"]
        path = _ENDPOINTS[manifest["kind"]].path(metadata.get("namespace"), metadata["name"], subresource)
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        return await self._request("PATCH", path, body=manifest, query=query, content_type=_APPLY)

    async def _list_pages(self, kind: Kind, namespace: str | None, query: dict[str, str]) -> Listing:
        endpoint = _ENDPOINTS[kind]
        items: list[Manifest] = []
        while True:
            page = await self._request("GET", endpoint.path(namespace), query=query)
            # Items of a LIST of a built-in kind come without their type.
            items += ({"apiVersion": endpoint.api_version, "kind": kind} | item for item in page.get("items") or ())
            token = page["metadata"].get("continue")
            if not token:
                return Listing(tuple(items), page["metadata"].get("resourceVersion", ""))
            query["continue"] = token

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        resource = f"{path}?{urlencode(query)}" if query else path
        headers = {"Accept": "application/json", "Content-Type": content_type}
        try:
            prepared = await self._api.param_serialize(
                method, resource, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = await self._api.call_api(*prepared, _request_timeout=_TIMEOUT)
            text = (await response.read()).decode()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"{method} {path}: {error or type(error).__name__}") from error
        if 200 <= response.status < 300:
            return json.loads(text)
        raise _refusal(response.status, f"{method} {path}: {_message(text)}")


def _refusal(status: int, message: str) -> ClusterError:
    match status:
        case 404:
            return NotFoundError(message, status=status)
        case 409:
            return ConflictError(message, status=status)
        case 401 | 403:
            return ForbiddenError(message, status=status)
        case 400 | 413 | 422:
            return RefusedError(message, status=status)
        case 429 | 500 | 502 | 503 | 504:
            return UnavailableError(message, status=status)
        case _:
            return ClusterError(message, status=status)


def _message(text: str) -> str:
    """Return the sentence of a Status object, or the text where it is none (a proxy's page)."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip()[:200] or "no answer"
