"""What is measured: a set of relations with the same rows, reached as the same API role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

DimensionType = Literal["Simple", "AppendOnly", "EAV"]
DIMENSION_TYPES: tuple[DimensionType, ...] = ("Simple", "AppendOnly", "EAV")

Relation = Literal["current", "as_of", "versions", "attributes", "attribute_history", "attributes_as_of"]
"""What a statement is about: the current state, or a table expression over the past, in which $1 is the instant."""

OURS, PLAIN, PEER = "ours", "plain", "pgcraft 0.13"


@dataclass(frozen=True, slots=True)
class Subject:
    """One way to keep the entities: as the API role sees it (`url`), and as the superuser prepares it (`admin_url`).

    `entities` is a table that has every id, for the superuser; `lacks` says why a relation is not there.
    """

    name: str
    url: str
    admin_url: str
    entities: str
    relations: Mapping[Relation, str]
    lacks: Mapping[Relation, str] = field(default_factory=dict)
