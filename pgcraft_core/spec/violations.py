"""Finds where a resource breaks the rules its models declare, as the API server does with the same rules in CEL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.spec.annotations import MapList, Rule, SetList
from pgcraft_core.spec.base import Resource, SpecModel
from pgcraft_core.spec.shape import Shape, fields_of


def find_violations(resource: Resource) -> Iterator[Diagnostic]:
    """Yield every broken rule and every repeated entry of a list, in the order of the fields.

    Transition rules are left out: they need the object before the change.
    """
    yield from _broken(resource.rules, resource, "")
    shape = fields_of(type(resource))["spec"][1]
    yield from _in_value(shape, resource.spec, "spec")


def _in_model(model: BaseModel, path: str) -> Iterator[Diagnostic]:
    if isinstance(model, SpecModel):
        yield from _broken(model.rules, model, path)
    for alias, (name, shape) in fields_of(type(model)).items():
        value = getattr(model, name)
        if value is not None:
            yield from _in_value(shape, value, f"{path}.{alias}")


def _in_value(shape: Shape, value: Any, path: str) -> Iterator[Diagnostic]:
    yield from _broken((marker for marker in shape.markers if isinstance(marker, Rule)), value, path)
    if isinstance(value, BaseModel):
        yield from _in_model(value, path)
    elif shape.entry is not None:
        yield from _repeated(shape, value, path)
        for position, entry in enumerate(value):
            yield from _in_value(shape.entry, entry, f"{path}[{_identity(shape, entry) or position}]")


def _broken(rules: Iterable[Rule], value: Any, path: str) -> Iterator[Diagnostic]:
    for rule in rules:
        if rule.holds is not None and not rule.holds(value):
            yield Diagnostic(".".join(part for part in (path, rule.path) if part), rule.message)


def _repeated(shape: Shape, entries: tuple[Any, ...], path: str) -> Iterator[Diagnostic]:
    if not any(isinstance(marker, MapList | SetList) for marker in shape.markers):
        return
    identities = [_identity(shape, entry) or entry for entry in entries]
    for identity in dict.fromkeys(identities):
        if identities.count(identity) > 1:
            yield Diagnostic(f"{path}[{identity}]", f"There is more than one {identity!r} here; keep one.")


def _identity(shape: Shape, entry: Any) -> str | None:
    return getattr(entry, shape.map_key) if shape.map_key else None
