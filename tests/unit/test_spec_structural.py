from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from pgcraft_core.spec.structural import UnstructuralSchemaError, structural_schema


class Inner(BaseModel):
    """An inner object."""

    size: Annotated[int, Field(gt=0, lt=10)] = Field(3, description="Its size.")


class Outer(BaseModel):
    inner: Inner | None = Field(None, description="The inner one.")
    plain: Inner


def test_references_are_written_out_and_null_is_absence() -> None:
    inner = structural_schema(Outer, "spec")["properties"]["inner"]
    assert inner["type"] == "object"
    assert inner["description"] == "The inner one."
    assert "default" not in inner
    assert structural_schema(Outer, "spec")["properties"]["plain"]["description"] == "An inner object."


def test_exclusive_bounds_take_their_older_form() -> None:
    size = structural_schema(Inner, "spec")["properties"]["size"]
    assert size == {
        "type": "integer",
        "description": "Its size. Defaults to `3`.",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 10,
        "exclusiveMaximum": True,
    }


def test_a_choice_between_types_is_refused_with_its_path() -> None:
    class Choice(BaseModel):
        either: int | str

    with pytest.raises(UnstructuralSchemaError, match=r"^spec\.either: a choice between several types"):
        structural_schema(Choice, "spec")
