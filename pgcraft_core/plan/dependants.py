"""Hold back what strangers' views stand in the way of: a view that others select from cannot be dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.draft import Draft
from pgcraft_core.plan.operations.view import CreateView, DropView
from pgcraft_core.plan.withhold import withhold
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.unit import Claimant


def hold_back(
    drafts: Sequence[Draft], catalog: Catalog
) -> tuple[list[Draft], Mapping[Claimant, tuple[Diagnostic, ...]]]:
    """Return the drafts that may run, and for the others who is in their way.

    CASCADE would take the strangers' views with it, so a draft that drops a view is held back while there are any; so
    is what needs an object that such a draft would have made.
    """
    return withhold(drafts, lambda draft: _obstacles(draft, catalog))


def _obstacles(draft: Draft, catalog: Catalog) -> list[Diagnostic]:
    rebuilt = {operation.target for operation in draft.operations if isinstance(operation, CreateView)}
    found: list[Diagnostic] = []
    for operation in draft.operations:
        if not isinstance(operation, DropView):
            continue
        others = catalog.dependants.get(operation.view.qualified_name, ())
        if others:
            what = "has to be made anew" if operation.target in rebuilt else "has to go"
            found.append(Diagnostic("spec.api", _sentence(operation.target, what, others), reason="Conflict"))
    return found


def _sentence(view: ObjectId, what: str, others: Iterable[QualifiedName]) -> str:
    names = ", ".join(str(other) for other in others)
    return (
        f"{view} {what}, but {names} selects from it and was not made by pgcraft, which leaves it untouched; "
        "drop it, and make it again afterwards"
    )
