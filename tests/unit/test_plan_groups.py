"""Groups, batches, hazards and hashes: what commits together, what asks first, and what an approval is pinned to."""

from __future__ import annotations

from typing import Any

import pytest

from pgcraft_core.plan.assemble import OBJECTS_PER_TRANSACTION
from pgcraft_core.plan.hazards import LARGE_TABLE_BYTES, RowEvidence, is_lossless, is_widening
from pgcraft_core.plan.model import PlannedMigration
from pgcraft_core.schema.base import QualifiedName
from tests.corpus.world import API, applied, compiled, dimension, planned

CODE = {"name": "code", "type": "varchar(8)"}
SIZE = {"name": "size", "type": "integer"}
THINGS = QualifiedName("geo", "things")
SMALL = RowEvidence(rows=3, size=8192, values={"note": 2})
LARGE = RowEvidence(rows=1_000_000, size=LARGE_TABLE_BYTES, values={})


def link(name: str, target: str) -> dict[str, Any]:
    return {"name": name, "type": "bigint", "references": {"dimension": target}}


def groups(*resources: Any) -> list[list[str]]:
    (migration,) = planned(compiled(*resources))[0]
    return [[claimant.name for claimant in group.claimants] for group in migration.groups]


def evolve(before: Any, after: Any, evidence: RowEvidence, approval: str = "OnHazard") -> Any:
    registry = applied(planned(compiled(before))[0])
    return planned(compiled(after), registry, evidence={THINGS: evidence}, approval=approval)


def hazards(migrations: tuple[PlannedMigration, ...]) -> list[tuple[str, str]]:
    return [(s.hazard.type, s.hazard.message) for m in migrations for s in m.operations if s.hazard]


def test_what_is_referenced_comes_first_and_circles_are_one_group() -> None:
    found = groups(
        dimension("leaf", link("a", "a")),
        dimension("a", link("b", "b")),
        dimension("b", link("a", "a"), link("root", "root")),
        dimension("alone", link("itself", "alone")),
        dimension("root", CODE),
    )
    assert found[0] == ["warehouse"]
    assert ["a", "b"] in found
    order = [name for group in found for name in group]
    assert order.index("root") < order.index("a") < order.index("leaf")
    assert ["alone"] in found


def test_within_a_group_foreign_keys_come_after_all_tables() -> None:
    (migration,) = planned(compiled(dimension("a", link("b", "b")), dimension("b", link("a", "a"))))[0]
    names = [step.name for step in migration.groups[-1].operations]
    assert names == ["CreateTable", "CreateTable", "AddForeignKey", "AddForeignKey"]


def test_each_schema_is_a_group_of_its_own() -> None:
    assert groups(dimension("a", CODE), dimension("b", CODE, schema="other"))[:2] == [["warehouse"], ["warehouse"]]


def test_batches_hold_a_bounded_number_of_objects_and_keep_the_order() -> None:
    many = [dimension(f"d{n}", link("up", f"d{n - 1}") if n else CODE) for n in range(OBJECTS_PER_TRANSACTION)]
    ready, _ = planned(compiled(*many))
    assert len(ready) > 1
    for migration in ready:
        relations = sum(step.name in {"CreateTable", "CreateIndex", "CreateView"} for step in migration.operations)
        assert relations <= OBJECTS_PER_TRANSACTION
    names = [claimant.name for migration in ready for claimant in migration.claimants if claimant.kind == "Dimension"]
    assert names == [f"d{n}" for n in range(OBJECTS_PER_TRANSACTION)]


def test_split_gives_one_migration_a_group() -> None:
    (migration,) = planned(compiled(dimension("a", CODE), dimension("b", CODE)))[0]
    parts = migration.split()
    assert [part.groups for part in parts] == [(group,) for group in migration.groups]
    assert len({part.plan_hash for part in parts}) == len(parts)
    assert "".join(part.sql for part in parts).replace("\n", "") == migration.sql.replace("\n", "")


def things(*columns: dict[str, Any], **spec: Any) -> Any:
    return dimension("things", *columns, **spec)


def test_removed_column_waits_whatever_the_policy_and_says_what_it_holds() -> None:
    note = {"name": "note", "type": "text"}
    ready, waiting = evolve(things(CODE, note), things(CODE), SMALL, approval="Never")
    assert not ready
    assert hazards(waiting) == [("DataLoss", "drop column note of geo.things: 2 values would be lost")]
    assert waiting[0].needs_approval


@pytest.mark.parametrize(
    ("before", "after", "evidence", "hazard"),
    [
        ({"type": "varchar(8)"}, {"type": "varchar(4)"}, SMALL, "DataLoss"),
        ({"type": "integer"}, {"type": "bigint"}, SMALL, "Rewrite"),
        ({"type": "varchar(4)"}, {"type": "text"}, SMALL, None),
        ({"type": "integer"}, {"type": "text"}, RowEvidence(0, 0, {}), None),
        ({"type": "text"}, {"type": "text", "unique": True}, LARGE, "LongLock"),
        ({"type": "text"}, {"type": "text", "unique": True}, SMALL, None),
        ({"type": "text"}, {"type": "text", "nullable": False}, LARGE, "LongLock"),
        ({"type": "text"}, {"type": "text", "check": "note <> ''"}, LARGE, "LongLock"),
        ({"type": "text"}, {"type": "text", "generated": "upper(code)"}, SMALL, "DataLoss"),
        ({"type": "text", "generated": "upper(code)"}, {"type": "text", "generated": "lower(code)"}, LARGE, "Rewrite"),
        ({"type": "text", "generated": "upper(code)"}, {"type": "text", "generated": "lower(code)"}, SMALL, None),
    ],
)
def test_hazards(before: dict[str, Any], after: dict[str, Any], evidence: RowEvidence, hazard: str | None) -> None:
    old, new = things(CODE, {"name": "note", **before}), things(CODE, {"name": "note", **after})
    ready, waiting = evolve(old, new, evidence)
    assert [type_ for type_, _ in hazards(waiting)] == ([hazard] if hazard else [])
    assert bool(ready) == (hazard is None)
    ready, waiting = evolve(old, new, evidence, approval="Never")
    assert bool(waiting) == (hazard == "DataLoss")


def test_new_tables_have_no_hazards_and_always_asks() -> None:
    ready, waiting = planned(compiled(things(CODE)), approval="Always")
    assert not ready
    assert not hazards(waiting)
    assert planned(compiled(things(CODE)), approval="OnHazard")[0]


@pytest.mark.parametrize(
    ("before", "after", "widens", "loses_nothing"),
    [
        ("character varying(4)", "character varying(5)", True, True),
        ("character varying(4)", "character varying", True, True),
        ("character varying(4)", "text", True, True),
        ("character varying(5)", "character varying(4)", False, False),
        ("numeric(5,2)", "numeric(7,2)", True, True),
        ("numeric(5,2)", "numeric(7,4)", False, True),
        ("numeric(5,2)", "numeric(5,3)", False, False),
        ("numeric(5,2)", "numeric", True, True),
        ("numeric", "numeric(5,2)", False, False),
        ("integer", "bigint", False, True),
        ("bigint", "integer", False, False),
        ("bigint", "double precision", False, False),
        ("timestamp with time zone", "date", False, False),
        ("text", "integer", False, False),
    ],
)
def test_which_changes_of_type_widen_and_which_lose_nothing(
    before: str, after: str, widens: bool, loses_nothing: bool
) -> None:
    assert (is_widening(before, after), is_lossless(before, after)) == (widens, loses_nothing)


def test_hash_is_stable_and_free_of_row_evidence() -> None:
    note = {"name": "note", "type": "text"}
    one = evolve(things(CODE, note), things(CODE), SMALL)[1][0]
    other = evolve(things(CODE, note), things(CODE), RowEvidence(9, 9, {"note": 9}))[1][0]
    assert one.plan_hash == other.plan_hash
    assert hazards((one,)) != hazards((other,))
    first, again = (planned(compiled(things(CODE, api=API)))[0][0].plan_hash for _ in range(2))
    assert first == again
    assert len(first) == 64


def test_hash_depends_on_both_states() -> None:
    target = things(CODE, SIZE)
    fresh = planned(compiled(target))[0][0].plan_hash
    grown = evolve(things(CODE), target, SMALL)[0][0].plan_hash
    elsewhere = evolve(things(SIZE), target, SMALL)[0][0].plan_hash
    assert len({fresh, grown, elsewhere}) == 3


def test_sql_stays_sql_where_expressions_have_line_breaks() -> None:
    ready, _ = evolve(things(CODE), things({**CODE, "default": "'a\n  b'"}), SMALL)
    lines = ready[0].sql.splitlines()
    assert lines[0] == "-- set the default of column code of geo.things to 'a b'"
    assert lines[1].startswith("ALTER TABLE")
    assert "\n" not in ready[0].message
