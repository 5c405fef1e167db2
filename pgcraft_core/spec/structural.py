"""Structural schemas, the JSON Schema dialect of CRDs, from pydantic models."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

# Told in other ways, or not expressible in a structural schema.
_DROPPED = frozenset({"title", "default", "$defs"})

_FIRST = ("type", "description", "required")
_LAST = ("x-kubernetes-validations", "additionalProperties", "items", "properties")


class UnstructuralSchemaError(Exception):
    """A model uses what structural schemas cannot say; `path` leads to it."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"{path}: {reason}")


def structural_schema(model: type[BaseModel], path: str) -> Schema:
    """Return the structural schema of `model`; `path` is where it stands, for errors.

    Defaults become the end of descriptions, for the API server would write them into specs, and GitOps tools would
    see a difference for ever. Raises UnstructuralSchemaError.
    """
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(document, document.get("$defs", {}), path)


def _structural(schema: Schema, definitions: Schema, path: str) -> Schema:
    schema = _without_null(_resolve(schema, definitions), definitions, path)
    result: Schema = {}
    for keyword, value in schema.items():
        match keyword:
            case _ if keyword in _DROPPED:
                continue
            case "properties":
                result[keyword] = {
                    name: _structural(member, definitions, f"{path}.{name}") for name, member in value.items()
                }
            case "items":
                result[keyword] = _structural(value, definitions, f"{path}[*]")
            case "additionalProperties":
                result |= _additional_properties(value, definitions, path)
            case "const":
                result["enum"] = [value]
            case "exclusiveMinimum" | "exclusiveMaximum":
                result |= {keyword.removeprefix("exclusive").lower(): value, keyword: True}
            case "anyOf" if not schema.get("x-kubernetes-int-or-string"):
                raise UnstructuralSchemaError(path, "a choice between several types cannot be declared in a CRD")
            case "oneOf" | "allOf" | "not" | "propertyNames" | "prefixItems" | "patternProperties":
                raise UnstructuralSchemaError(path, f"{keyword} cannot be declared in a CRD")
            case _:
                result[keyword] = value
    if "description" in result:
        result["description"] = _described(result["description"], schema.get("default"))
    if result.get("type") == "array":
        result.setdefault("x-kubernetes-list-type", "atomic")
    return dict(sorted(result.items(), key=_reading_order))


def _reading_order(entry: tuple[str, Any]) -> tuple[int, str]:
    """Sort what a field is before its bounds, and its members last."""
    keyword = entry[0]
    if keyword in _FIRST:
        return _FIRST.index(keyword), ""
    return len(_FIRST) + _LAST.index(keyword) + 1 if keyword in _LAST else len(_FIRST), keyword


def _resolve(schema: Schema, definitions: Schema) -> Schema:
    """Return `schema` with its reference replaced by what it names; what stands beside the reference wins."""
    if "$ref" not in schema:
        return schema
    beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
    return _merge(_resolve(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions), beside)


def _without_null(schema: Schema, definitions: Schema, path: str) -> Schema:
    """Return `schema` as the one type it has beside null: in Kubernetes an absent field says so."""
    choices = schema.get("anyOf")
    if choices is None or schema.get("x-kubernetes-int-or-string"):
        return schema
    present = [choice for choice in choices if choice != {"type": "null"}]
    if len(present) != 1:
        raise UnstructuralSchemaError(path, "a choice between several types cannot be declared in a CRD")
    beside = {keyword: value for keyword, value in schema.items() if keyword != "anyOf"}
    return _without_null(_merge(_resolve(present[0], definitions), beside), definitions, path)


def _merge(schema: Schema, beside: Schema) -> Schema:
    rules = [*schema.get("x-kubernetes-validations", []), *beside.get("x-kubernetes-validations", [])]
    return schema | beside | ({"x-kubernetes-validations": rules} if rules else {})


def _additional_properties(value: bool | Schema, definitions: Schema, path: str) -> Schema:
    match value:
        case False:  # The API server drops unknown fields by itself, and clients warn of them.
            return {}
        case True:
            return {"x-kubernetes-preserve-unknown-fields": True}
        case _:
            return {"additionalProperties": _structural(value, definitions, f"{path}[*]")}


def _described(description: str, default: Any) -> str:
    if default in (None, [], {}, ""):
        return description
    told = (
        default
        if isinstance(default, str)
        else ", ".join(default)
        if isinstance(default, list)
        else json.dumps(default)
    )
    return f"{description} Defaults to `{told}`."
