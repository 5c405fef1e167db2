"""From resources to units: the plugins of each dimension's type, resolved once and run for each dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from pgcraft_core.compile.policy import check_dimension, check_postgrest
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.dimensions import DIMENSION_TYPES
from pgcraft_core.engine.errors import PluginError
from pgcraft_core.engine.plugin import Plugin, Step
from pgcraft_core.engine.registry import PluginRegistry, register
from pgcraft_core.engine.resolver import resolve
from pgcraft_core.engine.run import run
from pgcraft_core.extensions.protocol import Extension, load_extensions
from pgcraft_core.plugins.vocabulary import (
    CONTEXT,
    DIAGNOSTICS,
    DIMENSION,
    OBJECTS,
    ORIGINS,
    REFERENCES,
    ROLES,
    SCHEMAS,
    TABLE,
    CompileContext,
)
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension, PluginUse
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_core.spec.validation import validate

DEFAULT_EXTENSIONS = ("postgrest",)


@dataclass(frozen=True, slots=True)
class CompileInput:
    """Everything one database is compiled from.

    `dimensions` and `postgrests` are all that refer to the Database, from every namespace; `server_version` is in
    Postgres's own form (180006); `verifier_fingerprints` are the SHA-256 of the SCRAM verifiers of PostgRESTs' logins;
    `today` is the date in UTC, which partitions by month follow.
    """

    database: Database
    database_name: str
    dimensions: tuple[Dimension, ...] = ()
    postgrests: tuple[PostgREST, ...] = ()
    verifier_fingerprints: Mapping[Claimant, str] = field(default_factory=dict)
    server_version: int = 180000
    today: date = field(default_factory=lambda: datetime.now(UTC).date())


class Compiler:
    """Compiles resources with the built-in dimension types and what the given extensions add.

    Raises (when constructed):
        PluginError: the plugins do not fit together.
    """

    def __init__(self, extensions: Sequence[Extension]) -> None:
        self._extensions = tuple(extensions)
        self._registry: PluginRegistry = register(
            types=[*DIMENSION_TYPES, *(type_ for extension in extensions for type_ in extension.types)],
            optional=[plugin for extension in extensions for plugin in extension.optional],
            always=[plugin for extension in extensions for plugin in extension.always],
        )
        # Types without optional plugins are nearly all there are: resolved once, which also checks them at start.
        self._plain = {name: self._resolve(name, ()) for name in self._registry.types}

    def compile(self, given: CompileInput) -> tuple[Unit, ...]:
        """Return one unit a resource, dimensions first; each has objects or diagnostics."""
        context = CompileContext(
            database=given.database,
            database_name=given.database_name,
            server_version=given.server_version,
            dimensions={(item.metadata.namespace, item.metadata.name): item for item in given.dimensions},
            verifier_fingerprints=given.verifier_fingerprints,
            today=given.today,
        )
        dimensions = [self._compile_dimension(item, context) for item in given.dimensions]
        others = [self._compile_other(item, context) for item in given.postgrests]
        return tuple(dimensions + others)

    def _compile_dimension(self, dimension: Dimension, context: CompileContext) -> Unit:
        claimant = dimension.key
        malformed = validate(dimension)
        denied = check_dimension(dimension, context)
        steps = self._steps(dimension)
        if isinstance(steps, list):
            return _failed(claimant, dimension, [*malformed, *denied, *steps])
        if malformed:  # plugins rely on what validation makes sure of
            return _failed(claimant, dimension, [*malformed, *denied])
        values = run(steps, {DIMENSION: dimension, CONTEXT: context})
        diagnostics = [*denied, *values.get(DIAGNOSTICS)]
        if diagnostics:
            return _failed(claimant, dimension, diagnostics)
        table = values.get(TABLE)
        return Unit(
            claimant,
            objects=values.get(OBJECTS),
            schemas=frozenset(values.get(SCHEMAS)),
            roles=frozenset(values.get(ROLES)),
            references=frozenset(values.get(REFERENCES)),
            origins={(table.id, origin.element): origin.path for origin in values.get(ORIGINS)} if table else {},
            created=dimension.metadata.creation_timestamp or "",
            uid=dimension.metadata.uid,
        )

    def _compile_other(self, resource: PostgREST, context: CompileContext) -> Unit:
        claimant = resource.key
        diagnostics = [*validate(resource), *check_postgrest(resource, context)]
        if diagnostics:
            return _failed(claimant, resource, diagnostics)
        for extension in self._extensions:
            unit = extension.compile_resource(resource, context)
            if unit is not None:
                return unit
        finding = Diagnostic("kind", f"no enabled extension knows {resource.kind}; enable the one that does")
        return _failed(claimant, resource, [finding])

    def _steps(self, dimension: Dimension) -> tuple[Step, ...] | list[Diagnostic]:
        """Return the resolved steps of a dimension's plugins, or what is wrong with its choice of them."""
        spec = dimension.spec
        if spec.type not in self._registry.types:
            known = ", ".join(sorted(self._registry.types))
            return [Diagnostic("spec.type", f"there is no dimension type {spec.type}; known types are: {known}")]
        if not spec.plugins:
            return self._plain[spec.type]
        plugins: list[Plugin] = []
        diagnostics: list[Diagnostic] = []
        for use in spec.plugins:
            plugin = self._configured(use)
            if isinstance(plugin, Plugin):
                plugins.append(plugin)
            else:
                diagnostics += plugin
        if diagnostics:
            return diagnostics
        try:
            return self._resolve(spec.type, plugins)
        except PluginError as error:
            return [Diagnostic("spec.plugins", str(error))]

    def _configured(self, use: PluginUse) -> Plugin | list[Diagnostic]:
        path = f"spec.plugins[{use.name}]"
        plugin = self._registry.optional.get(use.name)
        if plugin is None:
            known = ", ".join(sorted(self._registry.optional)) or "none"
            return [Diagnostic(f"{path}.name", f"there is no plugin {use.name}; installed are: {known}")]
        try:
            config: BaseModel = plugin.Config.model_validate(use.config)
        except ValidationError as error:
            return [
                Diagnostic(".".join([f"{path}.config", *(str(part) for part in item["loc"])]), item["msg"])
                for item in error.errors()
            ]
        return plugin(config)

    def _resolve(self, type_name: str, chosen: Sequence[Plugin]) -> tuple[Step, ...]:
        """Order the steps of a type's plugins, those every dimension gets, and the chosen ones.

        A chosen plugin replaces the type's plugin of the same name.
        """
        by_name: dict[str, Plugin] = {
            plugin.name: plugin() for plugin in (*self._registry.types[type_name].plugins, *self._registry.always)
        }
        by_name |= {plugin.name: plugin for plugin in chosen}
        steps = [step for plugin in by_name.values() for step in plugin.steps()]
        return resolve(steps, inputs=(DIMENSION, CONTEXT))


def compile_resources(given: CompileInput) -> tuple[Unit, ...]:
    """Compile with the extensions that are on by default; see `Compiler.compile`."""
    return _default_compiler().compile(given)


@cache
def _default_compiler() -> Compiler:
    return Compiler(load_extensions(DEFAULT_EXTENSIONS))


def _failed(claimant: Claimant, resource: Any, diagnostics: Sequence[Diagnostic]) -> Unit:
    return Unit(
        claimant,
        diagnostics=tuple(diagnostics),
        created=resource.metadata.creation_timestamp or "",
        uid=resource.metadata.uid,
    )
