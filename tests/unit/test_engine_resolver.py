"""Plugins: their definition is checked, their steps are ordered, and what does not fit says who is at fault."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from pgcraft_core.compile import CompileInput, Compiler
from pgcraft_core.dimensions import DIMENSION_TYPES
from pgcraft_core.engine.errors import (
    CircularKeysError,
    DuplicateKeyError,
    DuplicatePluginError,
    MissingKeyError,
    PluginDefinitionError,
)
from pgcraft_core.engine.key import CollectedKey, Key
from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.engine.registry import DimensionType, register
from pgcraft_core.engine.resolver import resolve
from pgcraft_core.engine.run import run
from pgcraft_core.extensions.protocol import Extension, ExtensionNotFoundError, load_extensions
from pgcraft_core.plugins.vocabulary import COLUMNS, DIMENSION
from pgcraft_core.schema.table import Column, Table
from pgcraft_core.spec.dimension import Dimension
from tests.corpus.world import dimension, warehouse

SEED, LEFT, RIGHT, SUM = Key[int]("seed"), Key[int]("left"), Key[int]("right"), Key[int]("sum")
WORDS = CollectedKey[str]("words")


class Halves(Plugin):
    name = "halves"

    @requires(SEED)
    @produces(LEFT, RIGHT)
    def halve(self, seed: int) -> tuple[int, int]:
        return seed // 2, seed - seed // 2


class Total(Plugin):
    name = "total"

    @requires(LEFT, RIGHT, WORDS)
    @produces(SUM)
    def add(self, left: int, right: int, words: tuple[str, ...]) -> int:
        return left + right + len(words)


class Hello(Plugin):
    name = "hello"

    @produces(WORDS)
    def say(self) -> list[str]:
        return ["hello"]


class World(Plugin):
    name = "world"

    @requires(LEFT)
    @produces(WORDS)
    def say(self, left: int) -> list[str]:
        return ["world"] * left


def steps(*plugins: type[Plugin]) -> list[Any]:
    return [step for plugin in plugins for step in plugin().steps()]


def test_steps_run_after_what_they_require_and_collect_from_all() -> None:
    ordered = resolve(steps(Total, World, Hello, Halves), inputs=[SEED])
    assert [str(step) for step in ordered] == ["hello.say", "halves.halve", "world.say", "total.add"]
    values = run(ordered, {SEED: 5})
    assert values.get(SUM) == 5 + 3
    assert values.get(WORDS) == ("hello", "world", "world")


def test_order_of_free_steps_is_as_given() -> None:
    given = steps(Hello, Halves, World)
    assert [str(step) for step in resolve(given, [SEED])] == [str(step) for step in given]


def test_collected_key_nobody_contributes_to_is_empty() -> None:
    assert run(resolve(steps(Halves, Total), [SEED]), {SEED: 4}).get(SUM) == 4


def test_missing_key_names_the_step_the_key_and_what_there_is() -> None:
    with pytest.raises(
        MissingKeyError, match=r"total\.add requires left, which no plugin produces.*produced: seed, sum, words"
    ):
        resolve(steps(Hello, Total), [SEED])


def test_duplicate_key_names_both_steps() -> None:
    class Other(Halves):
        name = "other"

    with pytest.raises(DuplicateKeyError, match=r"left is produced by halves\.halve and by other\.halve"):
        resolve(steps(Halves, Other), [SEED])
    with pytest.raises(DuplicateKeyError, match=r"left is produced by the run's input and by halves\.halve"):
        resolve(steps(Halves), [SEED, LEFT])


def test_circle_names_its_steps() -> None:
    class Back(Plugin):
        name = "back"

        @requires(SUM)
        @produces(SEED)
        def back(self, total: int) -> int:
            return total

    with pytest.raises(CircularKeysError) as caught:
        resolve(steps(Halves, Total, Back), [])
    assert set(caught.value.circle) == {"halves.halve", "total.add", "back.back"}
    assert " -> " in str(caught.value)


def test_step_that_collects_what_it_contributes_to_is_a_circle() -> None:
    class Echo(Plugin):
        name = "echo"

        @requires(WORDS)
        @produces(WORDS)
        def echo(self, words: tuple[str, ...]) -> tuple[str, ...]:
            return words

    with pytest.raises(CircularKeysError, match=r"echo\.echo -> echo\.echo"):
        resolve(steps(Echo), [])


def test_wrong_number_of_values_names_the_step() -> None:
    class Short(Halves):
        @requires(SEED)
        @produces(LEFT, RIGHT)
        def halve(self, seed: int) -> tuple[int]:  # ty: ignore[incompatible-method-override]
            return (seed,)

    with pytest.raises(PluginDefinitionError, match=r"step halves\.halve declares 2 keys but returned 1 values"):
        run(resolve(steps(Short), [SEED]), {SEED: 1})


class Nameless(Plugin):
    @produces(LEFT)
    def left(self) -> int:
        return 1


class Idle(Plugin):
    name = "idle"


class Mute(Plugin):
    name = "mute"

    @requires(LEFT)
    def take(self, left: int) -> None:
        assert left


class Greedy(Plugin):
    name = "greedy"

    @requires(LEFT)
    @produces(SUM)
    def take(self, left: int, right: int) -> int:
        return left + right


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (Nameless, "plugin class Nameless has no name"),
        (Idle, "plugin idle has no step"),
        (Mute, r"step mute\.take produces nothing"),
        (Greedy, r"step greedy\.take takes 2 arguments, but requires 1 keys"),
    ],
)
@pytest.mark.parametrize("place", ["types", "optional", "always"])
def test_malformed_plugin_is_refused_when_registered(plugin: type[Plugin], message: str, place: str) -> None:
    given: dict[str, Any] = {"types": []} | {place: [DimensionType("T", (plugin,))] if place == "types" else [plugin]}
    with pytest.raises(PluginDefinitionError, match=message):
        register(**given)


def test_two_plugins_or_types_of_one_name_are_refused() -> None:
    class Hello2(Hello):
        pass

    with pytest.raises(DuplicatePluginError, match="two plugins are named hello"):
        register([], optional=[Hello, Hello2])
    with pytest.raises(DuplicatePluginError, match="two dimension types are named Simple"):
        register([*DIMENSION_TYPES, DimensionType("Simple", (Hello,))])
    with pytest.raises(DuplicatePluginError, match="two plugins of dimension type T are named hello"):
        register([DimensionType("T", (Hello,))], always=[Hello2])


class SoftDeleteConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str = "deleted_at"


class SoftDelete(Plugin):
    name = "softDelete"
    Config: ClassVar[type[BaseModel]] = SoftDeleteConfig

    @produces(COLUMNS)
    def column(self) -> list[Column]:
        assert isinstance(self.config, SoftDeleteConfig)
        return [Column(name=self.config.column, type="timestamp with time zone")]


class ShoutingColumns(Plugin):
    name = "columns"

    @requires(DIMENSION)
    @produces(COLUMNS)
    def shout(self, dimension: Dimension) -> list[Column]:
        return [Column(name=column.name.upper(), type="text") for column in dimension.spec.columns]


SIMPLE = DIMENSION_TYPES[0]
LOUD = DimensionType("Loud", tuple(p if p.name != "columns" else ShoutingColumns for p in SIMPLE.plugins))


class ThirdParty(Extension):
    name = "thirdParty"
    types = (LOUD,)
    optional = (SoftDelete, ShoutingColumns)


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    point = EntryPoint("thirdParty", f"{__name__}:ThirdParty", "pgcraft.extensions")
    monkeypatch.setattr(EntryPoint, "load", lambda self: ThirdParty)
    monkeypatch.setattr("pgcraft_core.extensions.protocol.entry_points", lambda group: [point])
    return Compiler(load_extensions(["thirdParty"]))


def table_columns(compiler: Compiler, **spec: Any) -> list[str]:
    (unit,) = compiler.compile(
        CompileInput(warehouse(), "w", dimensions=(dimension("things", {"name": "code", "type": "text"}, **spec),))
    )
    assert not unit.diagnostics, "; ".join(map(str, unit.diagnostics))
    (table,) = unit.objects
    assert isinstance(table, Table)
    return [column.name for column in table.columns]


def test_third_party_type_and_plugins_work_without_touching_ours(third_party: Compiler) -> None:
    assert table_columns(third_party) == ["id", "code"]
    assert table_columns(third_party, type="Loud") == ["id", "CODE"]
    chosen = [{"name": "softDelete", "config": {"column": "gone"}}]
    assert table_columns(third_party, plugins=chosen) == ["id", "code", "gone"]
    assert table_columns(third_party, plugins=[{"name": "softDelete"}]) == ["id", "code", "deleted_at"]


def test_chosen_plugin_replaces_the_types_own_of_that_name(third_party: Compiler) -> None:
    assert table_columns(third_party, plugins=[{"name": "columns"}]) == ["id", "CODE"]


def test_bad_choice_of_plugins_is_said_with_its_path(third_party: Compiler) -> None:
    bad = [{"name": "nope"}, {"name": "softDelete", "config": {"colum": 1}}]
    (unit,) = third_party.compile(CompileInput(warehouse(), "w", dimensions=(dimension("a", plugins=bad),)))
    assert [finding.path for finding in unit.diagnostics] == [
        "spec.plugins[nope].name",
        "spec.plugins[softDelete].config.colum",
    ]
    assert "installed are: columns, softDelete" in unit.diagnostics[0].message


def test_extension_that_is_not_installed_is_named() -> None:
    with pytest.raises(ExtensionNotFoundError, match=r"extension nope is not installed; installed are: .*postgrest"):
        load_extensions(["postgrest", "nope"])
