"""Where the database no longer is what was applied."""

from __future__ import annotations

from collections.abc import Mapping

from pgcraft_core.catalog.model import Catalog
from pgcraft_core.catalog.registry import Registry
from pgcraft_core.catalog.rendering import differences, render
from pgcraft_core.schema.unit import Claimant


def find_drift(registry: Registry, catalog: Catalog, owner_id: str) -> Mapping[Claimant, tuple[str, ...]]:
    """Return in sentences, for each resource of a Database, what somebody changed since it was applied.

    Compared is Postgres's own rendering, recorded in the applying transaction, with its rendering now.
    """
    drift: dict[Claimant, list[str]] = {}
    for identity, entry in registry.entries.items():
        if entry.owner_id != owner_id or entry.state != "managed":
            continue
        current = render(catalog, identity)
        if current == entry.rendering:
            continue
        found = [f"{identity}: {sentence}" for sentence in differences(entry.rendering, current)]
        if found:
            drift.setdefault(entry.claimant, []).extend(found)
    return {claimant: tuple(found) for claimant, found in drift.items()}
