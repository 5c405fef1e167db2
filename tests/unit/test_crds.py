"""The CRDs in the repository are those of the models, and are what users and API servers need them to be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgcraft_core.spec.crd import custom_resource_definitions, main, render

FOLDER = Path(__file__).parents[2] / "crds"
DEFINITIONS = custom_resource_definitions()

Schema = dict[str, Any]

each_definition = pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=lambda d: d["spec"]["names"]["kind"])


def _root(definition: Schema) -> Schema:
    return definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def _walk(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Yield every schema below `schema` with its path."""
    yield path, schema
    for name, member in schema.get("properties", {}).items():
        yield from _walk(member, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from _walk(schema[keyword], f"{path}[*]")


def _declared(definition: Schema) -> list[tuple[str, Schema]]:
    members = _root(definition)["properties"]
    return [found for part in ("spec", "status") for found in _walk(members[part], part)]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_file_is_what_the_models_generate(name: str) -> None:
    regenerate = "run `python -m pgcraft_core.spec.crd crds/`"
    assert (FOLDER / name).read_text("utf-8") == render(DEFINITIONS[name]), regenerate


def test_the_folder_holds_no_other_files() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(DEFINITIONS)


def test_the_command_writes_every_file(tmp_path: Path) -> None:
    assert main([str(tmp_path / "crds")]) == 0
    written = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in (tmp_path / "crds").iterdir()}
    assert written == DEFINITIONS


def test_the_command_without_a_folder_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "FOLDER" in capsys.readouterr().err


@each_definition
def test_every_field_is_described(definition: Schema) -> None:
    undescribed = [
        f"{path}.{name}"
        for path, schema in _declared(definition)
        for name, member in schema.get("properties", {}).items()
        if not re.search(r"\.$", member.get("description", ""))
    ]
    assert undescribed == []


@each_definition
def test_everything_is_bounded(definition: Schema) -> None:
    """Or the API server refuses the rules for their cost."""
    bound = {"array": "maxItems", "string": "maxLength", "object": "maxProperties"}
    unbounded = [
        path
        for path, schema in _declared(definition)
        if (kind := schema.get("type")) in bound
        and bound[kind] not in schema
        and not {"enum", "properties"} & schema.keys()
    ]
    assert unbounded == []


@each_definition
def test_no_default_is_written_into_a_spec(definition: Schema) -> None:
    """GitOps tools would see a difference to the manifest for ever."""
    defaults = {path: schema["default"] for path, schema in _declared(definition) if "default" in schema}
    assert defaults == {"status": {"observedGeneration": -1}}


@each_definition
def test_only_structural_keywords_are_used(definition: Schema) -> None:
    foreign = {"$ref", "$defs", "title", "const", "oneOf", "allOf", "not", "propertyNames", "nullable"}
    found = [path for path, schema in _declared(definition) if foreign & schema.keys()]
    choices = [
        path
        for path, schema in _declared(definition)
        if "anyOf" in schema and "x-kubernetes-int-or-string" not in schema
    ]
    assert found == choices == []


@each_definition
def test_every_list_says_how_it_is_merged(definition: Schema) -> None:
    for path, schema in _declared(definition):
        if schema.get("type") != "array":
            continue
        match schema["x-kubernetes-list-type"]:
            case "map":
                keys = schema["x-kubernetes-list-map-keys"]
                assert set(keys) <= set(schema["items"]["required"]), path
            case "set":
                assert schema["items"]["type"] == "string", path
            case other:
                assert other == "atomic", path


def test_lists_of_objects_are_shared_by_their_names() -> None:
    keys = {
        f"{definition['spec']['names']['kind']}.{path}": schema["x-kubernetes-list-map-keys"]
        for definition in DEFINITIONS.values()
        for path, schema in _declared(definition)
        if "x-kubernetes-list-map-keys" in schema
    }
    by_name = ("columns", "indexes", "checks", "uniques", "foreignKeys", "plugins")
    assert keys == {
        **{f"Dimension.spec.{name}": ["name"] for name in by_name},
        "Dimension.spec.api.grants": ["role"],
        "PostgREST.spec.roles": ["name"],
        "Database.spec.allowedNamespaces": ["namespace"],
        **{f"{kind}.status.conditions": ["type"] for kind in ("Database", "Dimension", "PostgREST", "Migration")},
    }


@each_definition
def test_no_rule_nests_loops(definition: Schema) -> None:
    loop = re.compile(r"\.(all|exists|exists_one|map|filter)\(")
    rules = [
        rule["rule"]
        for _, schema in _walk(_root(definition), "")
        for rule in schema.get("x-kubernetes-validations", [])
    ]
    assert rules
    # Two loops in one rule may stand one after the other, and none does.
    assert [rule for rule in rules if len(loop.findall(rule)) > 1] == []


@each_definition
def test_printed_and_selectable_paths_lead_to_fields(definition: Schema) -> None:
    version = definition["spec"]["versions"][0]
    entries = [*version["additionalPrinterColumns"], *version.get("selectableFields", [])]
    for path in (entry["jsonPath"] for entry in entries):
        if path == ".metadata.creationTimestamp":
            continue
        schema = _root(definition)
        for step in re.sub(r"\[[^]]*]", ".[]", path).strip(".").split("."):
            schema = schema["items"] if step == "[]" else schema["properties"][step]
        assert schema["type"] in {"string", "integer"}, path


def test_descriptions_tell_defaults() -> None:
    spec = _root(DEFINITIONS["pgcraft.io_databases.yaml"])["properties"]["spec"]["properties"]
    assert spec["connection"]["properties"]["sslMode"]["description"].endswith("Defaults to `verify-full`.")
    assert spec["suspend"]["description"].endswith("Defaults to `false`.")
    assert "Defaults to" not in spec["extensions"]["description"]


def test_the_kinds_go_by_their_names() -> None:
    names = {
        (names["kind"], names["plural"], *names["shortNames"], *names["categories"])
        for names in (definition["spec"]["names"] for definition in DEFINITIONS.values())
    }
    assert names == {
        ("Database", "databases", "pgdb", "pgcraft"),
        ("Dimension", "dimensions", "dim", "pgcraft"),
        ("PostgREST", "postgrests", "pgrst", "pgcraft"),
        ("Migration", "migrations", "pgmig", "pgcraft"),
    }
