"""Secrets as they are meant: decoded."""

from __future__ import annotations

import base64

from playground.cluster import Cluster


def read_secret(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    """Return a Secret's entries as text; raises `KubectlError` when it is not there."""
    data = cluster.get("secret", name, namespace).get("data", {})
    return {key: base64.b64decode(value).decode() for key, value in data.items()}
