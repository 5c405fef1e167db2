"""What an AppendOnly dimension offers of its past: its versions, and the queries over them."""

from __future__ import annotations

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.append_only.as_of import AS_OF, as_of
from pgcraft_core.plugins.append_only.diff import DIFF, diff
from pgcraft_core.plugins.append_only.history_table import declared_columns
from pgcraft_core.plugins.append_only.versions import VERSIONS, versions_view
from pgcraft_core.plugins.primary_key import key_columns
from pgcraft_core.plugins.vocabulary import DIMENSION, OBJECTS, PAST, TABLE, Past, PastFunction
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.view import View
from pgcraft_core.spec.dimension import Dimension


class VersionQueriesPlugin(Plugin):
    """Makes `name_versions`, `name_as_of` and `name_diff`, and offers them to the API."""

    name = "versionQueries"

    @requires(DIMENSION, TABLE)
    @produces(OBJECTS, PAST)
    def queries(self, dimension: Dimension, table: Table) -> tuple[tuple[View | Function, ...], tuple[Past]]:
        """Return the objects beside the table, and how to make them beside the API view."""
        declared = tuple(column.name for column in declared_columns(table))
        key = tuple(column for name in key_columns(dimension) if (column := table.column(name)) is not None)

        def build_as_of(schema: str, name: str, columns: tuple[str, ...] | None) -> Function:
            return as_of(table, schema, name, columns)

        def build_diff(schema: str, name: str, columns: tuple[str, ...] | None) -> Function:
            return diff(schema, name, declared if columns is None else columns, key)

        view = versions_view(table)
        functions = (PastFunction(AS_OF, build_as_of), PastFunction(DIFF, build_diff))
        beside = tuple(function.build(table.schema_name, table.name, None) for function in functions)
        return (view, *beside), (Past({VERSIONS: view}, functions),)
