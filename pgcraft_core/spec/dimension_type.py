"""What the built-in dimension types ask of a spec: which fields are for which of them, and names they need themselves.

Types of plugin packages are known to no rule here: it is for their plugins to say what they take.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pgcraft_core.spec.annotations import Rule

if TYPE_CHECKING:
    from pgcraft_core.spec.dimension import DimensionSpec

CLOSED_COLUMNS = ("valid_from", "valid_to", "operation", "changed_by", "changed_via", "closed_by", "closed_via")
"""What is known of a value that was: columns of an AppendOnly history and of an EAV log alike."""

CREATED_COLUMNS = ("created_at", "created_by", "created_via")
LOG_COLUMNS = ("attribute", "value", "open", *CLOSED_COLUMNS)

# Columns a dimension may not declare, and those its key may not have either: they stand beside it in the log.
RESERVED_COLUMNS = {"AppendOnly": CLOSED_COLUMNS, "EAV": (*CREATED_COLUMNS, "extra", "attribute")}
RESERVED_OF_KEY = {"AppendOnly": CLOSED_COLUMNS, "EAV": (*CREATED_COLUMNS, "extra", *LOG_COLUMNS)}

# Columns of the current table that say since when its rows are what they are, and by whom: set by the database alone.
STAMPED_COLUMNS = {"AppendOnly": ("valid_from", "changed_by", "changed_via"), "EAV": CREATED_COLUMNS}

CHANGING_ACTIONS = ("Cascade", "SetNull", "SetDefault")


def added_columns(spec: DimensionSpec) -> int:
    """Return how many columns a type adds to the widest of its tables."""
    match spec.type:
        case "AppendOnly":
            return len(CLOSED_COLUMNS)
        case "EAV":
            return len(CREATED_COLUMNS) + spec.open
        case _:
            return 0


def _cel(names: Iterable[str]) -> str:
    return f"[{', '.join(repr(name) for name in names)}]"


def _reserve_columns(type_name: str) -> Rule:
    reserved = RESERVED_COLUMNS[type_name]
    return Rule(
        f"!has(self.type) || self.type != '{type_name}' || !has(self.columns) || "
        f"!self.columns.exists(column, column.name in {_cel(reserved)})",
        f"{type_name} has columns {', '.join(reserved)} of its own; name the column otherwise.",
        lambda spec: spec.type != type_name or not any(column.name in reserved for column in spec.columns),
        path="columns",
    )


def _reserve_generated_key(type_name: str) -> Rule:
    reserved = RESERVED_OF_KEY[type_name]
    return Rule(
        f"!has(self.type) || self.type != '{type_name}' || !has(self.primaryKey) || !has(self.primaryKey.column) || "
        f"!(self.primaryKey.column in {_cel(reserved)})",
        f"{type_name} keeps the past in columns {', '.join(reserved)}, beside the key; name the key otherwise.",
        lambda spec: spec.type != type_name or spec.generated_key not in reserved,
        path="primaryKey.column",
    )


def _key_follows(spec: DimensionSpec) -> bool:
    return any(
        column.references is not None
        and column.references.on_update in CHANGING_ACTIONS
        and column.name in spec.key_columns
        for column in spec.columns
    )


TYPE_RULES: tuple[Rule, ...] = (
    Rule(
        "!has(self.history) || (has(self.type) && self.type != 'Simple')",
        "A Simple dimension keeps no past: leave history out, or use the type AppendOnly or EAV.",
        lambda spec: spec.history is None or spec.type != "Simple",
        path="history",
        reason="FieldValueForbidden",
    ),
    Rule(
        "!has(self.type) || self.type != 'EAV' || !has(self.history) || !has(self.history.retain)",
        "The log of an EAV dimension also says since when the values that stand do, so nothing of it may be dropped: "
        "leave retain out, or use the type AppendOnly.",
        lambda spec: spec.type != "EAV" or spec.history is None or spec.history.retain is None,
        path="history.retain",
        reason="FieldValueForbidden",
    ),
    Rule(
        "!has(self.open) || !self.open || (has(self.type) && !(self.type in ['Simple', 'AppendOnly']))",
        "Only an EAV dimension takes attributes that are not declared: leave open out, or use the type EAV.",
        lambda spec: not spec.open or spec.type not in {"Simple", "AppendOnly"},
        path="open",
        reason="FieldValueForbidden",
    ),
    Rule(
        "!has(self.api) || !has(self.api.history) || !self.api.history || (has(self.type) && self.type != 'Simple')",
        "A Simple dimension has no past to expose: leave history out, or use the type AppendOnly or EAV.",
        lambda spec: spec.api is None or not spec.api.history or spec.type != "Simple",
        path="api.history",
        reason="FieldValueForbidden",
    ),
    *(_reserve_columns(type_name) for type_name in RESERVED_COLUMNS),
    *(_reserve_generated_key(type_name) for type_name in RESERVED_OF_KEY),
    Rule(
        "!has(self.type) || self.type != 'EAV' || !has(self.primaryKey) || !has(self.primaryKey.columns) || "
        f"!self.primaryKey.columns.exists(column, column in {_cel(LOG_COLUMNS)})",
        f"The log of an EAV dimension has columns {', '.join(LOG_COLUMNS)} beside the key's; name the key's otherwise.",
        lambda spec: spec.type != "EAV" or not any(name in LOG_COLUMNS for name in spec.key_columns),
        path="primaryKey.columns",
    ),
    Rule(
        "!has(self.type) || !(self.type in ['AppendOnly', 'EAV']) || !has(self.columns) || !has(self.primaryKey) || "
        "!has(self.primaryKey.columns) || !self.columns.exists(column, has(column.references) && "
        f"has(column.references.onUpdate) && column.references.onUpdate in {_cel(CHANGING_ACTIONS)} && "
        "column.name in self.primaryKey.columns)",
        "The key of a row with a past never changes, so it cannot follow another key: set onUpdate of its reference to "
        "NoAction or Restrict, or use a generated key.",
        lambda spec: spec.type not in {"AppendOnly", "EAV"} or not _key_follows(spec),
        path="columns",
        reason="FieldValueForbidden",
    ),
)
