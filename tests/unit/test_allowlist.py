"""The pure parts of the allow-list: how functions are named, what a stored tree gives away."""

import pytest

from pgcraft_core.catalog.allowance import Allowance
from pgcraft_core.catalog.node_tree import read_node_tree
from pgcraft_core.sql.functions import allowed_function

# (nextval('s') > 1 and lower(t.b) = 'x}'), as Postgres 18 stores it, shortened
TREE = (
    r"{BOOLEXPR :boolop and :args ({OPEXPR :opno 413 :opfuncid 470 :opresulttype 16 :opretset false :args "
    r"({FUNCEXPR :funcid 1574 :funcresulttype 20 :funcretset false :args ({CONST :consttype 2205 :constisnull false "
    r":constvalue 4 [ 1 0 0 0 0 0 0 0 ]})} {CONST :consttype 20 :constvalue 8 [ 1 0 0 0 0 0 0 0 ]})} "
    r"{ROWCOMPAREEXPR :opnos (o 97 664) :largs ({VAR :varno 1 :varattno 1 :vartype 23} {COLLATEEXPR :arg {VAR :varno 1 "
    r":varattno 2 :vartype 25} :collOid 950}) :rargs ({NAMEDARGEXPR :name a\ \}b\) :argnumber 0} <>)})}"
)


def test_a_tree_gives_away_functions_operators_types_and_collations() -> None:
    reached = read_node_tree(TREE)
    assert reached.functions == {470, 1574}
    assert reached.operators == {413, 97, 664}
    assert reached.types == {16, 20, 2205, 23, 25}
    assert reached.collations == {950}
    assert reached.refused == ()


@pytest.mark.parametrize(
    ("tree", "refused"),
    [
        ("{SUBLINK :subLinkType 4}", "a subquery"),
        ("{NEXTVALUEEXPR :seqid 1 :typeId 20}", "a sequence"),
        ("{XMLEXPR :op 0}", "an XML constructor"),
        ("{SOMETHINGNEW :a 1}", "the construct SOMETHINGNEW"),
        ("{VAR :varno 1 :varattno 0 :vartype 1}", "the whole row"),
        ("{VAR :varno 1 :varattno -6 :vartype 26}", "a system column"),
        ("{FUNCEXPR :funcid 1 :funcretset true}", "a set-returning function"),
        ("{NULLTEST :arg {BOOLEXPR :args ({AGGREF :aggfnoid 1})}}", "an aggregate function"),
    ],
)
def test_what_computes_more_than_a_value_from_values_is_refused(tree: str, refused: str) -> None:
    assert read_node_tree(tree).refused == (refused,)


def test_a_function_is_allowed_by_name_or_by_signature() -> None:
    allowance = Allowance(functions=("audit.stamp", 'Geo."Area"(int, varchar[])', "geo.nothing()"))
    assert allowance.permits("audit", "stamp", ("text",))
    assert allowance.permits("geo", "Area", ("integer", "character varying[]"))
    assert allowance.permits("geo", "nothing", ())
    assert not allowance.permits("geo", "Area", ("integer",))
    assert not allowance.permits("geo", "area", ("integer", "character varying[]"))
    assert not allowance.permits("geo", "nothing", ("text",))
    assert not allowance.permits("other", "stamp", ("text",))
    assert [str(function) for function in allowance.allowed] == [
        "audit.stamp",
        'geo."Area"(integer, character varying[])',
        "geo.nothing()",
    ]


@pytest.mark.parametrize(
    "text", ["now", "", "a.b(", "a.b(int", "a.b int", "a.b(int,)", "a.b()()", "a.b; drop", "a.b.c"]
)
def test_a_function_written_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at character"):
        allowed_function(text)
    with pytest.raises(ValueError, match="at character"):
        Allowance(functions=(text,))
