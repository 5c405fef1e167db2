"""Turns a manifest into a resource, or into sentences about what is wrong with its form."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.spec.base import LABEL_NAME, NO_CONTROL_CHARACTERS, NO_NUL, OBJECT_NAME
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.history import YEARS_AND_MONTHS
from pgcraft_core.spec.migration import Migration
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_core.spec.shape import Shape, fields_of, shape_of

AnyResource = Database | Dimension | PostgREST | Migration

MODELS: Mapping[str, type[AnyResource]] = {
    "Database": Database,
    "Dimension": Dimension,
    "PostgREST": PostgREST,
    "Migration": Migration,
}


def load_resource(document: Mapping[str, Any]) -> AnyResource | list[Diagnostic]:
    """Return the resource that `document` declares, or everything wrong with its form, each finding with its path.

    As strict as the API server: `"5432"` is no number, fields go by the names in the reference, and a field nobody
    knows is an error instead of being dropped. Rules across fields are left to `validate`.
    """
    kind = document.get("kind")
    model = MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return [Diagnostic("kind", f"{kind!r} is no kind of pgcraft: give one of {', '.join(MODELS)}.")]
    try:
        # By way of JSON, since strict Python input would take no list for a tuple; YAML's dates become text again.
        return model.model_validate_json(json.dumps(document, default=str), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        findings = (_diagnostic(detail, document, model) for detail in error.errors(include_url=False))
        return list({finding.path: finding for finding in findings}.values())


def _diagnostic(detail: ErrorDetails, document: Mapping[str, Any], model: type[BaseModel]) -> Diagnostic:
    path, parent = _locate(detail["loc"], document, model)
    return Diagnostic(path, _sentence(detail, parent))


def _locate(location: Sequence[str | int], document: Any, model: type[BaseModel]) -> tuple[str, type[BaseModel] | None]:
    """Return the path that `location` means, entries of lists by name, and the model of its last field."""
    path = ""
    value = document
    shape: Shape | None = shape_of(model)
    parent: type[BaseModel] | None = None
    for step in location:
        parent = shape.model if shape is not None else None
        match step, value:
            case int(), list():
                entry = value[step]
                key = shape.map_key if shape is not None else None
                name = entry.get(key) if key is not None and isinstance(entry, Mapping) else None
                path += f"[{name if isinstance(name, str) and name.isprintable() else step}]"
                value, shape = entry, shape.entry if shape is not None else None
            case str(), Mapping():
                path += f".{step}" if path else step
                field = fields_of(parent).get(step) if parent is not None else None
                value, shape = value.get(step), field[1] if field is not None else None
            case _:  # Not a place in the document but which of several types was tried there.
                break
    return path, parent


def _sentence(detail: ErrorDetails, parent: type[BaseModel] | None) -> str:
    write = _SENTENCES.get(detail["type"])
    if write is not None:
        return write(detail)
    if detail["type"] == "extra_forbidden":
        return _unknown_field(str(detail["loc"][-1]), parent)
    return detail["msg"].replace("Input should", "This should", 1).rstrip(".") + "."


def _unknown_field(name: str, parent: type[BaseModel] | None) -> str:
    known = list(fields_of(parent)) if parent is not None else []
    close = difflib.get_close_matches(name, known, n=1)
    way_out = f"did you mean {close[0]!r}?" if close else f"give one of {', '.join(known)}." if known else "remove it."
    return f"There is no field {name!r} here; {way_out}"


def _not_text(detail: ErrorDetails) -> str:
    match detail["input"]:
        case bool() | int() | float() as scalar:
            return f"This should be text, and YAML reads {json.dumps(scalar)} as something else: put it in quotes."
        case None:
            return "This should be text and is empty: give a value, or remove the field."
        case _:
            return "This should be text."


def _not_matching(detail: ErrorDetails) -> str:
    pattern = detail["ctx"]["pattern"]
    wanted = _PATTERNS.get(pattern, f"it should match {pattern}")
    return f"{detail['input']!r} does not do here: {wanted}."


_PATTERNS: Mapping[str, str] = {
    NO_CONTROL_CHARACTERS: "it may hold no control characters, such as line breaks and tabs",
    NO_NUL: "it may not hold the character NUL",
    OBJECT_NAME: "it should be an object's name, of lower-case letters, digits, `-` and `.`",
    YEARS_AND_MONTHS: "it should be a number of years, months or both, such as P2Y, P18M or P1Y6M",
    LABEL_NAME: "it should be a namespace's name, of lower-case letters, digits and `-`",
}

_SENTENCES: Mapping[str, Callable[[ErrorDetails], str]] = {
    "missing": lambda _: "This field is required.",
    "string_type": _not_text,
    "string_pattern_mismatch": _not_matching,
    "literal_error": lambda detail: f"{detail['input']!r} is not known here: give {detail['ctx']['expected']}.",
    "bool_type": lambda _: "This should be true or false.",
    "int_type": lambda _: "This should be a whole number, without quotes.",
    "tuple_type": lambda _: "This should be a list.",
    "model_type": lambda _: "This should be an object with fields.",
    "dict_type": lambda _: "This should be an object with fields.",
    "string_too_short": lambda _: "This should not be empty.",
    "string_too_long": lambda detail: f"This should have at most {detail['ctx']['max_length']} characters.",
    "too_short": lambda _: "This should not be empty.",
    "too_long": lambda detail: f"This should have at most {detail['ctx']['max_length']} entries.",
}
