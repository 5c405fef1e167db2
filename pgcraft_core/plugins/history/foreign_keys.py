"""Foreign keys that change rows by themselves, so that one statement may change one row twice."""

from __future__ import annotations

from pgcraft_core.schema.table import ForeignKey


def follows(key: ForeignKey) -> bool:
    """Whether rows are updated where those change or go that the key refers to."""
    return key.on_delete in ("SET NULL", "SET DEFAULT") or key.on_update in ("CASCADE", "SET NULL", "SET DEFAULT")
