"""What is wrong with a resource beyond its form: the parts that rules in CRDs cannot see."""

from __future__ import annotations

from typing import Any

import pytest

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.spec.base import Resource
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.validation import validate


def _resource(kind: str, spec: dict[str, Any]) -> Resource:
    resource = load_resource(
        {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": "airports", "namespace": "team-geo"},
            "spec": spec,
        }
    )
    assert not isinstance(resource, list), resource
    return resource


def _dimension(**spec: Any) -> Resource:
    columns = [{"name": name, "type": "text"} for name in ("icao", "iata", "country")]
    return _resource("Dimension", {"databaseRef": {"name": "warehouse"}, "columns": columns} | spec)


def test_a_sound_dimension_has_no_findings() -> None:
    dimension = _dimension(
        primaryKey={"strategy": "Natural", "columns": ["icao"]},
        uniques=[{"name": "codes", "columns": ["icao", "iata"]}],
        foreignKeys=[
            {"name": "to_self", "columns": ["iata"], "references": {"dimension": "airports", "columns": ["icao"]}},
            # Whether another dimension has these columns is seen where it is at hand.
            {"name": "elsewhere", "columns": ["country"], "references": {"dimension": "countries", "columns": ["x"]}},
        ],
        indexes=[
            {
                "name": "mixed",
                "columns": ["icao"],
                "expressions": ["lower(iata)"],
                "include": ["country"],
                "operatorClasses": {"icao": "text_pattern_ops", "1": "text_pattern_ops"},
            }
        ],
    )
    assert validate(dimension) == []


def test_the_generated_key_can_be_referred_to() -> None:
    assert validate(_dimension(indexes=[{"name": "by_key", "columns": ["country", "id"]}])) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"primaryKey": {"strategy": "Natural", "columns": ["code"]}}, "spec.primaryKey.columns[code]"),
        ({"uniques": [{"name": "u", "columns": ["icao", "code"]}]}, "spec.uniques[u].columns[code]"),
        ({"indexes": [{"name": "i", "columns": ["code"]}]}, "spec.indexes[i].columns[code]"),
        ({"indexes": [{"name": "i", "columns": ["icao"], "include": ["code"]}]}, "spec.indexes[i].include[code]"),
        (
            {"foreignKeys": [{"name": "f", "columns": ["code"], "references": {"dimension": "d"}}]},
            "spec.foreignKeys[f].columns[code]",
        ),
        (
            {
                "foreignKeys": [
                    {"name": "f", "columns": ["icao"], "references": {"dimension": "airports", "columns": ["code"]}}
                ]
            },
            "spec.foreignKeys[f].references.columns[code]",
        ),
        (
            {"columns": [{"name": "a", "type": "text", "references": {"dimension": "airports", "column": "code"}}]},
            "spec.columns[a].references.column[code]",
        ),
    ],
)
def test_undeclared_columns_are_named(spec: dict[str, Any], path: str) -> None:
    message = "There is no column 'code': declare it in columns, or correct the name."
    assert validate(_dimension(**spec)) == [Diagnostic(path, message)]


def test_the_same_name_in_another_namespace_is_another_dimension() -> None:
    references = {"dimension": "airports", "namespace": "team-air", "column": "code"}
    assert validate(_dimension(columns=[{"name": "a", "type": "text", "references": references}])) == []


@pytest.mark.parametrize(
    ("kind", "spec", "path", "repeated"),
    [
        (
            "Dimension",
            {"databaseRef": {"name": "w"}, "columns": [{"name": "a", "type": "text"}, {"name": "a", "type": "int"}]},
            "spec.columns[a]",
            "a",
        ),
        (
            "Dimension",
            {"databaseRef": {"name": "w"}, "indexes": [{"name": "i", "columns": ["id", "id"]}]},
            "spec.indexes[i].columns[id]",
            "id",
        ),
        (
            "Dimension",
            {
                "databaseRef": {"name": "w"},
                "api": {"grants": [{"role": "r", "privileges": ["select"]}, {"role": "r", "privileges": ["insert"]}]},
            },
            "spec.api.grants[r]",
            "r",
        ),
        ("PostgREST", {"databaseRef": {"name": "w"}, "schemas": ["api", "api"]}, "spec.schemas[api]", "api"),
        (
            "Database",
            {"connection": {"secretRef": {"name": "s"}}, "allowedNamespaces": [{"namespace": "n"}] * 2},
            "spec.allowedNamespaces[n]",
            "n",
        ),
    ],
)
def test_repeated_entries_are_named(kind: str, spec: dict[str, Any], path: str, repeated: str) -> None:
    message = f"There is more than one {repeated!r} here; keep one."
    assert validate(_resource(kind, spec)) == [Diagnostic(path, message)]


def test_an_operator_class_belongs_to_an_element() -> None:
    index = {"name": "i", "columns": ["icao"], "operatorClasses": {"iata": "text_ops", "1": "text_ops"}}
    assert [found.path for found in validate(_dimension(indexes=[index]))] == [
        "spec.indexes[i].operatorClasses[iata]",
        "spec.indexes[i].operatorClasses[1]",
    ]


def test_an_index_holds_no_more_columns_than_postgres_takes() -> None:
    columns = [{"name": f"c{number}", "type": "int"} for number in range(33)]
    names = [column["name"] for column in columns]
    fitting = {"name": "i", "columns": names[:31], "include": names[31:32]}
    assert validate(_dimension(columns=columns, indexes=[fitting])) == []
    full = {"name": "i", "columns": names[:31], "include": names[31:]}
    assert [found.path for found in validate(_dimension(columns=columns, indexes=[full]))] == ["spec.indexes[i]"]


def test_a_column_is_renamed_from_one_that_is_gone() -> None:
    columns = [{"name": "a", "type": "text"}, {"name": "b", "type": "text", "renamedFrom": "a"}]
    assert [found.path for found in validate(_dimension(columns=columns))] == ["spec.columns[b].renamedFrom"]


def test_renames_may_follow_each_other() -> None:
    columns = [
        {"name": "b", "type": "text", "renamedFrom": "a"},
        {"name": "c", "type": "text", "renamedFrom": "b"},
    ]
    assert validate(_dimension(columns=columns)) == []


def test_one_column_cannot_become_two() -> None:
    columns = [{"name": name, "type": "text", "renamedFrom": "a"} for name in ("b", "c")]
    assert [found.path for found in validate(_dimension(columns=columns))] == [
        "spec.columns[b].renamedFrom",
        "spec.columns[c].renamedFrom",
    ]


def test_a_duration_beyond_all_bounds_is_a_finding() -> None:
    spec = {"connection": {"secretRef": {"name": "s"}}, "drift": {"interval": "99999999999999h"}}
    assert [found.path for found in validate(_resource("Database", spec))] == ["spec.drift.interval"]


def test_an_allowed_function_that_names_none_is_said_to_be_so() -> None:
    database = load_resource(
        {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": "Database",
            "metadata": {"name": "warehouse", "namespace": "platform"},
            "spec": {"connection": {"secretRef": {"name": "app"}}, "allowedFunctions": ["geo.area(numeric)", "area("]},
        }
    )
    assert isinstance(database, Database)

    (finding,) = validate(database)

    assert finding.path == "spec.allowedFunctions[1]"
    assert "written with its schema" in finding.message
