"""Compilation is pure and total: objects, or everything that is wrong, each with its path and its way out."""

from __future__ import annotations

from typing import Any

import pytest

from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.role import Role
from pgcraft_core.schema.table import ForeignKey, Table
from pgcraft_core.schema.unit import Unit
from pgcraft_core.schema.view import RoleGrant, View
from pgcraft_core.sql.identifiers import MAX_IDENTIFIER_BYTES
from tests.corpus.world import API, compiled, dimension, postgrest, warehouse

CODE = {"name": "code", "type": "char(2)", "unique": True}


def findings(unit: Unit) -> dict[str, tuple[str, str]]:
    assert not unit.objects
    return {finding.path: (finding.reason, finding.message) for finding in unit.diagnostics}


def paths(unit: Unit) -> list[str]:
    return [finding.path for finding in unit.diagnostics]


def table_of(unit: Unit) -> Table:
    assert not unit.diagnostics, "; ".join(map(str, unit.diagnostics))
    table = unit.objects[0]
    assert isinstance(table, Table)
    return table


def refers(**reference: Any) -> dict[str, Any]:
    return {"name": "country", "type": "char(2)", "references": reference}


def test_all_findings_come_at_once() -> None:
    (unit,) = compiled(
        dimension(
            "airports",
            {"name": "a", "type": "varchr(4)"},
            {"name": "b", "type": "numeric(1,2,3)"},
            refers(dimension="countries"),
            namespace="team",
            schema="hidden",
            api=API,
        ),
        database=warehouse(allowedNamespaces=[{"namespace": "team", "schemas": ["geo"], "roles": ["reader"]}]),
    )
    assert paths(unit) == [
        "spec.schema",
        "spec.api.schema",
        "spec.api.grants[writer].role",
        "spec.columns[b].type",
        "spec.columns[country].references.dimension",
    ]
    found = findings(unit)
    assert found["spec.schema"][0] == "PolicyDenied"
    assert "it may use: geo" in found["spec.schema"][1]
    assert found["spec.columns[country].references.dimension"][0] == "DependencyNotReady"


def test_what_validation_finds_comes_with_what_policy_denies() -> None:
    (unit,) = compiled(
        dimension("airports", CODE, namespace="team", indexes=[{"name": "i", "columns": ["nope"]}]),
        database=warehouse(),
    )
    assert paths(unit) == ["spec.indexes[i].columns[nope]", "spec.databaseRef"]


def test_unknown_type_of_dimension_names_the_known_ones() -> None:
    (unit,) = compiled(dimension("a", CODE, type="Magic"))
    assert (
        findings(unit)["spec.type"][1] == "there is no dimension type Magic; known types are: AppendOnly, EAV, Simple"
    )


def test_reference_defaults_to_the_key_and_leads_to_the_table_under_its_own_name() -> None:
    airports, _ = compiled(
        dimension("airports", {**refers(dimension="countries"), "type": "bigint"}),
        dimension("countries", CODE, table="Land", schema="other"),
    )
    assert table_of(airports).foreign_keys == (
        ForeignKey(
            name="airports_country_fkey",
            columns=("country",),
            target_schema="other",
            target_table="Land",
            target_columns=("id",),
        ),
    )
    assert airports.references == {ObjectId("table", "other", "Land")}


def test_reference_to_itself_and_in_a_circle() -> None:
    a, b = compiled(
        dimension(
            "a",
            {"name": "parent", "type": "bigint", "references": {"dimension": "a"}},
            {"name": "b", "type": "bigint", "references": {"dimension": "b"}},
        ),
        dimension("b", {"name": "a", "type": "bigint", "references": {"dimension": "a"}}),
    )
    assert [key.target_table for key in table_of(a).foreign_keys] == ["a", "b"]
    assert [key.target_table for key in table_of(b).foreign_keys] == ["a"]


def test_reference_into_another_namespace_needs_its_schema() -> None:
    countries = dimension("countries", CODE, namespace="platform", schema="core")
    airports = dimension(
        "airports", refers(dimension="countries", namespace="platform", column="code"), namespace="team"
    )
    allowed = [{"namespace": "team", "schemas": ["geo"]}]
    unit, _ = compiled(airports, countries, database=warehouse(allowedNamespaces=allowed))
    assert findings(unit)["spec.columns[country].references.dimension"][0] == "PolicyDenied"
    allowed = [{"namespace": "team", "schemas": ["geo", "core"]}]
    unit, _ = compiled(airports, countries, database=warehouse(allowedNamespaces=allowed))
    assert table_of(unit).foreign_keys[0].target_schema == "core"


def test_reference_to_any_table_needs_its_schema() -> None:
    airports = dimension(
        "airports", refers(table={"schema": "legacy", "name": "countries"}, column="code"), namespace="team"
    )
    (unit,) = compiled(airports, database=warehouse(allowedNamespaces=[{"namespace": "team", "schemas": ["geo"]}]))
    assert paths(unit) == ["spec.columns[country].references.table.schema"]


@pytest.mark.parametrize(
    ("reference", "path", "sentence"),
    [
        (
            {"dimension": "countries", "column": "name"},
            "spec.columns[country].references.column",
            "has no primary key, unique constraint or unique column over (name)",
        ),
        (
            {"dimension": "pairs"},
            "spec.columns[country].references.column",
            "1 referencing columns, but the key of Dimension platform/pairs has 2",
        ),
        ({"dimension": "nowhere"}, "spec.columns[country].references.dimension", "does not exist in this Database yet"),
    ],
)
def test_reference_that_cannot_be(reference: dict[str, Any], path: str, sentence: str) -> None:
    unit, *_ = compiled(
        dimension("airports", refers(**reference)),
        dimension(
            "countries",
            CODE,
            {"name": "name", "type": "text"},
            indexes=[{"name": "partly", "columns": ["name"], "unique": True, "where": "name <> ''"}],
        ),
        dimension(
            "pairs", CODE, {"name": "n", "type": "int"}, primary_key={"strategy": "Natural", "columns": ["code", "n"]}
        ),
    )
    ((found, (_, message)),) = findings(unit).items()
    assert found == path
    assert sentence in message


def test_composite_reference_may_go_to_key_unique_or_index() -> None:
    def referring(**target: Any) -> Any:
        key = {"name": "k", "columns": ["country", "n"], "references": {"dimension": "pairs", **target}}
        return dimension(
            "airports", {"name": "country", "type": "text"}, {"name": "n", "type": "int"}, foreign_keys=[key]
        )

    pairs = dimension(
        "pairs",
        *({"name": name, "type": "text"} for name in "abcdef"),
        primary_key={"strategy": "Natural", "columns": ["a", "b"]},
        uniques=[{"name": "u", "columns": ["c", "d"]}],
        indexes=[{"name": "i", "columns": ["e", "f"], "unique": True, "include": ["a"]}],
    )
    for columns in (["a", "b"], ["b", "a"], ["c", "d"], ["e", "f"]):
        unit, _ = compiled(referring(columns=columns), pairs)
        assert table_of(unit).foreign_keys[0].target_columns == tuple(columns)
    unit, _ = compiled(referring(), pairs)
    assert table_of(unit).foreign_keys[0].target_columns == ("a", "b")
    unit, _ = compiled(referring(columns=["a", "c"]), pairs)
    assert paths(unit) == ["spec.foreignKeys[k].references.columns"]


def test_policy_covers_every_field_that_reaches_out() -> None:
    key = {"name": "k", "columns": ["code"], "references": {"table": {"schema": "x", "name": "t"}, "columns": ["c"]}}
    (unit,) = compiled(
        dimension("a", CODE, namespace="team", schema="s", foreign_keys=[key], api=API),
        database=warehouse(allowedNamespaces=[{"namespace": "team"}]),
    )
    assert paths(unit) == [
        "spec.schema",
        "spec.api.schema",
        "spec.foreignKeys[k].references.table.schema",
        "spec.api.grants[reader].role",
        "spec.api.grants[writer].role",
    ]
    assert {finding.reason for finding in unit.diagnostics} == {"PolicyDenied"}


def test_namespace_without_an_entry_may_nothing_and_the_databases_own_everything() -> None:
    (stranger,) = compiled(dimension("a", CODE, namespace="stranger", schema="x"))
    assert paths(stranger) == ["spec.databaseRef"]
    (own,) = compiled(dimension("a", CODE, namespace="platform", schema="x"))
    assert table_of(own)


def test_policy_of_an_api_covers_schemas_and_all_roles() -> None:
    (unit,) = compiled(
        postgrest(
            namespace="team",
            schemas=["api"],
            anonymousRole={"name": "anon"},
            roles=[{"name": "editor", "inherits": ["boss"]}],
        ),
        database=warehouse(allowedNamespaces=[{"namespace": "team", "roles": ["anon"]}]),
    )
    assert [finding.message.split(" of ")[0] for finding in unit.diagnostics] == [
        "namespace team may not use schema api",
        "namespace team may not use role editor",
        "namespace team may not use role boss",
    ]


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ({}, ("id", "bigint", None, True)),
        ({"strategy": "Identity", "type": "smallint", "column": "n"}, ("n", "smallint", None, True)),
        ({"strategy": "UUIDv4"}, ("id", "uuid", "gen_random_uuid()", False)),
        ({"strategy": "UUIDv7", "column": "key"}, ("key", "uuid", "uuidv7()", False)),
    ],
)
def test_key_strategies(key: dict[str, Any], column: tuple[Any, ...]) -> None:
    (unit,) = compiled(dimension("a", CODE, primary_key=key))
    made = table_of(unit).columns[0]
    assert (made.name, made.type, made.default, made.identity) == column
    assert not made.nullable


def test_uuid_v7_works_before_postgres_18() -> None:
    (unit,) = compiled(dimension("a", CODE, primary_key={"strategy": "UUIDv7"}), server_version=170000)
    default = table_of(unit).columns[0].default or ""
    assert "gen_random_uuid()" in default
    assert "uuidv7" not in default


def test_natural_key_columns_never_accept_null() -> None:
    (unit,) = compiled(dimension("a", CODE, primary_key={"strategy": "Natural", "columns": ["code"]}))
    (column,) = table_of(unit).columns
    assert not column.nullable


def test_long_names_are_cut_to_fit_and_stay_apart() -> None:
    long = "é" * 31  # 62 bytes
    (unit,) = compiled(
        dimension(
            "a",
            {"name": long, "type": "text", "unique": True, "check": "true"},
            {"name": long[:-1] + "e", "type": "text", "unique": True, "check": "true"},
            table=long,
        )
    )
    table = table_of(unit)
    assert table.primary_key is not None
    names = [table.primary_key.name, *(part.name for part in (*table.uniques, *table.checks))]
    assert len(set(names)) == 5
    assert all(len(name.encode()) <= MAX_IDENTIFIER_BYTES for name in names)
    assert all(name.startswith("é" * 20) for name in names)


def test_two_parts_that_would_get_one_name_are_refused() -> None:
    (unit,) = compiled(
        dimension(
            "a", {"name": "b", "type": "int", "check": "b > 0"}, checks=[{"name": "b_check", "expression": "b < 9"}]
        )
    )
    assert "2 constraints or indexes of geo.a would be named a_b_check" in unit.diagnostics[0].message


def test_view_restates_defaults_but_not_those_that_are_generated() -> None:
    (unit,) = compiled(
        dimension(
            "a",
            {"name": "n", "type": "int", "default": "7", "comment": "N"},
            {"name": "g", "type": "int", "generated": "n + 1"},
            api=API,
        )
    )
    view = unit.objects[1]
    assert isinstance(view, View)
    assert [(column.name, column.default, column.comment) for column in view.columns] == [
        ("id", None, None),
        ("n", "7", "N"),
        ("g", None, None),
    ]
    assert unit.schemas == {"geo", "api"}
    assert unit.roles == {"reader", "writer"}


def test_origins_lead_from_elements_back_to_the_resource() -> None:
    (unit,) = compiled(
        dimension(
            "a",
            {"name": "n", "type": "int", "default": "7", "check": "n > 0"},
            {"name": "g", "type": "int", "generated": "n + 1"},
            checks=[{"name": "sane", "expression": "n < 9"}],
            indexes=[{"name": "i", "expressions": ["n % 2"]}],
        )
    )
    assert {element: path for (_, element), path in unit.origins.items()} == {
        "type:n": "spec.columns[n].type",
        "default:n": "spec.columns[n].default",
        "type:g": "spec.columns[g].type",
        "generated:g": "spec.columns[g].generated",
        "check:a_n_check": "spec.columns[n].check",
        "check:a_sane": "spec.checks[sane].expression",
        "index:a_i": "spec.indexes[i]",
    }


def test_authenticator_becomes_every_role_and_inherits_none() -> None:
    (unit,) = compiled(
        postgrest(
            anonymousRole={"name": "anon"},
            roles=[{"name": "editor", "inherits": ["anon"]}, {"name": "theirs", "create": False}],
        )
    )
    roles = {item.name: item for item in unit.objects if isinstance(item, Role)}
    assert set(roles) == {"anon", "editor", "warehouse_authenticator"}
    login = roles["warehouse_authenticator"]
    assert (login.login, login.inherit, login.member_of) == (True, False, ("anon", "editor", "theirs"))
    assert roles["editor"].member_of == ("anon",)
    assert unit.roles == {"theirs"}


def test_compilation_is_the_same_every_time() -> None:
    one = dimension("a", CODE, api=API, indexes=[{"name": "i", "columns": ["code"]}])
    assert compiled(one) == compiled(one)


@pytest.mark.parametrize(
    ("type_name", "views", "queries"),
    [
        ("AppendOnly", {"seen_versions"}, {"seen_as_of", "seen_diff"}),
        ("EAV", {"seen_attributes", "seen_attribute_history"}, {"seen_attributes_as_of"}),
    ],
)
def test_the_past_is_exposed_to_those_who_may_read(type_name: str, views: set[str], queries: set[str]) -> None:
    grants = [{"role": "reader", "privileges": ["select"]}, {"role": "blind", "privileges": ["insert"]}]
    api = {"schema": "api", "name": "seen", "grants": grants}

    def exposed(**more: Any) -> list[View | Function]:
        (unit,) = compiled(dimension("things", CODE, type=type_name, api=api | more))
        assert not unit.diagnostics
        found = (item for item in unit.objects if isinstance(item, View | Function))
        return [item for item in found if item.schema_name == "api" and item.name != "seen"]

    assert exposed() == []
    assert exposed(history=True, expose=False) == []
    past = exposed(history=True)
    assert {item.name for item in past if isinstance(item, View)} == views
    assert {item.name for item in past if isinstance(item, Function)} == queries
    for item in past:
        assert item.comment
        if isinstance(item, View):
            assert item.grants == (RoleGrant(role="reader", privileges=("SELECT",)),)
            assert {column.default for column in item.columns} == {None}
        else:
            assert (item.executors, item.public, item.volatility) == (("reader",), False, "STABLE")
            assert not item.security_definer
