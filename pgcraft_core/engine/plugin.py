"""What a plugin is: a name, a configuration, and steps declared by `@requires` and `@produces`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from pgcraft_core.engine.errors import PluginDefinitionError
from pgcraft_core.engine.key import AnyKey

_Method = TypeVar("_Method", bound=Callable[..., Any])


class NoConfig(BaseModel):
    """Configuration of a plugin that takes none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def requires(*keys: Any) -> Callable[[_Method], _Method]:
    """Declare which keys a step receives, as positional arguments in this order."""

    def mark(method: _Method) -> _Method:
        method.__requires__ = keys  # ty: ignore[missing-attribute]
        return method

    return mark


def produces(*keys: Any) -> Callable[[_Method], _Method]:
    """Declare which keys a step returns: its value for one key, a tuple in this order for several.

    A collected key's value is a sequence, which may be empty.
    """

    def mark(method: _Method) -> _Method:
        method.__produces__ = keys  # ty: ignore[missing-attribute]
        return method

    return mark


@dataclass(frozen=True, slots=True)
class Step:
    """One decorated method of one plugin."""

    plugin: str
    name: str
    run: Callable[..., Any]
    requires: tuple[AnyKey, ...]
    produces: tuple[AnyKey, ...]

    def __str__(self) -> str:
        """`plugin.step`, as messages show it."""
        return f"{self.plugin}.{self.name}"


class Plugin:
    """Base of all plugins.

    A subclass sets `name` and, where it is configurable, `Config`; its decorated methods are its steps. Steps are pure:
    what they need comes through their keys, what they find goes out through them.
    """

    name: ClassVar[str]
    Config: ClassVar[type[BaseModel]] = NoConfig

    def __init__(self, config: BaseModel | None = None) -> None:
        """Take a validated configuration, or the default one."""
        self.config = config if config is not None else self.Config()

    @classmethod
    def check_definition(cls) -> None:
        """Check that the class is a well-formed plugin.

        Raises:
            PluginDefinitionError: naming the plugin and the step at fault.
        """
        if not getattr(cls, "name", ""):
            raise PluginDefinitionError(f"plugin class {cls.__qualname__} has no name; set the class attribute `name`")
        steps = list(_decorated(cls))
        if not steps:
            raise PluginDefinitionError(f"plugin {cls.name} has no step; decorate a method with @produces(...)")
        for method_name, method in steps:
            required = getattr(method, "__requires__", ())
            if not getattr(method, "__produces__", ()):
                raise PluginDefinitionError(f"step {cls.name}.{method_name} produces nothing; add @produces(...)")
            parameters = [p for p in inspect.signature(method).parameters.values() if p.name != "self"]
            if len(parameters) != len(required):
                raise PluginDefinitionError(
                    f"step {cls.name}.{method_name} takes {len(parameters)} arguments, "
                    f"but requires {len(required)} keys"
                )

    def steps(self) -> tuple[Step, ...]:
        """Return this plugin's steps in the order in which the class defines them."""
        return tuple(
            Step(
                plugin=self.name,
                name=method_name,
                run=getattr(self, method_name),
                requires=getattr(method, "__requires__", ()),
                produces=method.__produces__,
            )
            for method_name, method in _decorated(type(self))
        )


def _decorated(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the decorated methods of a class, bases first, so that an override keeps its place."""
    seen: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        seen |= {name: attribute for name, attribute in vars(base).items() if _is_decorated(attribute)}
    yield from seen.items()


def _is_decorated(attribute: object) -> bool:
    return hasattr(attribute, "__produces__") or hasattr(attribute, "__requires__")
