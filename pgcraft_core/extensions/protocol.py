"""What an extension may add to the engine, and how installed ones are found."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import ClassVar

from pgcraft_core.engine.plugin import Plugin
from pgcraft_core.engine.registry import DimensionType
from pgcraft_core.plugins.vocabulary import CompileContext
from pgcraft_core.schema.unit import Unit
from pgcraft_core.spec.base import Resource

ENTRY_POINT_GROUP = "pgcraft.extensions"


class ExtensionNotFoundError(Exception):
    """An extension that the configuration names is not installed."""

    def __init__(self, name: str, installed: Sequence[str]) -> None:
        super().__init__(
            f"extension {name} is not installed; installed are: {', '.join(installed) or 'none'}. "
            f"Install the package that declares it under the entry point group {ENTRY_POINT_GROUP}."
        )
        self.name = name


class Extension:
    """Base of all extensions; each attribute and method adds nothing unless overridden."""

    name: ClassVar[str]
    always: ClassVar[tuple[type[Plugin], ...]] = ()
    """Plugins that run for every dimension."""
    optional: ClassVar[tuple[type[Plugin], ...]] = ()
    """Plugins that a dimension switches on by name."""
    types: ClassVar[tuple[DimensionType, ...]] = ()
    """Dimension types."""

    def compile_resource(self, resource: Resource, context: CompileContext) -> Unit | None:  # noqa: ARG002
        """Return what a resource of this extension's own kinds becomes, or None for a kind it does not know."""
        return None


def load_extensions(names: Sequence[str]) -> tuple[Extension, ...]:
    """Return the installed extensions of these names, in this order.

    Raises:
        ExtensionNotFoundError: one is not installed.
    """
    installed = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    extensions: list[Extension] = []
    for name in names:
        if name not in installed:
            raise ExtensionNotFoundError(name, sorted(installed))
        extensions.append(installed[name].load()())
    return tuple(extensions)
