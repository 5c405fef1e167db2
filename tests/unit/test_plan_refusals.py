"""Changes that planning refuses by what is applied alone: another key of a past, and renames that would do nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pgcraft_core.plan.ignored_renames import refuse_ignored_renames
from pgcraft_core.plan.past_key import refuse_key_changes
from pgcraft_core.spec.dimension import Dimension
from tests.corpus.world import applied, compiled, dimension, planned

PAST = ["AppendOnly", "EAV"]


def text(name: str, former: str | None = None) -> dict[str, Any]:
    return {"name": name, "type": "text", **({"renamedFrom": former} if former else {})}


def keyed(type_: str, key: list[str], *columns: Mapping[str, Any]) -> Dimension:
    return dimension("t", *columns, type=type_, primary_key={"strategy": "Natural", "columns": key})


def refused_keys(before: Dimension, after: Dimension) -> list[str]:
    registry = applied(planned(compiled(before))[0])
    found = refuse_key_changes(compiled(after), registry)
    return [str(finding) for findings in found.values() for finding in findings]


def ignored(before: Dimension, after: Dimension) -> list[str]:
    registry = applied(planned(compiled(before))[0])
    found = refuse_ignored_renames(compiled(after), registry)
    return [str(finding) for findings in found.values() for finding in findings]


@pytest.mark.parametrize("type_", PAST)
@pytest.mark.parametrize("key", [["k", "a"], ["a"]])
def test_the_key_of_a_past_gets_no_further_column_and_no_other(type_: str, key: list[str]) -> None:
    columns = (text("k"), text("a"))
    (finding,) = refused_keys(keyed(type_, ["k"], *columns), keyed(type_, key, *columns))
    assert finding.startswith("spec.primaryKey: geo.t_")
    assert "make a new dimension" in finding


@pytest.mark.parametrize("type_", PAST)
def test_the_key_of_a_past_may_be_renamed_and_put_in_order(type_: str) -> None:
    before = keyed(type_, ["k", "a"], text("k"), text("a"))
    assert not refused_keys(before, keyed(type_, ["a", "j"], text("j", "k"), text("a")))


def test_a_key_without_a_past_may_become_another() -> None:
    columns = (text("k"), text("a"))
    assert not refused_keys(keyed("Simple", ["k"], *columns), keyed("Simple", ["k", "a"], *columns))


@pytest.mark.parametrize("type_", ["Simple", *PAST])
def test_a_rename_onto_a_column_that_is_there_is_told(type_: str) -> None:
    before = dimension("t", text("a"), text("b"), type=type_)
    (finding,) = ignored(before, dimension("t", text("b", "a"), type=type_))
    assert finding.startswith("spec.columns[b].renamedFrom: nothing is renamed, since columns a and b are both there")


def test_a_swap_is_told() -> None:
    before = dimension("t", text("a"), text("b"))
    found = ignored(before, dimension("t", text("a", "b"), text("b", "a")))
    assert [finding.partition(":")[0] for finding in found] == [
        "spec.columns[a].renamedFrom",
        "spec.columns[b].renamedFrom",
    ]
    assert all("rename one to a third name first" in finding for finding in found)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((text("b"),), (text("b", "a"),)),  # done long ago
        ((text("b"), text("c")), (text("b", "a"), text("c", "b"))),  # two that followed each other, done
        ((text("a"), text("b")), (text("b", "a"), text("c", "b"))),  # the same, to be done
        ((text("a"),), (text("b", "a"),)),
    ],
)
def test_renames_that_are_done_or_can_be_are_not_told(before: Any, after: Any) -> None:
    assert not ignored(dimension("t", *before), dimension("t", *after))
