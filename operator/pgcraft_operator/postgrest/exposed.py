"""What an API is to show: the views and queries of its schemas, who may use them, and the requests that tell; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_core.schema.view import View
from pgcraft_core.spec.postgrest import PostgREST


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
    def key(self) -> ObjectId:
        """Identity within the database."""
        return ObjectId("view", self.schema, self.name)

    def __str__(self) -> str:
        """`api.airports`, for messages."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class ExposedQuery:
    """A function that only reads, the names of its arguments, and the first of the API's roles that may call it."""

    claimant: Claimant
    schema: str
    name: str
    arguments: tuple[str, ...]
    reader: str | None
    fingerprint: str

    @property
    def key(self) -> ObjectId:
        """Identity within the database."""
        return ObjectId("function", self.schema, self.name)

    def __str__(self) -> str:
        """`api.airports_as_of`, for messages."""
        return f"{self.schema}.{self.name}"


Exposed = ExposedView | ExposedQuery


def exposed_objects(
    postgrest: PostgREST, units: Iterable[Unit], standing: Mapping[ObjectId, Claimant] = MappingProxyType({})
) -> tuple[Exposed, ...]:
    """Return what the API is to serve, in a fixed order; what faulty units declare is not among it.

    `standing` is what was applied and whose shape is not known, because what is declared now is not applied. Functions
    among it are left out: without its arguments none can be asked for.
    """
    schemas, reach = set(postgrest.spec.schemas), _privileges_of_roles(postgrest)
    found: dict[ObjectId, Exposed] = {
        identity: ExposedView(claimant, identity.schema, identity.name, columns=(), reader=None, fingerprint="")
        for identity, claimant in standing.items()
        if identity.kind == "view" and identity.schema in schemas
    }
    for unit in units:
        for item in () if unit.diagnostics else served_objects(unit.objects):
            if item.schema_name in schemas:
                found[item.id] = _exposed(unit.claimant, item, reach)
    return tuple(item for _, item in sorted(found.items()))


def served_objects(objects: Iterable[AnyObject]) -> Iterator[View | Function]:
    """Yield what PostgREST may be asked for: views, and functions that only read, which no trigger's function does."""
    for item in objects:
        if isinstance(item, View) or (isinstance(item, Function) and item.volatility != "VOLATILE"):
            yield item


def shape_fingerprint(exposed: Sequence[Exposed]) -> str:
    """Return a digest of all that an API is to show, short enough for an annotation's reader."""
    text = "\0".join(part for item in exposed for part in (item.schema, item.name, item.fingerprint))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_path(name: str, columns: Sequence[str] = ()) -> str:
    """Return the path and query that read these columns of a view, or all of them, and no row."""
    select = f"select={quote(','.join(map(_quote_field, columns)), safe='')}&" if columns else ""
    return f"/{quote(name, safe='')}?{select}limit=0"


def view_path(name: str) -> str:
    """Return the path of a view."""
    return f"/{quote(name, safe='')}"


def call_path(name: str) -> str:
    """Return the path and query that call a function and read no row."""
    return f"/rpc/{quote(name, safe='')}?limit=0"


def _quote_field(name: str) -> str:
    """Return a column's name as PostgREST's `select` wants it, so that nothing in it is syntax."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _exposed(claimant: Claimant, item: View | Function, reach: Sequence[tuple[str, frozenset[str]]]) -> Exposed:
    if isinstance(item, View):
        readers = {grant.role for grant in item.grants if "SELECT" in grant.privileges}
        columns = tuple(column.name for column in item.columns)
        return ExposedView(
            claimant, item.schema_name, item.name, columns, _first_reader(readers, reach), item.fingerprint()
        )
    everybody = {role for role, _ in reach}
    reader = _first_reader(everybody if item.public else item.executors, reach)
    arguments = tuple(argument.name for argument in item.arguments)
    return ExposedQuery(claimant, item.schema_name, item.name, arguments, reader, item.fingerprint())


def _first_reader(readers: Collection[str], reach: Sequence[tuple[str, frozenset[str]]]) -> str | None:
    return next((role for role, privileges in reach if not privileges.isdisjoint(readers)), None)


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
