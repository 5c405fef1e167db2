"""Which Databases a Secret or a workload concerns, kept from what resources refer to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pgcraft_operator.hub import DatabaseKey


class SecretKey(NamedTuple):
    """Names a Secret."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Subscription:
    database: DatabaseKey
    secrets: frozenset[SecretKey]


class Subscriptions:
    """From Secrets and owners to Databases; every call takes constant time."""

    def __init__(self) -> None:
        self._by_uid: dict[str, _Subscription] = {}
        self._by_secret: dict[SecretKey, set[str]] = defaultdict(set)

    def keep(self, manifest: Mapping[str, Any]) -> None:
        """Note what a Database or PostgREST refers to, instead of what it referred to before."""
        uid = manifest["metadata"]["uid"]
        self.drop(uid)
        subscription = _Subscription(database_of(manifest), frozenset(_referenced_secrets(manifest)))
        self._by_uid[uid] = subscription
        for secret in subscription.secrets:
            self._by_secret[secret].add(uid)

    def drop(self, uid: str) -> None:
        """Forget a resource that is gone."""
        subscription = self._by_uid.pop(uid, None)
        for secret in subscription.secrets if subscription else ():
            self._by_secret[secret].discard(uid)
            if not self._by_secret[secret]:
                del self._by_secret[secret]

    def databases_of(self, manifest: Mapping[str, Any]) -> frozenset[DatabaseKey]:
        """Return the Databases a Secret or Deployment concerns: they name it, or own it through a PostgREST."""
        metadata = manifest["metadata"]
        uids = {owner.get("uid", "") for owner in metadata.get("ownerReferences") or ()}
        if manifest.get("kind") == "Secret":
            uids |= self._by_secret.get(SecretKey(metadata.get("namespace", ""), metadata["name"]), set())
        return frozenset(self._by_uid[uid].database for uid in uids if uid in self._by_uid)


def database_of(manifest: Mapping[str, Any]) -> DatabaseKey:
    """Return the Database a resource is, or refers to; works on specs that would not validate."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace", "")
    if manifest.get("kind") == "Database":
        return DatabaseKey(namespace, metadata["name"])
    reference = (manifest.get("spec") or {}).get("databaseRef") or {}
    return DatabaseKey(reference.get("namespace") or namespace, reference.get("name", ""))


def _referenced_secrets(manifest: Mapping[str, Any]) -> Iterator[SecretKey]:
    namespace = manifest["metadata"].get("namespace", "")
    spec = manifest.get("spec") or {}
    connection = spec.get("connection") or {}
    references = (
        connection.get("secretRef"),
        connection.get("passwordFrom"),
        connection.get("sslRootCertFrom"),
        (spec.get("jwt") or {}).get("secretRef"),
    )
    for reference in references:
        if reference and reference.get("name"):
            yield SecretKey(namespace, reference["name"])
