"""What a dimension may say of its past, and how long it is kept."""

from typing import Any

import pytest

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.history import History
from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.validation import validate


def load(**spec: Any) -> Dimension | list[Diagnostic]:
    loaded = load_resource(
        {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": "Dimension",
            "metadata": {"name": "airports", "namespace": "team-geo"},
            "spec": {"databaseRef": {"name": "warehouse"}, **spec},
        }
    )
    assert isinstance(loaded, Dimension | list)
    return loaded


def wide(number: int, **spec: Any) -> list[Diagnostic]:
    loaded = load(columns=[{"name": f"c{index}", "type": "text"} for index in range(number)], **spec)
    assert isinstance(loaded, Dimension)
    return validate(loaded)


@pytest.mark.parametrize(("text", "months"), [("P2Y", 24), ("P18M", 18), ("P1Y6M", 18), ("P1M", 1), (None, None)])
def test_a_retention_is_years_and_months(text: str | None, months: int | None) -> None:
    assert History(partition_by="Month", retain=text).retain_months == months


@pytest.mark.parametrize("text", ["P", "2Y", "P2W", "P30D", "P0M", "P1.5Y", "P6M1Y", "P1Y0M", "-P1Y", "p1y", "P1Y "])
def test_other_durations_are_refused_with_examples(text: str) -> None:
    findings = load(type="AppendOnly", history={"partitionBy": "Month", "retain": text})
    assert isinstance(findings, list)
    (finding,) = findings
    assert finding.path == "spec.history.retain"
    assert finding.message.endswith("it should be a number of years, months or both, such as P2Y, P18M or P1Y6M.")


def test_a_log_that_says_since_when_values_stand_is_kept() -> None:
    dimension = load(type="EAV", history={"partitionBy": "Month", "retain": "P1Y"})
    assert isinstance(dimension, Dimension)
    (finding,) = validate(dimension)
    assert finding.path == "spec.history.retain"
    assert "since when the values that stand do" in finding.message


def test_what_a_type_adds_counts_toward_the_columns_a_table_can_have() -> None:
    for type_name, most, opened in (("Simple", 1599, False), ("AppendOnly", 1592, False), ("EAV", 1595, True)):
        assert wide(most, type=type_name, open=opened) == []
        (finding,) = wide(most + 1, type=type_name, open=opened)
        assert finding.path == "spec.columns"
        assert "at most 1600 columns, and this one would have 1601" in finding.message
        assert "open: true" in finding.message


def test_more_attributes_than_columns_are_told_to_go_to_open() -> None:
    (finding,) = wide(1700, type="EAV", open=True)
    assert finding.message == (
        "A table of Postgres has at most 1600 columns, and this one would have 1705, 4 of them the type's own: "
        "declare the attributes that are filtered by, and leave the others to open: true."
    )


def test_the_names_a_type_needs_are_told_with_all_of_them() -> None:
    dimension = load(type="EAV", columns=[{"name": "extra", "type": "jsonb"}, {"name": "valid_from", "type": "date"}])
    assert isinstance(dimension, Dimension)
    assert validate(dimension) == [
        Diagnostic(
            "spec.columns",
            "EAV has columns created_at, created_by, created_via, extra, attribute of its own; name the column "
            "otherwise.",
        )
    ]


def test_types_of_plugin_packages_take_what_they_like() -> None:
    dimension = load(
        type="Bitemporal",
        open=True,
        history={"partitionBy": "Month"},
        api={"history": True},
        columns=[{"name": "valid_from", "type": "date"}],
    )
    assert isinstance(dimension, Dimension)
    assert validate(dimension) == []
