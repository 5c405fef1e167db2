"""Keep back what something speaks against, and whatever needs what it would have made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.draft_context import Draft
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.unit import Claimant


def withhold(
    drafts: Sequence[Draft], objections: Callable[[Draft], Sequence[Diagnostic]]
) -> tuple[list[Draft], Mapping[Claimant, tuple[Diagnostic, ...]]]:
    """Return the drafts that may run, and for the others what speaks against them, or what they have to wait for."""
    blocked = {number: found for number, draft in enumerate(drafts) if (found := objections(draft))}
    while True:
        unmade = {identity for number in blocked for identity in _made(drafts[number])}
        waiting = {
            number: [_waits_for(identity) for identity in sorted(draft.needs & unmade)]
            for number, draft in enumerate(drafts)
            if number not in blocked and not draft.needs.isdisjoint(unmade)
        }
        if not waiting:
            break
        blocked |= waiting
    diagnostics: dict[Claimant, tuple[Diagnostic, ...]] = {}
    for number, found in blocked.items():
        claimant = drafts[number].claimant
        diagnostics[claimant] = diagnostics.get(claimant, ()) + tuple(found)
    return [draft for number, draft in enumerate(drafts) if number not in blocked], diagnostics


def _made(draft: Draft) -> set[ObjectId]:
    return {change.id for change in draft.changes if change.before is None and change.object is not None}


def _waits_for(identity: ObjectId) -> Diagnostic:
    return Diagnostic("spec", f"{identity} cannot be made yet; it is waited for", reason="DependencyNotReady")
