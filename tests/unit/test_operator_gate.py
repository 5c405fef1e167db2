"""Which events wake a Database: what people change does, what we write does not."""

import copy
from typing import Any

import pytest

from pgcraft_operator.gate import CONFIRM_ANNOTATION, RECONCILE_ANNOTATION, Gate
from pgcraft_operator.hub import DatabaseKey
from pgcraft_operator.subscriptions import Subscriptions, database_of


def dimension(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "pgcraft.io/v1alpha1",
        "kind": "Dimension",
        "metadata": {"name": "airports", "namespace": "geo", "uid": "u1", "generation": 1, **metadata},
        "spec": {"databaseRef": {"name": "warehouse", "namespace": "platform"}},
    }


@pytest.fixture
def gate() -> Gate:
    gate = Gate()
    assert gate.admits(None, dimension())
    return gate


def test_a_status_write_is_no_news(gate: Gate) -> None:
    assert not gate.admits("MODIFIED", {**dimension(resourceVersion="7"), "status": {"observedGeneration": 1}})


def test_a_list_that_is_repeated_is_no_news(gate: Gate) -> None:
    assert not gate.admits(None, dimension())


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"deletionTimestamp": "2026-06-01T12:00:00Z"},
        {"annotations": {RECONCILE_ANNOTATION: "now"}},
        {"annotations": {CONFIRM_ANNOTATION: "warehouse-0123456789"}},
    ],
)
def test_what_people_do_is_news_once(gate: Gate, change: dict[str, Any]) -> None:
    assert gate.admits("MODIFIED", dimension(**change))
    assert not gate.admits("MODIFIED", dimension(**change))


def test_a_deletion_and_what_comes_after_it_are_news(gate: Gate) -> None:
    assert gate.admits("DELETED", dimension())
    assert gate.admits("ADDED", dimension())


def test_an_annotation_of_others_is_no_news(gate: Gate) -> None:
    assert not gate.admits("MODIFIED", dimension(annotations={"example.com/x": "y"}, labels={"a": "b"}))


def test_a_secret_is_news_when_its_values_change() -> None:
    secret: dict[str, Any] = {
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "n", "uid": "u"},
        "data": {"uri": "YQ=="},
    }
    gate = Gate()
    assert gate.admits("ADDED", secret)
    labelled = copy.deepcopy(secret)
    labelled["metadata"]["labels"] = {"a": "b"}
    assert not gate.admits("MODIFIED", labelled)
    assert gate.admits("MODIFIED", {**secret, "data": {"uri": "Yg=="}})


def test_a_deployment_is_news_when_its_pods_change() -> None:
    deployment: dict[str, Any] = {
        "kind": "Deployment",
        "metadata": {"name": "api", "namespace": "n", "uid": "u", "generation": 1},
        "status": {"readyReplicas": 0, "conditions": [{"type": "Progressing", "lastUpdateTime": "1"}]},
    }
    gate = Gate()
    assert gate.admits("ADDED", deployment)
    touched = copy.deepcopy(deployment)
    touched["status"]["conditions"][0]["lastUpdateTime"] = "2"
    assert not gate.admits("MODIFIED", touched)
    touched["status"]["readyReplicas"] = 1
    assert gate.admits("MODIFIED", touched)


def test_a_resource_names_its_database() -> None:
    assert database_of(dimension()) == DatabaseKey("platform", "warehouse")
    here = dimension()
    del here["spec"]["databaseRef"]["namespace"]
    assert database_of(here) == DatabaseKey("geo", "warehouse")
    assert database_of({**dimension(), "spec": {}}) == DatabaseKey("geo", "")
    assert database_of({"kind": "Database", "metadata": {"name": "w", "namespace": "p"}}) == DatabaseKey("p", "w")


def test_a_secret_concerns_the_databases_that_refer_to_it_now() -> None:
    subscriptions = Subscriptions()

    def database(name: str, secret: str) -> dict[str, Any]:
        return {
            "kind": "Database",
            "metadata": {"name": name, "namespace": "platform", "uid": name},
            "spec": {"connection": {"secretRef": {"name": secret}}},
        }

    def secret(name: str, namespace: str = "platform") -> dict[str, Any]:
        return {"kind": "Secret", "metadata": {"name": name, "namespace": namespace}}

    subscriptions.keep(database("a", "shared"))
    subscriptions.keep(database("b", "shared"))
    assert subscriptions.databases_of(secret("shared")) == {DatabaseKey("platform", "a"), DatabaseKey("platform", "b")}
    assert subscriptions.databases_of(secret("shared", "elsewhere")) == frozenset()
    subscriptions.keep(database("a", "own"))
    assert subscriptions.databases_of(secret("shared")) == {DatabaseKey("platform", "b")}
    assert subscriptions.databases_of(secret("own")) == {DatabaseKey("platform", "a")}
    subscriptions.drop("b")
    assert subscriptions.databases_of(secret("shared")) == frozenset()


def test_a_workload_concerns_the_database_of_the_postgrest_that_owns_it() -> None:
    subscriptions = Subscriptions()
    subscriptions.keep(
        {
            "kind": "PostgREST",
            "metadata": {"name": "api", "namespace": "web", "uid": "p1"},
            "spec": {
                "databaseRef": {"name": "warehouse", "namespace": "platform"},
                "jwt": {"secretRef": {"name": "keys", "key": "k"}},
            },
        }
    )
    owned = {"name": "api", "namespace": "web", "ownerReferences": [{"uid": "p1"}]}
    concerned = {DatabaseKey("platform", "warehouse")}
    assert subscriptions.databases_of({"kind": "Deployment", "metadata": owned}) == concerned
    assert subscriptions.databases_of({"kind": "Secret", "metadata": owned}) == concerned
    assert subscriptions.databases_of({"kind": "Secret", "metadata": {"name": "keys", "namespace": "web"}}) == concerned
    stranger = {"name": "api", "namespace": "web", "ownerReferences": [{"uid": "other"}]}
    assert subscriptions.databases_of({"kind": "Deployment", "metadata": stranger}) == frozenset()
