"""What a model says beyond types: rules (in CEL and in Python), and how Kubernetes merges its lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

RULES_KEY = "x-kubernetes-validations"

RuleReason = Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule over a value, told twice: to the API server in CEL, and to the engine, which has none, in Python.

    Stands in `Annotated[...]` for a scalar or list, or in a model's `rules`. `message` is a sentence with the way out.
    `path` leads from the value to the field at fault, dotted (`api.schema`); empty where it is the value itself.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None
    """Whether a value keeps the rule; None for a transition rule, which needs the object before the change."""
    path: str = ""
    reason: RuleReason = "FieldValueInvalid"

    def to_kubernetes(self) -> dict[str, str]:
        """Return the entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        if self.path:
            entry["fieldPath"] = f".{self.path}"
        if self.reason != "FieldValueInvalid":
            entry["reason"] = self.reason
        return entry

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return add_rules(handler(core_schema), (self,))


@dataclass(frozen=True, slots=True)
class MapList:
    """Marks a list of objects whose field `key` identifies an entry, so that several writers can share the list."""

    key: str

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core_schema) | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}


@dataclass(frozen=True, slots=True)
class SetList:
    """Marks a list of scalars that may not repeat; its order is kept."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core_schema) | {"x-kubernetes-list-type": "set"}


@dataclass(frozen=True, slots=True)
class IntOrString:
    """Marks a scalar that Kubernetes takes as a number or as text, such as a quantity."""

    pattern: str
    max_length: int

    def __get_pydantic_json_schema__(self, _core_schema: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": self.max_length,
            "pattern": self.pattern,
            "x-kubernetes-int-or-string": True,
        }


def add_rules(schema: JsonSchemaValue, rules: tuple[Rule, ...]) -> JsonSchemaValue:
    """Return `schema` with `rules` after those it already has."""
    if not rules:
        return schema
    return schema | {RULES_KEY: [*schema.get(RULES_KEY, []), *(rule.to_kubernetes() for rule in rules)]}
