"""Every rule of the CRDs refuses what it should and nothing else, in the API server and in the engine alike."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.spec.annotations import RULES_KEY
from pgcraft_core.spec.base import API_VERSION, GROUP, VERSION
from pgcraft_core.spec.crd import KINDS, custom_resource_definitions
from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.validation import validate
from playground.cluster import Cluster

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"
NAMESPACE = "default"
PLURALS = {kind.name: kind.plural for kind in KINDS}
SMALLEST: dict[str, dict[str, Any]] = {
    "Database": {"connection": {"secretRef": {"name": "warehouse-app"}}},
    "Dimension": {"databaseRef": {"name": "warehouse"}},
    "PostgREST": {"databaseRef": {"name": "warehouse"}},
    "Migration": {"databaseRef": {"name": "warehouse"}, "planHash": "0" * 64},
}

EXAMPLES = [
    document
    for path in sorted((ROOT / "examples").rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text("utf-8"))
    if document["apiVersion"] == API_VERSION
]

_numbers = itertools.count()


@dataclass(frozen=True)
class Case:
    """One entry of crd_rules.yaml."""

    kind: str
    rule: str
    at: str
    refuse: dict[str, Any]
    accept: dict[str, Any]
    before: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
    name: str | None = None

    def manifest(self, spec: dict[str, Any]) -> dict[str, Any]:
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": {"name": self.name or f"case-{next(_numbers)}", "namespace": NAMESPACE},
            "spec": _merged(SMALLEST[self.kind], spec),
        }


def _merged(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Merge as a JSON merge patch does: objects go together, null removes."""
    merged = dict(base)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


CASES = [Case(**entry) for entry in yaml.safe_load(Path(__file__).with_name("crd_rules.yaml").read_text("utf-8"))]
of_creation = pytest.mark.parametrize("case", [case for case in CASES if case.before is None], ids=lambda case: case.at)
of_change = pytest.mark.parametrize(
    "case", [case for case in CASES if case.before is not None], ids=lambda case: case.at
)


class Server:
    """The API server with our CRDs."""

    def __init__(self, api: client.CustomObjectsApi) -> None:
        self._api = api

    def try_create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Return what would be stored."""
        return _object(self._api.create_namespaced_custom_object(**_kind(manifest), body=manifest, dry_run="All"))

    def try_replace(self, current: dict[str, Any], manifest: dict[str, Any]) -> None:
        body = manifest | {"metadata": current["metadata"]}
        self._api.replace_namespaced_custom_object(**_name(current), body=body, dry_run="All")

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        return _object(self._api.create_namespaced_custom_object(**_kind(manifest), body=manifest))

    def report(self, current: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        body = current | {"status": status}
        return _object(self._api.replace_namespaced_custom_object_status(**_name(current), body=body))

    def delete(self, current: dict[str, Any]) -> None:
        self._api.delete_namespaced_custom_object(**_name(current))


def _kind(manifest: dict[str, Any]) -> dict[str, Any]:
    return {"group": GROUP, "version": VERSION, "namespace": NAMESPACE, "plural": PLURALS[manifest["kind"]]}


def _name(manifest: dict[str, Any]) -> dict[str, Any]:
    return _kind(manifest) | {"name": manifest["metadata"]["name"]}


def _object(answer: object) -> dict[str, Any]:
    assert isinstance(answer, dict)
    return answer


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Server]:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(CRDS))
    names = [f"crd/{kind.plural}.{GROUP}" for kind in KINDS]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    with client.ApiClient(_configuration(cluster)) as api_client:
        yield Server(client.CustomObjectsApi(api_client))


def _configuration(cluster: Cluster) -> client.Configuration:
    configuration = client.Configuration()
    config.load_kube_config(str(cluster.kubeconfig), client_configuration=configuration)
    return configuration


@pytest.fixture
def existing(server: Server, case: Case) -> Iterator[dict[str, Any]]:
    """The object of a case about a change, as it was before."""
    assert case.before is not None
    current = server.create(case.manifest(case.before))
    try:
        yield server.report(current, case.status) if case.status else current
    finally:
        server.delete(current)


def _refusals(error: client.ApiException) -> list[tuple[str, str]]:
    causes = json.loads(error.body or "")["details"]["causes"]
    return [(cause["field"], cause["message"]) for cause in causes]


def _assert_refused_by_its_rule(case: Case, error: client.ApiException) -> None:
    refusals = _refusals(error)
    assert len(refusals) == 1, refusals
    field, message = refusals[0]
    assert message.endswith(case.rule)
    # The API server counts entries, we name them.
    assert re.sub(r"\[[^]]*]", "[]", field) == re.sub(r"\[[^]]*]", "[]", case.at)


@pytest.mark.cluster
@of_creation
def test_the_api_server_refuses_what_breaks_the_rule_and_accepts_what_keeps_it(server: Server, case: Case) -> None:
    with pytest.raises(client.ApiException) as caught:
        server.try_create(case.manifest(case.refuse))
    _assert_refused_by_its_rule(case, caught.value)
    server.try_create(case.manifest(case.accept))


@pytest.mark.cluster
@of_change
def test_the_api_server_refuses_a_change_that_breaks_the_rule(
    server: Server, case: Case, existing: dict[str, Any]
) -> None:
    with pytest.raises(client.ApiException) as caught:
        server.try_replace(existing, case.manifest(case.refuse))
    _assert_refused_by_its_rule(case, caught.value)
    server.try_replace(existing, case.manifest(case.accept))


@pytest.mark.cluster
def test_nothing_is_written_into_a_spec_and_status_is_in_progress_from_the_start(server: Server) -> None:
    manifest = CASES[0].manifest({"api": {"grants": [{"role": "anon", "privileges": ["select"]}]}})
    created = server.try_create(manifest)
    assert created["spec"] == manifest["spec"]
    assert created["status"] == {"observedGeneration": -1}


@pytest.mark.cluster
def test_reordered_index_columns_arrive_by_server_side_apply(cluster: Cluster, server: Server) -> None:
    """The list is a set to the API server, and still its order is what the author wrote."""
    manifest = CASES[0].manifest({})
    for columns in (["a", "b", "c"], ["c", "a", "b"]):
        manifest["spec"]["indexes"] = [{"name": "i", "columns": columns}]
        cluster.apply(manifest)
        stored = cluster.get("dimension", manifest["metadata"]["name"], NAMESPACE)
        assert stored["spec"]["indexes"][0]["columns"] == columns
    server.delete(manifest)


@pytest.mark.cluster
def test_resources_are_listed_by_category_and_selected_by_database(cluster: Cluster, server: Server) -> None:
    manifests = [CASES[0].manifest({"databaseRef": {"name": name}}) for name in ("listed", "other")]
    cluster.apply(*manifests)
    shown = cluster.kubectl("get", "pgcraft", "--namespace", NAMESPACE, "--output", "name")
    assert {f"dimension.{GROUP}/{manifest['metadata']['name']}" for manifest in manifests} <= set(shown.split())
    selector = "spec.databaseRef.name=listed"
    selected = cluster.kubectl("get", "dim", "--namespace", NAMESPACE, "--field-selector", selector).splitlines()
    assert selected[0].split() == ["NAME", "SCHEMA", "TABLE", "TYPE", "DATABASE", "READY", "DRIFTED", "REASON", "AGE"]
    assert [line.split()[0] for line in selected[1:]] == [manifests[0]["metadata"]["name"]]
    for manifest in manifests:
        server.delete(manifest)


@pytest.mark.cluster
@pytest.mark.parametrize("manifest", EXAMPLES, ids=lambda manifest: manifest["metadata"]["name"])
def test_the_api_server_accepts_the_examples_to_the_last_field(
    cluster: Cluster, server: Server, manifest: dict[str, Any]
) -> None:
    here = manifest | {"metadata": {"name": manifest["metadata"]["name"], "namespace": NAMESPACE}}
    text = yaml.safe_dump(here)
    cluster.kubectl("create", "--dry-run=server", "--validate=strict", "--filename", "-", input=text)


def _long(prefix: str, number: int) -> str:
    return f"{prefix}{number:03}".ljust(63, "x")


@pytest.mark.cluster
@pytest.mark.parametrize("type_name", ["Simple", "AppendOnly", "EAV"])
def test_the_widest_dimension_keeps_within_the_cost_of_rules(server: Server, type_name: str) -> None:
    """Wider than Postgres takes: what is too wide is to be told in a sentence that names the way out."""
    columns = [_long("c", number) for number in range(2000)]
    table = {"schema": _long("s", 0), "name": _long("t", 0)}
    several = columns[:32]
    reference = {"table": table, "onUpdate": "Cascade"}
    spec = {
        "type": type_name,
        "primaryKey": {"strategy": "Natural", "columns": [_long("k", number) for number in range(32)]},
        "columns": [
            {"name": name, "type": "text", "check": "x" * 200, "references": {**reference, "column": name}}
            for name in columns
        ],
        "uniques": [{"name": _long("u", number), "columns": several} for number in range(64)],
        "indexes": [{"name": _long("i", number), "columns": several, "include": several} for number in range(64)],
        "foreignKeys": [
            {"name": _long("f", number), "columns": several, "references": {"table": table, "columns": several}}
            for number in range(64)
        ],
        "api": {"grants": [{"role": _long("r", number), "privileges": ["select"]} for number in range(64)]},
    }
    created = server.try_create(CASES[0].manifest(spec))
    assert len(created["spec"]["columns"]) == 2000


@pytest.mark.cluster
def test_the_longest_plan_keeps_within_the_cost_of_rules_when_its_status_is_written(server: Server) -> None:
    plan = next(case for case in CASES if case.kind == "Migration")
    operation = {"operation": "AddColumn", "target": "t" * 256, "description": "d" * 500, "lock": "AccessExclusive"}
    current = server.create(plan.manifest({"sql": "x" * 262144, "operations": [operation] * 1000}))
    reported = server.report(current, {"observedGeneration": 1, "phase": "Applied"})
    assert reported["status"]["phase"] == "Applied"
    server.delete(current)


@of_creation
def test_the_engine_finds_the_same_without_an_api_server(case: Case) -> None:
    assert _findings(case.manifest(case.refuse), case.rule) == [Diagnostic(case.at, case.rule)]
    assert _findings(case.manifest(case.accept), case.rule) == []


def _findings(manifest: dict[str, Any], rule: str) -> list[Diagnostic]:
    resource = load_resource(manifest)
    assert not isinstance(resource, list), resource
    return [finding for finding in validate(resource) if finding.message == rule]


@pytest.mark.parametrize("definition", custom_resource_definitions().values(), ids=lambda d: d["spec"]["names"]["kind"])
def test_every_rule_has_a_case(definition: dict[str, Any]) -> None:
    kind = definition["spec"]["names"]["kind"]
    tried = {case.rule for case in CASES if case.kind == kind}
    assert {rule["message"] for rule in _rules(definition)} == tried


def _rules(schema: Any) -> Iterator[dict[str, str]]:
    match schema:
        case dict():
            yield from schema.get(RULES_KEY, [])
            for member in schema.values():
                yield from _rules(member)
        case list():
            for member in schema:
                yield from _rules(member)
