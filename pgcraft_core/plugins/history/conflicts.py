"""What a dimension with a past may not declare: keys that follow other keys, and columns the type makes itself."""

from __future__ import annotations

from collections.abc import Iterable

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.table import Table
from pgcraft_core.spec.dimension import Dimension, ReferentialAction

_FOLLOWING = frozenset({"Cascade", "SetNull", "SetDefault"})


def following_keys(dimension: Dimension, subject: Subject) -> list[Diagnostic]:
    """Return what is wrong with foreign keys over key columns whose ON UPDATE would change them."""
    declared: list[tuple[str, tuple[str, ...], ReferentialAction]] = [
        (f"spec.columns[{column.name}].references.onUpdate", (column.name,), column.references.on_update)
        for column in dimension.spec.columns
        if column.references is not None
    ]
    declared += [
        (f"spec.foreignKeys[{key.name}].onUpdate", key.columns, key.on_update) for key in dimension.spec.foreign_keys
    ]
    return [
        Diagnostic(
            path,
            f"{action} would change the key of {subject.name} ({', '.join(changed)}), and the key of a row with a past "
            "never changes; use NoAction or Restrict, or a generated key",
        )
        for path, columns, action in declared
        if action in _FOLLOWING and (changed := [column for column in columns if column in subject.key])
    ]


def reserved_columns(dimension: Dimension, table: Table, reserved: Iterable[str]) -> list[Diagnostic]:
    """Return what is wrong with columns, an author's or a plugin's, named as those the type needs beside them."""
    declared = {column.name for column in dimension.spec.columns}
    return [
        Diagnostic(
            f"spec.columns[{name}].name" if name in declared else "spec",
            f"column {name} of {table.qualified_name} would stand beside one of that name in what "
            f"{dimension.spec.type} keeps of the past; name it otherwise",
        )
        for name in reserved
        if table.column(name) is not None
    ]


def has_computed_key(dimension: Dimension, subject: Subject) -> bool:
    """Whether a column of the key is a generated one."""
    return any(column.generated is not None for column in dimension.spec.columns if column.name in subject.key)
