"""What an API is to show: the views of its schemas, who may read them, and the requests that tell; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View
from pgcraft_core.spec.postgrest import PostgREST

ViewKey = tuple[str, str]
"""Schema and name."""


@dataclass(frozen=True, slots=True)
class ExposedView:
    """A view, and the first of the API's roles that may read it, if any may.

    One of unknown shape has neither columns nor reader nor fingerprint: of it is asked whether it is there.
    """

    claimant: Claimant
    schema: str
    name: str
    columns: tuple[str, ...]
    reader: str | None
    fingerprint: str

    @property
    def key(self) -> ViewKey:
        """Schema and name."""
        return self.schema, self.name

    def __str__(self) -> str:
        """`api.airports`, for messages."""
        return f"{self.schema}.{self.name}"


def exposed_views(
    postgrest: PostgREST, units: Iterable[Unit], standing: Mapping[ViewKey, Claimant] = MappingProxyType({})
) -> tuple[ExposedView, ...]:
    """Return the views that the API is to serve, in a fixed order; those of faulty units are not among them.

    `standing` are views that were applied and whose shape is not known, because what is declared now is not applied.
    """
    schemas, reach = set(postgrest.spec.schemas), _privileges_of_roles(postgrest)
    views = {
        (schema, name): ExposedView(claimant, schema, name, columns=(), reader=None, fingerprint="")
        for (schema, name), claimant in standing.items()
        if schema in schemas
    }
    for unit in units:
        for item in () if unit.diagnostics else unit.objects:
            if isinstance(item, View) and item.schema_name in schemas:
                view = _exposed(unit.claimant, item, reach)
                views[view.key] = view
    return tuple(view for _, view in sorted(views.items()))


def shape_fingerprint(views: Sequence[ExposedView]) -> str:
    """Return a digest of all that an API is to show, short enough for an annotation's reader."""
    text = "\0".join(part for view in views for part in (view.schema, view.name, view.fingerprint))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_path(name: str, columns: Sequence[str] = ()) -> str:
    """Return the path and query that read these columns of a view, or all of them, and no row."""
    select = f"select={quote(','.join(map(_quote_field, columns)), safe='')}&" if columns else ""
    return f"/{quote(name, safe='')}?{select}limit=0"


def view_path(name: str) -> str:
    """Return the path of a view."""
    return f"/{quote(name, safe='')}"


def _quote_field(name: str) -> str:
    """Return a column's name as PostgREST's `select` wants it, so that nothing in it is syntax."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _exposed(claimant: Claimant, view: View, reach: Sequence[tuple[str, frozenset[str]]]) -> ExposedView:
    granted = {grant.role for grant in view.grants if "SELECT" in grant.privileges}
    reader = next((role for role, privileges in reach if privileges & granted), None)
    columns = tuple(column.name for column in view.columns)
    return ExposedView(claimant, view.schema_name, view.name, columns, reader, view.fingerprint())


def _privileges_of_roles(postgrest: PostgREST) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return each role of the API with all roles whose privileges it has, the anonymous one first."""
    inherits = {role.name: role.inherits for role in postgrest.api_roles}
    reach = []
    for name in inherits:
        found, ahead = {name}, [name]
        while ahead:
            for inherited in inherits.get(ahead.pop(), ()):
                if inherited not in found:
                    found.add(inherited)
                    ahead.append(inherited)
        reach.append((name, frozenset(found)))
    return tuple(reach)
