"""What a stored expression reaches, read from Postgres's own parse tree (`pg_node_tree` as text)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"(?:\\.|[^\s(){}\\])+|[(){}]", re.DOTALL)
"""As `pg_strtok`: braces and parentheses stand alone, and inside strings they are escaped by a backslash."""

_PLAIN_NODES = frozenset(
    """ARRAYCOERCEEXPR ARRAYEXPR BOOLEANTEST BOOLEXPR CASEEXPR CASETESTEXPR CASEWHEN COALESCEEXPR COERCETODOMAIN
    COERCEVIAIO COLLATEEXPR CONST CONVERTROWTYPEEXPR DISTINCTEXPR FIELDSELECT FUNCEXPR JSONBEHAVIOR JSONCONSTRUCTOREXPR
    JSONEXPR JSONFORMAT JSONISPREDICATE JSONRETURNING JSONVALUEEXPR MINMAXEXPR NAMEDARGEXPR NULLIFEXPR NULLTEST OPEXPR
    RELABELTYPE ROWCOMPAREEXPR ROWEXPR SCALARARRAYOPEXPR SQLVALUEFUNCTION SUBSCRIPTINGREF VAR
    """.split()  # noqa: SIM905 - a word list
)
"""Nodes that compute a value from values. Every other kind is refused, also those a later Postgres may add."""

_REFUSED_NODES = {
    "SUBLINK": "a subquery",
    "AGGREF": "an aggregate function",
    "GROUPINGFUNC": "GROUPING",
    "WINDOWFUNC": "a window function",
    "NEXTVALUEEXPR": "a sequence",
    "XMLEXPR": "an XML constructor",
    "PARAM": "a parameter",
}

_FUNCTION_FIELDS = frozenset({":funcid", ":opfuncid"})
_OPERATOR_FIELDS = frozenset({":opno", ":opnos"})
_COLLATION_FIELDS = frozenset({":collOid"})
_TYPE_FIELDS = frozenset(
    """:vartype :consttype :funcresulttype :opresulttype :resulttype :casetype :array_typeid :element_typeid
    :refcontainertype :refelemtype :refrestype :row_typeid :coalescetype :minmaxtype :typeId :typid
    """.split()  # noqa: SIM905 - a word list
)


@dataclass(frozen=True, slots=True)
class Reached:
    """OIDs an expression's tree names, and what else in it may not be there, in words."""

    functions: frozenset[int]
    operators: frozenset[int]
    types: frozenset[int]
    collations: frozenset[int]
    refused: tuple[str, ...]


def read_node_tree(tree: str) -> Reached:
    """Return what the expression reaches; errs on the side of refusing what it does not know."""
    found: dict[str, set[int]] = {"function": set(), "operator": set(), "type": set(), "collation": set()}
    refused: dict[str, None] = {}  # a set that keeps its order
    nodes: list[str] = []
    tokens = _TOKEN.findall(tree)
    for at, word in enumerate(tokens):
        if word == "{":
            nodes.append(tokens[at + 1])
            if nodes[-1] not in _PLAIN_NODES:
                refused[_REFUSED_NODES.get(nodes[-1], f"the construct {nodes[-1]}")] = None
        elif word == "}":
            nodes.pop()
        elif word == ":varattno" and int(tokens[at + 1]) <= 0:
            whole = int(tokens[at + 1]) == 0
            refused["the whole row" if whole else "a system column"] = None
        elif word == ":funcretset" and tokens[at + 1] != "false":
            refused["a set-returning function"] = None
        elif category := _category(word, nodes):
            found[category].update(_oids(tokens, at + 1))
    return Reached(
        functions=frozenset(found["function"] - {0}),
        operators=frozenset(found["operator"] - {0}),
        types=frozenset(found["type"] - {0}),
        collations=frozenset(found["collation"] - {0}),
        refused=tuple(refused),
    )


def _category(field: str, nodes: list[str]) -> str | None:
    if field in _FUNCTION_FIELDS:
        return "function"
    if field in _OPERATOR_FIELDS:
        return "operator"
    if field in _TYPE_FIELDS or (field == ":type" and nodes[-1] == "SQLVALUEFUNCTION"):
        return "type"
    if field in _COLLATION_FIELDS:
        return "collation"
    return None


def _oids(tokens: list[str], at: int) -> Iterator[int]:
    """Read one OID, or a list of them as `(o 97 664)`. Raises ValueError on anything else."""
    if tokens[at] != "(":
        yield int(tokens[at])
        return
    at += 2
    while tokens[at] != ")":
        yield int(tokens[at])
        at += 1
