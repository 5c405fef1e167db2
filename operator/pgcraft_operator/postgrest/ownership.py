"""Whose an object is: labels and owner references we write, and the check before anything is overwritten."""

from __future__ import annotations

from types import MappingProxyType

from pgcraft_core.spec.base import API_VERSION
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.cluster import Manifest
from pgcraft_operator.postgrest.errors import ForeignObjectError, PredecessorRemainsError

SELECTOR_LABEL = "pgcraft.io/postgrest"
"""Ours alone: the recommended labels are also those of a PostgREST that somebody installed by hand."""

_COMMON_LABELS = MappingProxyType(
    {
        "app.kubernetes.io/name": "postgrest",
        "app.kubernetes.io/component": "api",
        "app.kubernetes.io/managed-by": "pgcraft-operator",
    }
)


def selector(postgrest: PostgREST) -> dict[str, str]:
    """Return the labels that find the pods of one PostgREST resource, and no others, in its namespace."""
    return {SELECTOR_LABEL: postgrest.metadata.name}


def label_selector(postgrest: PostgREST) -> str:
    """Return the same as a LIST takes it."""
    return ",".join(f"{name}={value}" for name, value in selector(postgrest).items())


def labels(postgrest: PostgREST) -> dict[str, str]:
    """Return the labels of everything made for one PostgREST resource."""
    return {**_COMMON_LABELS, "app.kubernetes.io/instance": postgrest.metadata.name, **selector(postgrest)}


def owned_metadata(postgrest: PostgREST, name: str) -> Manifest:
    """Return the metadata of an object that is garbage-collected with the PostgREST resource."""
    return {
        "name": name,
        "namespace": postgrest.metadata.namespace,
        "labels": labels(postgrest),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": postgrest.kind,
                "name": postgrest.metadata.name,
                "uid": postgrest.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def require_ownership(live: Manifest, postgrest: PostgREST) -> None:
    """Return if an object that exists is this resource's own; when in doubt it is somebody else's.

    Raises:
        ForeignObjectError: it is somebody else's.
        PredecessorRemainsError: it is that of an earlier resource of the same name.
    """
    metadata = live["metadata"]
    controller = next((owner for owner in metadata.get("ownerReferences", ()) if owner.get("controller")), None)
    if controller is not None and controller["uid"] == postgrest.metadata.uid:
        return
    same_name = controller is not None and (controller["apiVersion"], controller["kind"], controller["name"]) == (
        API_VERSION,
        postgrest.kind,
        postgrest.metadata.name,
    )
    error = PredecessorRemainsError if same_name else ForeignObjectError
    raise error(live["kind"], metadata["namespace"], metadata["name"])
