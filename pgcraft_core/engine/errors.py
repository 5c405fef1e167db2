"""What is wrong with a set of plugins; raised when they are registered or resolved."""

from __future__ import annotations

from collections.abc import Sequence

from pgcraft_core.engine.key import AnyKey


class PluginError(Exception):
    """Root of all errors in the set-up of plugins."""


class PluginDefinitionError(PluginError):
    """A plugin class is not well formed: it has no name, or a step whose parameters do not fit its requires."""


class DuplicatePluginError(PluginError):
    """Two plugins have the same name."""


class MissingKeyError(PluginError):
    """A step requires a key that no step produces."""

    def __init__(self, key: AnyKey, required_by: str, available: Sequence[str]) -> None:
        super().__init__(
            f"{required_by} requires {key}, which no plugin produces; add the plugin that does "
            f"(produced: {', '.join(available)})"
        )
        self.key = key
        self.required_by = required_by


class DuplicateKeyError(PluginError):
    """Two steps produce the same single-valued key."""

    def __init__(self, key: AnyKey, producers: Sequence[str]) -> None:
        super().__init__(
            f"{key} is produced by {' and by '.join(producers)}; leave one of them out, or collect the key"
        )
        self.key = key
        self.producers = tuple(producers)


class CircularKeysError(PluginError):
    """Steps require each other's keys in a circle."""

    def __init__(self, circle: Sequence[str]) -> None:
        super().__init__(f"plugins require each other in a circle: {' -> '.join(circle)}")
        self.circle = tuple(circle)
