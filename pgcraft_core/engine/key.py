"""Typed keys: the names under which steps hand values to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Key(Generic[T]):
    """A value that exactly one step produces."""

    name: str

    def __str__(self) -> str:
        """The name, as messages show it."""
        return self.name


@dataclass(frozen=True)
class CollectedKey(Generic[T]):
    """Values that any number of steps contribute to; a step that requires it receives all of them as one tuple.

    The order is that in which the steps run.
    """

    name: str

    def __str__(self) -> str:
        """The name, as messages show it."""
        return self.name


AnyKey = Key[Any] | CollectedKey[Any]
