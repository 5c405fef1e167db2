"""Hold back what strangers' views and functions stand in the way of: what others stand on cannot be dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.draft_context import Draft
from pgcraft_core.plan.operations.base import Operation
from pgcraft_core.plan.operations.function import CreateFunction, DropFunction
from pgcraft_core.plan.operations.trigger import DropTrigger
from pgcraft_core.plan.operations.view import CreateView, DropView
from pgcraft_core.plan.withhold import withhold
from pgcraft_core.schema.base import ObjectId, QualifiedName
from pgcraft_core.schema.unit import Claimant


def hold_back(
    drafts: Sequence[Draft], catalog: Catalog
) -> tuple[list[Draft], Mapping[Claimant, tuple[Diagnostic, ...]]]:
    """Return the drafts that may run, and for the others who is in their way.

    CASCADE would take what strangers made with it, so a draft that drops a view or function is held back while there is
    any of that; so is what needs an object that such a draft would have made.
    """
    return withhold(drafts, lambda draft: _obstacles(draft, catalog))


def _obstacles(draft: Draft, catalog: Catalog) -> list[Diagnostic]:
    rebuilt = {operation.target for operation in draft.operations if isinstance(operation, CreateView | CreateFunction)}
    gone = {name for operation in draft.operations if (name := _dropped(operation)) is not None}
    released = gone | {operation.table for operation in draft.operations if isinstance(operation, DropTrigger)}
    found: list[Diagnostic] = []
    for operation in draft.operations:
        name = _dropped(operation)
        if name is None:
            continue
        dependants = (*catalog.dependants.get(name, ()), *catalog.row_functions.get(name, ()))
        if isinstance(operation, DropFunction):
            dependants = catalog.callers.get(name, ())
        others = [other for other in dict.fromkeys(dependants) if other not in released]
        if others:
            what = "has to be made anew" if operation.target in rebuilt else "has to go"
            found.append(Diagnostic("spec.api", _sentence(operation.target, what, others), reason="Conflict"))
    return found


def _dropped(operation: Operation) -> QualifiedName | None:
    match operation:
        case DropView():
            return operation.view.qualified_name
        case DropFunction():
            return operation.function.qualified_name
        case _:
            return None


def _sentence(identity: ObjectId, what: str, others: Iterable[QualifiedName]) -> str:
    names = ", ".join(str(other) for other in others)
    return (
        f"{identity} {what}, but {names} stands on it and was not made by pgcraft, which leaves it untouched; "
        "drop it, and make it again afterwards"
    )
