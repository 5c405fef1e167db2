"""The past through the API: read-only views beside the API view, and queries that PostgREST serves under `/rpc`."""

from __future__ import annotations

from collections.abc import Iterable

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.extensions.postgrest.api_view import exposed_columns
from pgcraft_core.plugins.vocabulary import DIMENSION, OBJECTS, PAST, TABLE, Past
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.view import RoleGrant, View, ViewColumn
from pgcraft_core.spec.dimension import Api, Dimension
from pgcraft_core.sql.identifiers import named


class ApiPastPlugin(Plugin):
    """Exposes what the type keeps of the past, where `spec.api.history` asks for it."""

    name = "apiPast"

    @requires(DIMENSION, TABLE, PAST)
    @produces(OBJECTS)
    def api_past(self, dimension: Dimension, table: Table, past: tuple[Past, ...]) -> list[View | Function]:
        """Return views and functions named after the API view, for every role that may read that."""
        api = dimension.spec.api
        if api is None or not (api.expose and api.history):
            return []
        name = api.name or table.name
        readers = sorted(grant.role for grant in api.grants if "select" in grant.privileges)
        shape = tuple(column.name for column in exposed_columns(dimension, table))
        return [
            *(view for part in past for view in _views(api, name, part, readers)),
            *(
                query.build(api.schema_, name, shape).model_copy(update={"executors": tuple(readers), "public": False})
                for part in past
                for query in part.functions
            ),
        ]


def _views(api: Api, name: str, past: Past, readers: Iterable[str]) -> list[View]:
    return [
        View(
            schema_name=api.schema_,
            name=named(name, suffix),
            base_schema=base.schema_name,
            base_name=base.name,
            columns=tuple(ViewColumn(name=column.name, comment=column.comment) for column in base.columns),
            comment=base.comment,
            grants=tuple(RoleGrant(role=role, privileges=("SELECT",)) for role in readers),
        )
        for suffix, base in past.views.items()
    ]
