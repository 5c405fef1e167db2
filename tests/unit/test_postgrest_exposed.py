from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.function import Argument, Function
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import Privilege, RoleGrant, View, ViewColumn
from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.postgrest.credentials import Credentials
from pgcraft_operator.postgrest.exposed import call_path, exposed_objects, read_path, shape_fingerprint, view_path


def postgrest(**spec: Any) -> PostgREST:
    return PostgREST.model_validate(
        {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": "PostgREST",
            "metadata": {"name": "api"},
            "spec": {"databaseRef": {"name": "warehouse"}, **spec},
        }
    )


def view(name: str, *grants: tuple[str, Privilege], schema: str = "api", columns: str = "id") -> View:
    return View(
        schema_name=schema,
        name=name,
        base_schema="geo",
        base_name=name,
        columns=tuple(ViewColumn(name=column) for column in columns.split()),
        grants=tuple(RoleGrant(role=role, privileges=(privilege,)) for role, privilege in grants),
    )


def query(name: str, *arguments: str, executors: tuple[str, ...] = (), **fields: Any) -> Function:
    given: dict[str, Any] = {"volatility": "STABLE", "language": "sql", **fields}
    return Function(
        schema_name="api",
        name=name,
        arguments=tuple(Argument(name=argument, type="text") for argument in arguments),
        executors=executors,
        body=("SELECT 1",),
        **given,
    )


def unit(*objects: View | Function) -> Unit:
    return Unit(Claimant("Dimension", "geo", "any"), objects=objects)


def test_views_of_the_served_schemas_are_exposed_in_a_fixed_order() -> None:
    units = [unit(view("b", columns="id name")), unit(view("a"), view("hidden", schema="other"))]
    found = exposed_objects(postgrest(), units)
    assert [(str(view), getattr(view, "columns", None)) for view in found] == [
        ("api.a", ("id",)),
        ("api.b", ("id", "name")),
    ]
    assert shape_fingerprint(found) == shape_fingerprint(exposed_objects(postgrest(), units[::-1]))
    assert shape_fingerprint(found) != shape_fingerprint(found[:1])


def test_a_faulty_unit_asks_for_nothing_and_what_was_applied_for_it_stands() -> None:
    declared, owner = postgrest(), Claimant("Dimension", "geo", "owner")
    refused = Unit(
        Claimant("Dimension", "geo", "late"),
        objects=(view("taken"), view("own")),
        diagnostics=(Diagnostic("spec.api", "taken", reason="Conflict"),),
    )
    assert exposed_objects(declared, [refused]) == ()
    standing = {
        ObjectId("view", "api", "own"): refused.claimant,
        ObjectId("view", "api", "taken"): owner,
        ObjectId("view", "other", "own"): owner,
        ObjectId("function", "api", "own_as_of"): refused.claimant,
    }
    found = exposed_objects(declared, [refused, Unit(owner, objects=(view("taken"),))], standing)
    assert [(str(item), item.claimant.name, getattr(item, "columns", None)) for item in found] == [
        ("api.own", "late", ()),
        ("api.taken", "owner", ("id",)),
    ]


def test_the_reader_is_the_first_role_that_may_select() -> None:
    roles = [
        {"name": "writer"},
        {"name": "editor", "inherits": ["staff"]},
        {"name": "staff", "inherits": ["everyone", "editor"]},
    ]
    declared = postgrest(anonymousRole={"name": "anon"}, roles=roles)

    def reader(*grants: tuple[str, Privilege]) -> str | None:
        (found,) = exposed_objects(declared, [unit(view("t", *grants))])
        return found.reader

    assert reader(("writer", "SELECT"), ("anon", "SELECT")) == "anon"
    assert reader(("anon", "INSERT"), ("writer", "SELECT")) == "writer"
    assert reader(("everyone", "SELECT")) == "editor", "inherited by way of staff"
    assert reader(("stranger", "SELECT")) is None


def test_functions_that_only_read_are_queries_and_the_first_who_may_call_asks() -> None:
    declared = postgrest(anonymousRole={"name": "anon"}, roles=[{"name": "editor"}])
    functions = (query("as_of", "at", executors=("editor",)), query("none"), query("all", public=True))
    found = exposed_objects(declared, [unit(*functions, query("changes", volatility="VOLATILE"))])
    assert [(item.name, getattr(item, "arguments", None), item.reader) for item in found] == [
        ("all", (), "anon"),
        ("as_of", ("at",), "editor"),
        ("none", (), None),
    ]


def test_paths_carry_names_unharmed() -> None:
    name = 'my "view", x.y(1)%2F/é?#&='
    columns = (name, "back\\slash")
    path = urlsplit(f"http://pod{read_path(name, columns)}")
    assert unquote(path.path) == f"/{name}"
    assert parse_qs(path.query) == {
        "select": ['"my \\"view\\", x.y(1)%2F/é?#&=","back\\\\slash"'],
        "limit": ["0"],
    }
    assert read_path("t") == "/t?limit=0"
    assert view_path("a b") == "/a%20b"
    assert call_path("a b/ä") == "/rpc/a%20b%2F%C3%A4?limit=0"


def test_requests_are_made_as_roles_that_can_be_shown() -> None:
    full = Credentials("anon", ("anon", "editor"), None, b"k" * 32)
    assert full.headers_as("anon") == {}
    assert (full.headers_as("editor") or {})["Authorization"].startswith("Bearer ")
    assert full.headers_as(None) is None
    keyless = Credentials(None, ("editor",), None, None)
    assert keyless.headers_as("editor") is None
    assert keyless.headers_as_anyone() is None
    assert "k" * 32 not in repr(full)
