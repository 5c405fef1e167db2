"""What kopf watches for us: every handler only marks Databases dirty, in constant time and without I/O."""

from __future__ import annotations

from typing import Any

import kopf

from pgcraft_core.spec.base import GROUP, VERSION
from pgcraft_operator.cluster import Cluster
from pgcraft_operator.gate import Gate
from pgcraft_operator.hub import Hub
from pgcraft_operator.postgrest.expose import forget
from pgcraft_operator.subscriptions import Subscriptions, database_of

# Tokens of service accounts and Helm's releases are never what a Database refers to, and are most Secrets of a cluster.
_SECRETS_OF_OTHERS = "type!=kubernetes.io/service-account-token,type!=helm.sh/release.v1"

_OUR_WORKLOADS = "app.kubernetes.io/managed-by=pgcraft-operator"


def operator_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: it watches, and writes nothing, neither Events nor annotations nor finalizers."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.queueing.worker_limit = None
    # The CRDs are looked for before kopf starts and namespaces are given by name, so it need not watch for either.
    settings.scanning.disabled = True
    # An API server that was away is watched again within five seconds, not within the twenty that kopf allows itself.
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 5, 5, 5, 5, 5)
    settings.networking.trust_env = True  # as the client of the cluster port does
    settings.watching.field_selectors["", "v1", "secrets"] = _SECRETS_OF_OTHERS
    settings.watching.label_selectors["apps", "v1", "deployments"] = _OUR_WORKLOADS
    settings.watching.chunk_size = 500
    return settings


def watch_registry(cluster: Cluster, hub: Hub) -> kopf.OperatorRegistry:
    """Return the handlers that turn watch events into marks on the hub."""
    registry = kopf.OperatorRegistry()
    gate, subscriptions = Gate(), Subscriptions()

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        credentials = await cluster.credentials()
        return kopf.ConnectionInfo(
            server=credentials.server,
            ca_path=credentials.ca_path,
            ca_data=credentials.ca_data,
            insecure=credentials.insecure,
            username=credentials.username,
            password=credentials.password,
            scheme=credentials.scheme,
            token=credentials.token,
            certificate_path=credentials.certificate_path,
            private_key_path=credentials.private_key_path,
            proxy_url=credentials.proxy_url,
            trust_env=True,
        )

    @kopf.on.event(GROUP, VERSION, "databases", registry=registry)
    @kopf.on.event(GROUP, VERSION, "postgrests", registry=registry)
    async def notice_platform(event: Any, **_: Any) -> None:
        manifest = event["object"]
        if event["type"] == "DELETED":
            subscriptions.drop(manifest["metadata"]["uid"])
            forget(manifest["metadata"]["uid"])
        else:
            subscriptions.keep(manifest)
        if gate.admits(event["type"], manifest):
            hub.mark(database_of(manifest))

    @kopf.on.event(GROUP, VERSION, "dimensions", registry=registry)
    async def notice_dimension(event: Any, **_: Any) -> None:
        manifest = event["object"]
        if gate.admits(event["type"], manifest):
            hub.mark(database_of(manifest))

    @kopf.on.event("", "v1", "secrets", registry=registry)
    @kopf.on.event("apps", "v1", "deployments", registry=registry)
    async def notice_dependency(event: Any, **_: Any) -> None:
        manifest = event["object"]
        concerned = subscriptions.databases_of(manifest)
        if concerned and gate.admits(event["type"], manifest):
            for database in concerned:
                hub.mark(database)

    return registry
