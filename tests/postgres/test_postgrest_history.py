"""AppendOnly and EAV as a client of PostgREST meets them: written, upserted, embedded, and read as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgcraft_core.spec.dimension import Dimension
from playground.postgres import PostgresServer
from tests.corpus.world import API, READER, WRITER, dimension
from tests.postgres.served_world import MERGE, Served, serve

PAST_API = {**API, "history": True}
BY_CODE = {"strategy": "Natural", "columns": ["code"]}
STAMPS = {
    "AppendOnly": ("valid_from", "changed_by", "changed_via"),
    "EAV": ("created_at", "created_by", "created_via"),
}


def countries(type_: str = "Simple") -> Dimension:
    columns = ({"name": "code", "type": "text"}, {"name": "name", "type": "text", "comment": "As it calls itself"})
    api = API if type_ == "Simple" else PAST_API
    return dimension("countries", *columns, type=type_, primary_key=BY_CODE, api=api, comment="All countries")


def airports(type_: str, *columns: dict[str, Any], **spec: Any) -> Dimension:
    given = (
        {"name": "code", "type": "text"},
        {"name": "name", "type": "text", "nullable": False, "default": "'nameless'", "comment": "What people say"},
        {"name": "country", "type": "text", "references": {"dimension": "countries"}},
        {"name": "elevation", "type": "numeric(6,1)"},
        {"name": "at", "type": "text"},
        {"name": "label", "type": "text", "generated": "upper(code)"},
    )
    return dimension("airports", *given, *columns, type=type_, primary_key=BY_CODE, api=PAST_API, **spec)


def alpha(**fields: Any) -> dict[str, Any]:
    return {"code": "A", "name": "Alpha", "country": "DE", "elevation": 1.5, **fields}


@pytest.fixture(params=["AppendOnly", "EAV"])
def type_(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def world(
    request: pytest.FixtureRequest, postgres: PostgresServer, postgrest_binary: Path, tmp_path: Path
) -> Iterator[Served]:
    """Countries, and airports of the type that the test is about, with two countries in it."""
    type_ = request.getfixturevalue("type_") if "type_" in request.fixturenames else request.param
    opened = {"open": True} if type_ == "EAV" else {}
    resources = (countries(), airports(type_, **opened))
    with (
        postgres.scratch_database() as database,
        serve(postgres, database, postgrest_binary, tmp_path / "postgrest.log", *resources) as served,
    ):
        served.post("/countries", [{"code": "DE", "name": "Germany"}, {"code": "FR", "name": "France"}])
        yield served


append_only = pytest.mark.parametrize("world", ["AppendOnly"], indirect=True)
eav = pytest.mark.parametrize("world", ["EAV"], indirect=True)


def changes(world: Served, type_: str) -> int:
    """Return how many closed versions or logged values there are."""
    table = {"AppendOnly": "airports_history", "EAV": "airports_attribute_log"}[type_]
    return world.rows(f"SELECT count(*) FROM geo.{table}")[0][0]


def test_every_write_returns_its_row_and_leaves_its_past(world: Served, type_: str) -> None:
    (made,) = world.post("/airports", alpha())
    assert (made["name"], made["elevation"], made["label"]) == ("Alpha", 1.5, "A")
    many = world.post("/airports", [{"code": code} for code in "BCD"])
    assert [(row["code"], row["name"]) for row in many] == [(code, "nameless") for code in "BCD"]
    assert changes(world, type_) == 0, "an insert closes nothing"

    (changed,) = world.patch("/airports?code=eq.A", {"elevation": 2})
    assert (changed["name"], changed["elevation"]) == ("Alpha", 2)
    assert changes(world, type_) == 1
    (same,) = world.patch("/airports?code=eq.A", {"elevation": 2, "name": "Alpha"})
    assert same == changed, "what changes nothing still returns its row, as it was"
    assert changes(world, type_) == 1
    assert world.patch("/airports?code=eq.nowhere", {"elevation": 2}) == []

    before = changes(world, type_)
    gone = world.delete("/airports?code=in.(B,C)&select=code,name&order=code")
    assert gone == [{"code": "B", "name": "nameless"}, {"code": "C", "name": "nameless"}]
    assert changes(world, type_) > before
    assert [row["code"] for row in world.get("/airports?select=code&order=code")] == ["A", "D"]


def test_an_upsert_inserts_and_updates_at_once(world: Served, type_: str) -> None:
    world.post("/airports", alpha())
    rows = world.post(
        "/airports?columns=code,name", [{"code": "A", "name": "Again"}, {"code": "B", "name": "B"}], MERGE
    )
    assert [(row["code"], row["name"], row["elevation"]) for row in rows] == [("A", "Again", 1.5), ("B", "B", None)]
    assert changes(world, type_) == 1
    world.post("/airports?columns=code,name", [{"code": "A", "name": "Again"}], MERGE)
    assert changes(world, type_) == 1, "an upsert that changes nothing leaves nothing"

    # What a client read, it can send back without what the database makes: generated columns and the stamp.
    (read,) = world.get("/airports?code=eq.A")
    for name in ("label", *STAMPS[type_]):
        del read[name]
    (merged,) = world.post("/airports", {**read, "elevation": 7}, MERGE)
    assert (merged["name"], merged["elevation"]) == ("Again", 7)
    assert changes(world, type_) == 2

    ignoring = {"Prefer": "return=representation,resolution=ignore-duplicates"}
    assert world.post("/airports", {"code": "A", "name": "Not this"}, ignoring) == []
    defaults = {"Prefer": "return=representation,missing=default"}
    rows = world.post("/airports?columns=code,name,at", [{"code": "M"}, {"code": "N", "name": "En"}], defaults)
    assert [(row["code"], row["name"]) for row in rows] == [("M", "nameless"), ("N", "En")]


def test_who_and_when_are_the_databases_word(world: Served, type_: str) -> None:
    since, by, via = STAMPS[type_]
    before = world.now()
    world.post("/airports", alpha(), sub="ada")
    login = f"{world.database.name}_login"
    (row,) = world.get("/airports?code=eq.A")
    assert (row[by], row[via]) == ("ada", login)
    assert row[since] > before

    for name, lie in {since: "1999-01-01T00:00:00+00:00", by: "mallory", via: "mallory"}.items():
        for method, path, body in (
            ("POST", "/airports", alpha(code="B")),
            ("PATCH", "/airports?code=eq.A", {"elevation": 9}),
        ):
            refused = world.ask(method, path, json={**body, name: lie})
            assert (refused.status_code, refused.json()["code"]) == (400, "0A000")
            assert name in refused.json()["message"]
    assert world.get("/airports") == [row], "what was refused did nothing"

    world.patch("/airports?code=eq.A", {"elevation": 9}, sub="grace")
    (row,) = world.get("/airports?code=eq.A")
    assert row[since] > before
    assert row[via] == login
    assert row[by] == ("grace" if type_ == "AppendOnly" else "ada")
    world.patch("/airports?code=eq.A", {"elevation": 10})
    closed = {
        "AppendOnly": "/airports_versions?valid_to=not.is.null&select=changed_by,closed_by&order=valid_to",
        "EAV": "/airports_attribute_history?attribute=eq.elevation&valid_to=not.is.null"
        "&select=changed_by,closed_by&order=valid_to",
    }[type_]
    assert world.get(closed) == [
        {"changed_by": "ada", "closed_by": "grace"},
        {"changed_by": "grace", "closed_by": WRITER},
    ]
    refused = world.ask("PATCH", "/airports?code=eq.A", json={"code": "Z"})
    assert refused.is_client_error
    assert "key" in refused.json()["message"]


@pytest.mark.usefixtures("type_")
def test_foreign_keys_embed_both_ways(world: Served) -> None:
    world.post("/airports", [alpha(), alpha(code="B", country="FR")])
    assert world.get("/airports?select=code,countries(name)&order=code") == [
        {"code": "A", "countries": {"name": "Germany"}},
        {"code": "B", "countries": {"name": "France"}},
    ]
    assert world.get("/countries?select=code,airports(code)&airports.order=code&order=code") == [
        {"code": "DE", "airports": [{"code": "A"}]},
        {"code": "FR", "airports": [{"code": "B"}]},
    ]
    made = world.post("/airports?select=code,countries(name)", {"code": "C", "country": "FR"})
    assert made == [{"code": "C", "countries": {"name": "France"}}]
    refused = world.ask("POST", "/airports", json={"code": "X", "country": "XX"})
    assert (refused.status_code, refused.json()["code"]) == (409, "23503")


@append_only
def test_versions_and_as_of_tell_what_was(world: Served) -> None:
    world.post("/airports", alpha(at="runway"))
    born = world.now()
    world.patch("/airports?code=eq.A", {"name": "Beta", "country": "FR"})
    changed = world.now()
    world.delete("/airports?code=eq.A")
    gone = world.now()

    versions = world.get(
        "/airports_versions?code=eq.A&order=valid_from&select=name,label,operation,valid_from,valid_to"
    )
    assert [(row["name"], row["label"], row["operation"]) for row in versions] == [
        ("Alpha", "A", "UPDATE"),
        ("Beta", "A", "DELETE"),
    ]
    assert versions[0]["valid_to"] == versions[1]["valid_from"]

    def as_of(moment: str, query: str = "select=name,at,countries(name)") -> Any:
        return world.get(f"/rpc/airports_as_of?{query}", params={"at": moment})

    # Before release 13, PostgREST filters what a function returns by selected columns only.
    select = "code=eq.A&select=code,name,countries(name)"
    assert as_of(born) == [{"name": "Alpha", "at": "runway", "countries": {"name": "Germany"}}]
    assert as_of(changed, select) == [{"code": "A", "name": "Beta", "countries": {"name": "France"}}]
    assert as_of(gone) == []
    assert as_of("1999-01-01T00:00:00Z") == []
    assert as_of(born, "elevation=gt.100") == []
    assert as_of(born, "name=eq.Alpha&order=name&limit=1&select=name") == [{"name": "Alpha"}]
    assert set(as_of(born, "")[0]) == set(world.post("/airports", alpha())[0]), "the shape of the dimension"


@append_only
def test_the_differences_of_one_entity_are_a_query(world: Served) -> None:
    world.post("/airports", alpha(), sub="ada")
    world.patch("/airports?code=eq.A", {"name": "Beta"}, sub="grace")
    world.post("/airports", alpha(code="B"))
    rows = world.get("/rpc/airports_diff?entity=A&operation=eq.UPDATE")
    assert [(row["column"], row["old_value"], row["new_value"], row["changed_by"]) for row in rows] == [
        ("name", "Alpha", "Beta", "grace")
    ]
    inserted = world.get("/rpc/airports_diff?entity=A&operation=eq.INSERT&select=operation,column,new_value,changed_by")
    assert {"operation": "INSERT", "column": "elevation", "new_value": "1.5", "changed_by": "ada"} in inserted


@eav
def test_attributes_their_history_and_as_of_tell_what_was(world: Served) -> None:
    world.post("/airports", alpha())
    born = world.now()
    world.patch("/airports?code=eq.A", {"elevation": 2})
    world.patch("/airports?code=eq.A", {"country": None})

    def values(path: str, **params: str) -> dict[str, str]:
        return {row["attribute"]: row["value"] for row in world.get(path, params=params)}

    standing = {"name": "Alpha", "elevation": "2.0"}
    assert standing.items() <= values("/airports_attributes", code="eq.A").items()
    assert "country" not in values("/airports_attributes", code="eq.A")
    former = values("/rpc/airports_attributes_as_of", at=born)
    assert {"name": "Alpha", "elevation": "1.5", "country": "DE"}.items() <= former.items()
    history = world.get("/airports_attribute_history?attribute=eq.elevation&order=valid_from&select=value,valid_to")
    assert [row["value"] for row in history] == ["1.5", "2.0"]
    assert [row["valid_to"] is None for row in history] == [False, True]


@eav
def test_undeclared_attributes_are_taken_found_and_logged(world: Served) -> None:
    (row,) = world.post("/airports", alpha(extra={"runways": 3, "nick": "Alf"}))
    assert row["extra"] == {"runways": 3, "nick": "Alf"}
    assert world.get("/airports?extra->>nick=eq.Alf&select=code,runways:extra->runways") == [
        {"code": "A", "runways": 3}
    ]
    (moved,) = world.patch("/airports?code=eq.A", {"extra": {"runways": 4, "elevation": 11.5}})
    assert (moved["elevation"], moved["extra"]) == (11.5, {"runways": 4}), "a declared name goes to its column"
    history = world.get("/airports_attribute_history?attribute=eq.runways&order=valid_from&select=value")
    assert [row["value"] for row in history] == ["3", "4"]
    names = {row["attribute"] for row in world.get("/airports_attributes?code=eq.A")}
    assert "runways" in names
    assert "nick" not in names
    defaults = {"Prefer": "return=representation,missing=default"}
    rows = world.post("/airports?columns=code,extra", [{"code": "M"}, {"code": "N", "extra": {"a": 1}}], defaults)
    assert [row["extra"] for row in rows] == [{}, {"a": 1}]


def test_the_past_is_for_readers_and_for_nobody_to_write(world: Served, type_: str) -> None:
    world.post("/airports", alpha())
    world.patch("/airports?code=eq.A", {"elevation": 2})
    views, functions = {
        "AppendOnly": (
            ["airports_versions"],
            {"airports_as_of": {"at": world.now()}, "airports_diff": {"entity": "A"}},
        ),
        "EAV": (
            ["airports_attributes", "airports_attribute_history"],
            {"airports_attributes_as_of": {"at": world.now()}},
        ),
    }[type_]
    for view in views:
        assert world.get(f"/{view}", role=READER)
        for method in ("POST", "PATCH", "DELETE"):
            body = {"code": "Z"} if method != "DELETE" else None
            assert world.ask(method, f"/{view}?code=eq.A", json=body).is_error, (method, view)
    for function, arguments in functions.items():
        assert world.get(f"/rpc/{function}", role=READER, params=arguments)
        assert world.ask("GET", f"/rpc/{function}", role=None, params=arguments).is_client_error
    privileges = world.rows(
        "SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'api'::regnamespace"
        " AND has_function_privilege('public', p.oid, 'EXECUTE')"
    )
    assert privileges == [], "whoever may not select may not ask"


def test_the_description_tells_what_columns_mean_and_which_are_the_clients(world: Served, type_: str) -> None:
    described = world.get("/")["definitions"]
    airport = described["airports"]["properties"]
    assert airport["name"]["description"] == "What people say"
    assert airport["name"]["default"] == "nameless"
    for name in STAMPS[type_]:
        assert "default" not in airport[name]
        assert airport[name]["description"], f"{name} says what it is"
    assert described["countries"]["description"] == "All countries"
    past = {"AppendOnly": "airports_versions", "EAV": "airports_attribute_history"}[type_]
    assert described[past]["description"]
    functions = {path.removeprefix("/rpc/") for path in world.get("/")["paths"] if path.startswith("/rpc/")}
    assert (
        functions
        == {
            "AppendOnly": {"airports_as_of", "airports_diff"},
            "EAV": {"airports_attributes_as_of"},
        }[type_]
    )


def test_a_new_column_comes_to_the_api_and_to_its_past(world: Served, type_: str) -> None:
    world.post("/airports", alpha())
    world.patch("/airports?code=eq.A", {"elevation": 2})
    before = world.now()
    opened = {"open": True} if type_ == "EAV" else {}
    world.deploy(countries(), airports(type_, {"name": "tz", "type": "text", "default": "'UTC'"}, **opened))
    world.wait_for_column("airports", "tz")
    assert world.get("/airports?select=code,tz") == [{"code": "A", "tz": "UTC"}]
    world.patch("/airports?code=eq.A", {"tz": "Europe/Berlin"})
    if type_ == "AppendOnly":
        # The versions before the column are without it: its default is no part of the past.
        versions = world.get("/airports_versions?select=elevation,tz&order=valid_from")
        assert versions[0] == {"elevation": 1.5, "tz": None}
        assert versions[-1] == {"elevation": 2, "tz": "Europe/Berlin"}
        assert world.get("/rpc/airports_as_of?select=code,elevation", params={"at": before}) == [
            {"code": "A", "elevation": 2}
        ]
    else:
        history = world.get("/airports_attribute_history?attribute=eq.tz&order=valid_from&select=value")
        assert [row["value"] for row in history] == ["UTC", "Europe/Berlin"]
