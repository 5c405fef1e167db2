"""A container's environment and command line, resolved as a kubelet does."""

import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")

Fetch = Callable[[str, str], Awaitable[dict[str, Any] | None]]
"""Returns a Secret or ConfigMap (kind in the API's plural, name) of the Pod's namespace; None when absent."""


class ContainerConfigError(Exception):
    """The container cannot be started as things are; `reason` is what a kubelet reports for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def resolve_environment(
    container: Mapping[str, Any], pod: Mapping[str, Any], address: str, fetch: Fetch
) -> dict[str, str]:
    """Return the variables the Pod declares for a container: `envFrom` first, then `env`, later ones winning.

    Raises `ContainerConfigError` when a Secret, a ConfigMap or a key that is not optional is missing.
    """
    environment: dict[str, str] = {}
    for source in container.get("envFrom", []):
        for kind, field in (("secrets", "secretRef"), ("configmaps", "configMapRef")):
            if reference := source.get(field):
                content = await _content(kind, reference, fetch)
                environment |= {source.get("prefix", "") + key: value for key, value in content.items()}
    for variable in container.get("env", []):
        if "valueFrom" not in variable:
            environment[variable["name"]] = expand(variable.get("value", ""), environment)
            continue
        value = await _value_from(variable["valueFrom"], pod, address, fetch)
        if value is not None:
            environment[variable["name"]] = value
    return environment


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by what the environment says; unknown names stay, and `$$` is a dollar sign."""

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else environment.get(name, match[0])

    return _REFERENCE.sub(replace, text)


async def _value_from(source: Mapping[str, Any], pod: Mapping[str, Any], address: str, fetch: Fetch) -> str | None:
    for kind, field in (("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef")):
        if reference := source.get(field):
            content = await _content(kind, reference, fetch)
            key = reference["key"]
            if key not in content and not reference.get("optional"):
                raise _missing(f"couldn't find key {key} in {_noun(kind)} {reference['name']}")
            return content.get(key)
    if reference := source.get("fieldRef"):
        return _field(reference["fieldPath"], pod, address)
    raise _missing(f"the process node does not know valueFrom.{next(iter(source), '')}")


async def _content(kind: str, reference: Mapping[str, Any], fetch: Fetch) -> dict[str, str]:
    found = await fetch(kind, reference["name"])
    if found is None:
        if reference.get("optional"):
            return {}
        raise _missing(f'{_noun(kind)} "{reference["name"]}" not found')
    data = found.get("data") or {}
    if kind == "secrets":
        return {key: base64.b64decode(value).decode() for key, value in data.items()}
    return dict(data)


def _field(path: str, pod: Mapping[str, Any], address: str) -> str:
    metadata, spec = pod["metadata"], pod["spec"]
    if match := _SUBSCRIPT.fullmatch(path):
        return metadata.get(match[1], {}).get(match[2], "")
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.podIP": address,
        "status.podIPs": address,
        "status.hostIP": "127.0.0.1",
        "status.hostIPs": "127.0.0.1",
    }
    if path not in known:
        raise _missing(f"the process node does not know the field {path}")
    return known[path]


def _noun(kind: str) -> str:
    return "secret" if kind == "secrets" else "configmap"


def _missing(message: str) -> ContainerConfigError:
    return ContainerConfigError("CreateContainerConfigError", message)
