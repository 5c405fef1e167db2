"""Run resolved steps over their inputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

from pgcraft_core.engine.errors import PluginDefinitionError
from pgcraft_core.engine.key import AnyKey, CollectedKey, Key
from pgcraft_core.engine.plugin import Step

T = TypeVar("T")


class Values:
    """What a run produced, by key."""

    def __init__(self, single: Mapping[AnyKey, Any], collected: Mapping[AnyKey, Sequence[Any]]) -> None:
        self._single = single
        self._collected = collected

    @overload
    def get(self, key: CollectedKey[T]) -> tuple[T, ...]: ...
    @overload
    def get(self, key: Key[T]) -> T | None: ...
    def get(self, key: Key[T] | CollectedKey[T]) -> T | tuple[T, ...] | None:
        """Return the value of a key; None or an empty tuple where nothing produced it."""
        if isinstance(key, CollectedKey):
            return tuple(self._collected.get(key, ()))
        return self._single.get(key)


def run(steps: Sequence[Step], inputs: Mapping[Any, Any]) -> Values:
    """Run `steps`, already in order, starting from `inputs`.

    Raises:
        PluginDefinitionError: a step returned another number of values than it declares.
    """
    single: dict[AnyKey, Any] = dict(inputs)
    collected: dict[AnyKey, list[Any]] = defaultdict(list)
    for step in steps:
        arguments = [tuple(collected[key]) if isinstance(key, CollectedKey) else single[key] for key in step.requires]
        result = step.run(*arguments)
        values = (result,) if len(step.produces) == 1 else tuple(result)
        if len(values) != len(step.produces):
            raise PluginDefinitionError(
                f"step {step} declares {len(step.produces)} keys but returned {len(values)} values"
            )
        for key, value in zip(step.produces, values, strict=True):
            if isinstance(key, CollectedKey):
                collected[key].extend(value)
            else:
                single[key] = value
    return Values(single, collected)
