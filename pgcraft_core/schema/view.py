"""Views: auto-updatable ones over one relation, the shape an API serves, and read-only ones over a query."""

from __future__ import annotations

from typing import ClassVar, Literal

from pgcraft_core.schema.base import ObjectId, ObjectKind, QualifiedName, SchemaModel, SchemaObject

Privilege = Literal["SELECT", "INSERT", "UPDATE", "DELETE"]


class ViewColumn(SchemaModel):
    """One output column: a column of the base table under its own name.

    `default` restates the base column's default, without which clients of the view could not see it; never that of an
    identity or generated column, which would break every insert. A `read_only` column cannot be written through the
    view, though the view be auto-updatable.
    """

    name: str
    default: str | None = None
    comment: str | None = None
    read_only: bool = False


class RoleGrant(SchemaModel):
    """Privileges of one role on the object that holds the grant."""

    role: str
    privileges: tuple[Privilege, ...]


class View(SchemaObject):
    """A view: of `columns` of its base, or where there is a `query`, of what that gives under these names.

    The base of a query is the relation whose changes it follows: it is made anew when that is.
    """

    kind: ClassVar[ObjectKind] = "view"

    schema_name: str
    name: str
    base_schema: str
    base_name: str
    columns: tuple[ViewColumn, ...]
    query: str | None = None
    security_invoker: bool = False
    comment: str | None = None
    grants: tuple[RoleGrant, ...] = ()

    @property
    def id(self) -> ObjectId:
        """Identity within the database."""
        return ObjectId("view", self.schema_name, self.name)

    @property
    def qualified_name(self) -> QualifiedName:
        """Schema and name."""
        return QualifiedName(self.schema_name, self.name)

    @property
    def base(self) -> QualifiedName:
        """The relation it selects from."""
        return QualifiedName(self.base_schema, self.base_name)
