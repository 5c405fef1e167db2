"""Which plugins and dimension types there are: ours, and those that extensions add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pgcraft_core.engine.errors import DuplicatePluginError
from pgcraft_core.engine.plugin import Plugin

_Named = TypeVar("_Named")


@dataclass(frozen=True, slots=True)
class DimensionType:
    """A named tuple of plugins that together compile a dimension."""

    name: str
    plugins: tuple[type[Plugin], ...]


@dataclass(frozen=True, slots=True)
class PluginRegistry:
    """The dimension types, the plugins a dimension may switch on, and those every dimension gets."""

    types: Mapping[str, DimensionType] = field(default_factory=dict)
    optional: Mapping[str, type[Plugin]] = field(default_factory=dict)
    always: tuple[type[Plugin], ...] = ()


def register(
    types: Sequence[DimensionType], optional: Sequence[type[Plugin]] = (), always: Sequence[type[Plugin]] = ()
) -> PluginRegistry:
    """Check every plugin and return the registry of them.

    Raises:
        PluginDefinitionError: a plugin class is not well formed.
        DuplicatePluginError: two types or two plugins share a name.
    """
    for plugin in dict.fromkeys([*(plugin for type_ in types for plugin in type_.plugins), *always, *optional]):
        plugin.check_definition()
    for type_ in types:
        # Only a dimension's own choice replaces a plugin; here one of the two would be lost without a word.
        _by_name(
            [(plugin.name, plugin) for plugin in (*type_.plugins, *always)], f"plugins of dimension type {type_.name}"
        )
    return PluginRegistry(
        types=_by_name([(type_.name, type_) for type_ in types], "dimension types"),
        optional=_by_name([(plugin.name, plugin) for plugin in optional], "plugins"),
        always=tuple(always),
    )


def _by_name(named: Sequence[tuple[str, _Named]], what: str) -> dict[str, _Named]:
    names = [name for name, _ in named]
    for name in names:
        if names.count(name) > 1:
            raise DuplicatePluginError(f"two {what} are named {name}; rename one of them, or install only one")
    return dict(named)
