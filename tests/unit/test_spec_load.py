"""What authors read when a manifest does not have the form of its kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.spec.base import ResourceKey
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.load import load_resource


def _manifest(kind: str = "Dimension", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "pgcraft.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "airports", "namespace": "team-geo"},
        "spec": {"databaseRef": {"name": "warehouse"}} | spec,
    }


def _findings(document: dict[str, Any]) -> list[Diagnostic]:
    findings = load_resource(document)
    assert isinstance(findings, list)
    return findings


def test_a_sound_manifest_becomes_a_resource() -> None:
    columns = [{"name": 'Order "No."', "type": "text", "check": "length(x) > 0\nand true"}]
    dimension = load_resource(_manifest(columns=columns, plugins=[{"name": "p", "config": {"deep": [{"x": None}]}}]))
    assert isinstance(dimension, Dimension)
    assert dimension.key == ResourceKey(kind="Dimension", namespace="team-geo", name="airports")
    assert dimension.spec.columns[0].name == 'Order "No."'
    assert dimension.spec.plugins[0].config == {"deep": [{"x": None}]}


def test_dates_that_yaml_reads_are_text() -> None:
    manifest = _manifest()
    manifest["metadata"]["creationTimestamp"] = datetime(2025, 1, 2, tzinfo=UTC)
    assert isinstance(load_resource(manifest), Dimension)


@pytest.mark.parametrize("kind", ["Dimensions", None, 3])
def test_an_unknown_kind_is_named_beside_the_known(kind: object) -> None:
    expected = f"{kind!r} is no kind of pgcraft: give one of Database, Dimension, PostgREST, Migration."
    assert _findings({"apiVersion": "pgcraft.io/v1alpha1", "kind": kind}) == [Diagnostic("kind", expected)]


def test_missing_parts_are_required() -> None:
    expected = {(path, "This field is required.") for path in ("apiVersion", "metadata", "spec")}
    assert {(found.path, found.message) for found in _findings({"kind": "Dimension"})} == expected


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        (
            {"columns": [{"name": "icao", "type": "text", "nulable": True}]},
            "spec.columns[icao].nulable",
            "There is no field 'nulable' here; did you mean 'nullable'?",
        ),
        (
            {"columns": [{"name": "icao", "type": "text"}, {"type": "text"}]},
            "spec.columns[1].name",
            "This field is required.",
        ),
        (
            {"primary_key": {}},
            "spec.primary_key",
            "There is no field 'primary_key' here; did you mean 'primaryKey'?",
        ),
        (
            {"databaseRef": {"name": "warehouse", "zzz": 1}},
            "spec.databaseRef.zzz",
            "There is no field 'zzz' here; give one of name, namespace.",
        ),
        (
            {"columns": [{"name": "n", "type": "int", "default": 0}]},
            "spec.columns[n].default",
            "This should be text, and YAML reads 0 as something else: put it in quotes.",
        ),
        (
            {"columns": [{"name": "n", "type": "int", "nullable": "no"}]},
            "spec.columns[n].nullable",
            "This should be true or false.",
        ),
        (
            {"columns": [{"name": "n", "type": "int", "references": {"dimension": "d", "onDelete": "cascade"}}]},
            "spec.columns[n].references.onDelete",
            "'cascade' is not known here: give 'NoAction', 'Restrict', 'Cascade', 'SetNull' or 'SetDefault'.",
        ),
        (
            {"columns": [{"name": "tab\there", "type": "int"}]},
            "spec.columns[0].name",
            "'tab\\there' does not do here: it may hold no control characters, such as line breaks and tabs.",
        ),
        (
            {"comment": "nul\x00"},
            "spec.comment",
            "'nul\\x00' does not do here: it may not hold the character NUL.",
        ),
        (
            {"databaseRef": {"name": "Ware House"}},
            "spec.databaseRef.name",
            "'Ware House' does not do here: it should be an object's name, of lower-case letters, digits, `-` and `.`.",
        ),
        ({"table": ""}, "spec.table", "This should not be empty."),
        ({"table": "x" * 64}, "spec.table", "This should have at most 63 characters."),
        ({"columns": {"icao": "text"}}, "spec.columns", "This should be a list."),
        (
            {"api": {"grants": [{"role": "anon", "privileges": []}]}},
            "spec.api.grants[anon].privileges",
            "This should not be empty.",
        ),
        (
            {"api": {"grants": [{"role": "anon", "privileges": ["select", "drop"]}]}},
            "spec.api.grants[anon].privileges[1]",
            "'drop' is not known here: give 'select', 'insert', 'update' or 'delete'.",
        ),
    ],
)
def test_a_finding_says_where_and_what_to_do(spec: dict[str, Any], path: str, message: str) -> None:
    assert _findings(_manifest(**spec)) == [Diagnostic(path, message)]


def test_all_findings_come_at_once() -> None:
    columns = [{"name": "a", "type": 1}, {"name": "b"}]
    assert [found.path for found in _findings(_manifest(columns=columns, tabel="x"))] == [
        "spec.columns[a].type",
        "spec.columns[b].type",
        "spec.tabel",
    ]


def test_a_choice_of_types_gives_one_finding() -> None:
    resources = {"limits": {"cpu": "500m", "memory": 1.5}}
    findings = _findings(_manifest("PostgREST", deployment={"resources": resources}))
    assert [found.path for found in findings] == ["spec.deployment.resources.limits.memory"]
