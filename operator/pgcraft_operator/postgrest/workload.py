"""The Deployment and the Service of a PostgREST resource, as they are applied; pure."""

from __future__ import annotations

import re
from typing import Any

from pgcraft_core.spec.postgrest import Deployment, PostgREST, Service
from pgcraft_operator.cluster import Manifest
from pgcraft_operator.postgrest.comparison import stamp
from pgcraft_operator.postgrest.errors import UnservableSpecError
from pgcraft_operator.postgrest.ownership import labels, owned_metadata, selector
from pgcraft_operator.postgrest.workload_secret import AUTHORITIES_FOLDER, AUTHORITIES_KEY, WorkloadSecret

CONTAINER = "postgrest"
API_PORT = 3000
ADMIN_PORT = 3001

SECRET_CHECKSUM = "pgcraft.io/secret-checksum"  # noqa: S105 - the name of an annotation
RESTARTED_FOR = "pgcraft.io/restarted-for"
"""Fingerprint of the shape that pods were restarted for, so that they are so at most once."""

_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?\Z")  # RFC 1035: what every Kubernetes takes
_DRAIN = 2  # seconds in which a Service forgets a pod that is to end; PostgREST ends at once when told


def require_servable(postgrest: PostgREST) -> None:
    """Return if names can be expressed where they have to go.

    Raises:
        UnservableSpecError: the resource's name is no Service's, or a schema's name would not survive `db-schemas`.
    """
    name = postgrest.metadata.name
    if not _SERVICE_NAME.match(name):
        raise UnservableSpecError(
            f"metadata.name: {name} cannot name a Service; take at most 63 of a-z, 0-9 and -, with a letter first"
        )
    for schema in postgrest.spec.schemas:
        if "," in schema or schema != schema.strip():
            raise UnservableSpecError(
                f"spec.schemas: PostgREST cannot be told to serve {schema!r}, for it separates names by commas and "
                "drops spaces around them; use a schema without"
            )


def deployment(postgrest: PostgREST, secret: WorkloadSecret, *, restarted_for: str | None = None) -> Manifest:
    """Return the Deployment; pods are replaced one by one when anything they read at their start has changed."""
    declared = postgrest.spec.deployment or Deployment()
    annotations = {SECRET_CHECKSUM: secret.checksum} | ({RESTARTED_FOR: restarted_for} if restarted_for else {})
    pod: dict[str, Any] = {
        # PostgREST talks to Postgres and to clients, never to the API server.
        "automountServiceAccountToken": False,
        # A Service by the name of `pgrst-…` must not put variables into PostgREST's environment.
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(postgrest, declared, secret)],
    }
    if secret.has_authorities:
        items = [{"key": AUTHORITIES_KEY, "path": AUTHORITIES_KEY}]
        pod["volumes"] = [{"name": "tls", "secret": {"secretName": secret.name, "items": items}}]
    return stamp(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": owned_metadata(postgrest, postgrest.metadata.name),
            "spec": {
                "replicas": declared.replicas,
                "revisionHistoryLimit": 3,
                "selector": {"matchLabels": selector(postgrest)},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "template": {"metadata": {"labels": labels(postgrest), "annotations": annotations}, "spec": pod},
            },
        }
    )


def service(postgrest: PostgREST) -> Manifest:
    """Return the Service in front of the pods."""
    declared = postgrest.spec.service or Service()
    port = {"name": "http", "protocol": "TCP", "appProtocol": "http", "port": declared.port, "targetPort": "http"}
    return stamp(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": owned_metadata(postgrest, postgrest.metadata.name),
            "spec": {"type": declared.type, "selector": selector(postgrest), "ports": [port]},
        }
    )


def service_url(postgrest: PostgREST) -> str:
    """Return where clients in the cluster find the API."""
    declared = postgrest.spec.service or Service()
    return f"http://{postgrest.metadata.name}.{postgrest.metadata.namespace}.svc:{declared.port}"


def _container(postgrest: PostgREST, declared: Deployment, secret: WorkloadSecret) -> Manifest:
    container: Manifest = {
        "name": CONTAINER,
        "image": declared.image,
        "ports": [
            {"name": "http", "containerPort": API_PORT, "protocol": "TCP"},
            {"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        "env": _environment(postgrest, secret.name),
        # PostgREST opens its ports once it has reached the database: while that is away at the start, ten minutes of
        # patience instead of restarts, whose back-off would outlast the database's return.
        "startupProbe": _probe("/live", period=1, failures=600),
        "livenessProbe": _probe("/live", period=10, failures=3),
        "readinessProbe": _probe("/ready", period=2, failures=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": _DRAIN}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if declared.resources:
        container["resources"] = dict(declared.resources)
    if secret.has_authorities:
        container["volumeMounts"] = [{"name": "tls", "mountPath": AUTHORITIES_FOLDER, "readOnly": True}]
    return container


def _environment(postgrest: PostgREST, secret: str) -> list[Manifest]:
    spec = postgrest.spec
    audience = spec.jwt.audience if spec.jwt else None
    settings: dict[str, str | int | None] = {
        "DB_SCHEMAS": ",".join(spec.schemas),
        "DB_ANON_ROLE": spec.anonymous_role.name if spec.anonymous_role else None,
        "DB_CHANNEL_ENABLED": "true",
        "DB_POOL": spec.pool_size,
        "DB_MAX_ROWS": spec.max_rows,
        "JWT_AUD": audience,
        "OPENAPI_MODE": "follow-privileges",
        "SERVER_PORT": API_PORT,
        "ADMIN_SERVER_PORT": ADMIN_PORT,
        "LOG_LEVEL": "warn",
    }
    return [
        {"name": "PGRST_DB_URI", "valueFrom": {"secretKeyRef": {"name": secret, "key": "db-uri"}}},
        {"name": "PGRST_JWT_SECRET", "valueFrom": {"secretKeyRef": {"name": secret, "key": "jwt-secret"}}},
        # The pod's own address and no other, so that several can share a machine's network.
        {"name": "PGRST_SERVER_HOST", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
        *(
            # A doubled dollar is a single one to Kubernetes, which would expand `$(NAME)`.
            {"name": f"PGRST_{name}", "value": str(value).replace("$", "$$")}
            for name, value in settings.items()
            if value is not None
        ),
    ]


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    look = {"path": path, "port": "admin", "scheme": "HTTP"}
    return {"httpGet": look, "periodSeconds": period, "timeoutSeconds": 2, "failureThreshold": failures}
