"""Refuse what no row could satisfy: a new column that must not be NULL, and nothing to fill it with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.draft_context import Draft
from pgcraft_core.plan.hazards import RowEvidence
from pgcraft_core.plan.operations.column import AddColumn
from pgcraft_core.plan.withhold import withhold
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.unit import Claimant


def refuse_unfillable(
    drafts: Sequence[Draft], evidence: Mapping[QualifiedName, RowEvidence]
) -> tuple[list[Draft], Mapping[Claimant, tuple[Diagnostic, ...]]]:
    """Return the drafts that existing rows allow, and for the others which column they cannot fill."""
    return withhold(
        drafts, lambda draft: [found for operation in draft.operations for found in _unfillable(operation, evidence)]
    )


def _unfillable(operation: object, evidence: Mapping[QualifiedName, RowEvidence]) -> list[Diagnostic]:
    if not isinstance(operation, AddColumn):
        return []
    column, found = operation.column, evidence.get(operation.table)
    fills_itself = column.nullable or column.default is not None or column.identity or column.generated is not None
    if fills_itself or found is None or not found.rows:
        return []
    rows = "a row" if found.rows == 1 else f"about {found.rows:,} rows"
    return [
        Diagnostic(
            f"spec.columns[{column.name}].nullable",
            f"the table has {rows} and nothing to put into the new column; give it a default, or let it accept NULL",
        )
    ]
