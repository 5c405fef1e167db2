"""The API view of a dimension: auto-updatable, with the base's defaults and comments restated, granted by role."""

from __future__ import annotations

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.vocabulary import DIMENSION, OBJECTS, ROLES, SCHEMAS, TABLE
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.view import Privilege, RoleGrant, View, ViewColumn
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.dimension_type import STAMPED_COLUMNS

PRIVILEGE_ORDER: tuple[Privilege, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE")


class ApiViewPlugin(Plugin):
    """Exposes the table as a view in the API schema, where `spec.api` asks for it."""

    name = "apiView"

    @requires(DIMENSION, TABLE)
    @produces(OBJECTS, SCHEMAS, ROLES)
    def api_view(self, dimension: Dimension, table: Table) -> tuple[list[View], list[str], list[str]]:
        """Return the view, the API schema and the roles it needs; nothing where the dimension is not exposed."""
        api = dimension.spec.api
        if api is None or not api.expose:
            return [], [], []
        view = View(
            schema_name=api.schema_,
            name=api.name or table.name,
            base_schema=table.schema_name,
            base_name=table.name,
            columns=exposed_columns(dimension, table),
            comment=table.comment,
            grants=tuple(
                RoleGrant(
                    role=grant.role,
                    privileges=tuple(
                        privilege for privilege in PRIVILEGE_ORDER if privilege.lower() in grant.privileges
                    ),
                )
                for grant in sorted(api.grants, key=lambda grant: grant.role)
            ),
        )
        return [view], [view.schema_name], [grant.role for grant in api.grants]


def exposed_columns(dimension: Dimension, table: Table) -> tuple[ViewColumn, ...]:
    """Return the columns of the API view: those that are made for the author, then the declared ones.

    A column that is declared later is then the last one, and the view is replaced in place.

    The default of an identity or generated column, restated on a view, breaks every insert through it; a column
    the type stamps itself is not theirs to write at all.
    """
    stamped = STAMPED_COLUMNS.get(dimension.spec.type, ())
    declared = {column.name for column in dimension.spec.columns}
    return tuple(
        ViewColumn(
            name=column.name,
            default=None if column.name in stamped else column.default,
            comment=column.comment,
            read_only=column.name in stamped,
        )
        for column in sorted(table.columns, key=lambda column: column.name in declared)
    )
