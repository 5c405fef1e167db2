"""From an AppendOnly and an EAV dimension to their past over HTTP: the operator, Postgres, and PostgREST in pods."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from playground.process_node import ProcessNode
from tests.cluster.operator_world import World

COLUMNS = (
    {"name": "code", "type": "text", "nullable": False},
    {"name": "name", "type": "text"},
    {"name": "runways", "type": "integer"},
)
BY_CODE = {"strategy": "Natural", "columns": ["code"]}
REPRESENTATION = {"Prefer": "return=representation"}
MERGE = {"Prefer": "return=representation,resolution=merge-duplicates"}


def postgrest(world: World) -> dict[str, Any]:
    return {
        "apiVersion": "pgcraft.io/v1alpha1",
        "kind": "PostgREST",
        "metadata": {"name": "api", "namespace": world.namespace},
        "spec": {
            "databaseRef": {"name": "warehouse"},
            "anonymousRole": {"name": f"{world.database.name}_anon"},
            "deployment": {"image": "registry.local/postgrest:12"},
        },
    }


def dimension(world: World, name: str, type_: str, *more: dict[str, Any], history: bool = True) -> dict[str, Any]:
    grants = [{"role": f"{world.database.name}_anon", "privileges": ["select", "insert", "update", "delete"]}]
    spec: dict[str, Any] = {"type": type_, "primaryKey": BY_CODE}
    spec |= {"api": {"schema": "api", "grants": grants, "history": history}}
    spec |= {"open": True} if type_ == "EAV" else {}
    return world.dimension(name, *COLUMNS, *more, **spec)


def ask(world: World, method: str, path: str, body: Any = None, prefer: dict[str, str] | None = None) -> Any:
    (pod,) = world.cluster.get_all("pods", world.namespace, "pgcraft.io/postgrest=api")
    url = f"http://{pod['status']['podIP']}:3000{path}"
    answer = httpx.request(method, url, json=body, headers=prefer or REPRESENTATION, trust_env=False, timeout=10)
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def now(world: World) -> str:
    """Return the database's clock, as a parameter in a URL."""
    return world.query("SELECT to_json(clock_timestamp()) #>> '{}'")[0][0].replace("+", "%2B")


@pytest.mark.timeout(240)
def test_ready_means_that_the_past_is_served_too(world: World, process_node: ProcessNode | None) -> None:
    del process_node  # it runs the pods
    world.apply(postgrest(world), dimension(world, "airports", "AppendOnly"), dimension(world, "facts", "EAV"))
    world.wait_ready("airports", "facts")

    relations = world.get("dimension", "airports")["status"]["relations"]
    assert {
        "table geo.airports",
        "table geo.airports_history",
        "view api.airports",
        "view api.airports_versions",
        "function api.airports_as_of",
        "function api.airports_diff",
    } <= set(relations)
    functions = [name for name in relations if name.startswith("function")]
    assert len(functions) == 4, "triggers are the tables' own matter"
    served = world.condition("dimension", "facts", "ApiReady")["message"]
    for name in ("facts", "facts_attributes", "facts_attribute_history", "facts_attributes_as_of"):
        assert f"serves api.{name}" in served
    assert world.get("dimension", "facts")["status"]["effective"]["primaryKey"]["columns"] == ["code"]

    ask(world, "POST", "/airports", {"code": "EDDF", "runways": 3})
    born = now(world)
    ask(world, "PATCH", "/airports?code=eq.EDDF", {"runways": 4})
    (merged,) = ask(world, "POST", "/airports?columns=code,name", [{"code": "EDDF", "name": "Frankfurt"}], MERGE)
    assert (merged["name"], merged["runways"]) == ("Frankfurt", 4)
    versions = ask(world, "GET", "/airports_versions?select=name,runways&order=valid_from")
    assert [(row["name"], row["runways"]) for row in versions] == [(None, 3), (None, 4), ("Frankfurt", 4)]
    assert ask(world, "GET", f"/rpc/airports_as_of?at={born}&select=code,runways") == [{"code": "EDDF", "runways": 3}]
    differences = ask(world, "GET", "/rpc/airports_diff?entity=EDDF&operation=eq.UPDATE")
    assert [row["column"] for row in differences] == ["runways", "name"]

    ask(world, "POST", "/facts", {"code": "EDDF", "runways": 3, "extra": {"nick": "FRA"}})
    ask(world, "PATCH", "/facts?code=eq.EDDF", {"runways": 4, "extra": {"nick": "Rhein-Main"}})
    history = "/facts_attribute_history?select=value&order=valid_from"
    nick = [{"value": "FRA"}, {"value": "Rhein-Main"}]
    assert ask(world, "GET", f"{history}&attribute=eq.runways") == [{"value": "3"}, {"value": "4"}]
    assert [row["value"].strip('"') for row in ask(world, "GET", f"{history}&attribute=eq.nick")] == [
        row["value"] for row in nick
    ]

    # A column more; of the other one, values are there already.
    tz = {"name": "tz", "type": "text"}
    world.apply(
        dimension(world, "airports", "AppendOnly", tz),
        dimension(world, "facts", "EAV", {"name": "nick", "type": "text"}),
    )
    world.wait_ready("airports", "facts")
    assert ask(world, "GET", "/airports_versions?select=tz&limit=1") == [{"tz": None}]
    ask(world, "PATCH", "/airports?code=eq.EDDF", {"tz": "Europe/Berlin"})
    assert ask(world, "GET", "/airports_versions?select=tz&order=valid_from.desc&limit=1") == [{"tz": "Europe/Berlin"}]
    (fact,) = ask(world, "GET", "/facts?select=nick,extra")
    assert fact == {"nick": "Rhein-Main", "extra": {}}, "what was undeclared has moved into its column"
    assert len(ask(world, "GET", f"{history}&attribute=eq.nick")) == 2, "and that is no change"

    # Withdrawn from the API, the past is served no more, and kept.
    world.apply(dimension(world, "airports", "AppendOnly", tz, history=False))
    world.wait_ready("airports")
    world.wait("condition=Ready", "postgrest/api")
    assert not world.exists("api.airports_versions")
    assert len(world.query("SELECT FROM geo.airports_versions")) == 4
    assert ask(world, "GET", "/airports?select=code") == [{"code": "EDDF"}]


@pytest.mark.timeout(120)
def test_what_a_type_refuses_reaches_the_resource(world: World) -> None:
    countries = world.dimension("countries", primaryKey=BY_CODE)
    key = {"name": "home", "columns": ["code"], "references": {"dimension": "countries"}, "onUpdate": "Cascade"}
    airports = dimension(world, "airports", "AppendOnly")
    airports["spec"]["foreignKeys"] = [key]
    wide = world.dimension("wide", *({"name": f"c{number}", "type": "text"} for number in range(1600)), type="EAV")
    world.apply(countries, airports, wide)
    for name, path, way_out in (
        ("airports", "spec.foreignKeys[home].onUpdate", "the key"),
        ("wide", "spec.columns", "open: true"),
    ):
        world.wait("condition=Stalled", f"dimension/{name}")
        told = world.condition("dimension", name, "Stalled")
        assert told["reason"] == "InvalidSpec"
        assert path in told["message"]
        assert way_out in told["message"]
    world.wait_ready("countries")
