"""Foreign keys, to dimensions of the same database and to any other table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.primary_key import key_columns
from pgcraft_core.plugins.vocabulary import (
    CONTEXT,
    DIAGNOSTICS,
    DIMENSION,
    FOREIGN_KEYS,
    REFERENCES,
    CompileContext,
)
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.table import Deferral, ForeignKey, ReferentialAction
from pgcraft_core.spec import dimension as spec
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.sql.identifiers import foreign_key_name, named

ACTIONS: Mapping[spec.ReferentialAction, ReferentialAction] = {
    "NoAction": "NO ACTION",
    "Restrict": "RESTRICT",
    "Cascade": "CASCADE",
    "SetNull": "SET NULL",
    "SetDefault": "SET DEFAULT",
}
DEFERRALS: Mapping[spec.Deferral, Deferral] = {
    "NotDeferrable": "NOT DEFERRABLE",
    "InitiallyImmediate": "INITIALLY IMMEDIATE",
    "InitiallyDeferred": "INITIALLY DEFERRED",
}


@dataclass(frozen=True, slots=True)
class _Declaration:
    """A foreign key in the form common to both places it can be declared in."""

    path: str
    name: str
    columns: tuple[str, ...]
    target: spec.Target
    target_columns: tuple[str, ...] | None
    on_delete: spec.ReferentialAction
    on_update: spec.ReferentialAction
    deferrable: spec.Deferral
    comment: str | None = None


class ForeignKeysPlugin(Plugin):
    """Turns `references` of columns and `spec.foreignKeys` into constraints."""

    name = "foreignKeys"

    @requires(DIMENSION, CONTEXT)
    @produces(FOREIGN_KEYS, REFERENCES, DIAGNOSTICS)
    def foreign_keys(
        self, dimension: Dimension, context: CompileContext
    ) -> tuple[list[ForeignKey], list[ObjectId], list[Diagnostic]]:
        """Return the constraints and the tables they need; a dimension that is not there yet is waited for."""
        keys: list[ForeignKey] = []
        diagnostics: list[Diagnostic] = []
        for declaration in _declarations(dimension):
            resolved = _resolve(declaration, dimension, context)
            if isinstance(resolved, Diagnostic):
                diagnostics.append(resolved)
            else:
                keys.append(resolved)
        return keys, [ObjectId("table", key.target_schema, key.target_table) for key in keys], diagnostics


def _declarations(dimension: Dimension) -> list[_Declaration]:
    table = dimension.table_name
    single = [
        _Declaration(
            path=f"spec.columns[{column.name}].references",
            name=foreign_key_name(table, column.name),
            columns=(column.name,),
            target=column.references,
            target_columns=(column.references.column,) if column.references.column else None,
            on_delete=column.references.on_delete,
            on_update=column.references.on_update,
            deferrable=column.references.deferrable,
        )
        for column in dimension.spec.columns
        if column.references is not None
    ]
    several = [
        _Declaration(
            path=f"spec.foreignKeys[{key.name}].references",
            name=named(table, key.name),
            columns=key.columns,
            target=key.references,
            target_columns=key.references.columns,
            on_delete=key.on_delete,
            on_update=key.on_update,
            deferrable=key.deferrable,
            comment=key.comment,
        )
        for key in dimension.spec.foreign_keys
    ]
    return single + several


def _resolve(declaration: _Declaration, dimension: Dimension, context: CompileContext) -> ForeignKey | Diagnostic:
    table = declaration.target.table
    if table is not None:
        return _foreign_key(declaration, table.schema_, table.name, declaration.target_columns or ())
    namespace = declaration.target.namespace or dimension.metadata.namespace
    referenced = context.dimensions.get((namespace, declaration.target.dimension or ""))
    if referenced is None:
        return Diagnostic(
            f"{declaration.path}.dimension",
            f"Dimension {namespace}/{declaration.target.dimension} does not exist in this Database yet; "
            "the foreign key waits for it",
            reason="DependencyNotReady",
        )
    columns = declaration.target_columns or key_columns(referenced)
    field = "column" if len(declaration.columns) == 1 else "columns"
    if len(columns) != len(declaration.columns):
        return Diagnostic(
            f"{declaration.path}.{field}",
            f"{len(declaration.columns)} referencing columns, but the key of {referenced.key} has {len(columns)} "
            f"({', '.join(columns)}); name as many referenced columns as referencing ones",
        )
    if not _is_unique(referenced, columns):
        return Diagnostic(
            f"{declaration.path}.{field}",
            f"{referenced.key} has no primary key, unique constraint or unique column over ({', '.join(columns)}); "
            "declare one there, or reference its key",
        )
    return _foreign_key(declaration, referenced.spec.schema_, referenced.table_name, columns)


def _is_unique(referenced: Dimension, columns: tuple[str, ...]) -> bool:
    """Whether Postgres accepts the columns as the target of a foreign key (a unique constraint or plain index)."""
    wanted = frozenset(columns)
    keys = [frozenset(key_columns(referenced))]
    keys += [frozenset((column.name,)) for column in referenced.spec.columns if column.unique]
    keys += [frozenset(unique.columns) for unique in referenced.spec.uniques]
    keys += [
        frozenset(index.columns)
        for index in referenced.spec.indexes
        if index.unique and index.where is None and not index.expressions
    ]
    return wanted in keys


def _foreign_key(declaration: _Declaration, schema: str, table: str, columns: tuple[str, ...]) -> ForeignKey:
    return ForeignKey(
        name=declaration.name,
        columns=declaration.columns,
        target_schema=schema,
        target_table=table,
        target_columns=columns,
        on_delete=ACTIONS[declaration.on_delete],
        on_update=ACTIONS[declaration.on_update],
        deferral=DEFERRALS[declaration.deferrable],
        comment=declaration.comment,
    )
