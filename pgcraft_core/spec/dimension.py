"""The Dimension resource: one declarative table, with its constraints, indexes, plugins and API exposure."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from pgcraft_core.spec.annotations import MapList, Rule, SetList
from pgcraft_core.spec.base import (
    DATABASE_NEVER_CHANGES,
    NO_CONTROL_CHARACTERS,
    ColumnName,
    Comment,
    DatabaseReference,
    Expression,
    PostgresName,
    Resource,
    RoleName,
    SchemaName,
    SpecModel,
)
from pgcraft_core.spec.constraint import Check, KeyStrategy, PrimaryKey, Unique
from pgcraft_core.spec.dimension_type import TYPE_RULES
from pgcraft_core.spec.foreign_key import (
    ColumnReference,
    Deferral,
    ForeignKey,
    ForeignKeyTarget,
    ReferentialAction,
    TableReference,
    Target,
)
from pgcraft_core.spec.history import History
from pgcraft_core.spec.index import Index

# Everything a dimension is made of, in one import.
__all__ = [
    "Api",
    "ApiGrant",
    "Check",
    "Column",
    "ColumnReference",
    "Deferral",
    "DeletionPolicy",
    "Dimension",
    "DimensionSpec",
    "ForeignKey",
    "ForeignKeyTarget",
    "History",
    "Index",
    "KeyStrategy",
    "PluginUse",
    "PrimaryKey",
    "Privilege",
    "ReferentialAction",
    "TableReference",
    "Target",
    "Unique",
]

Privilege = Literal["select", "insert", "update", "delete"]
DeletionPolicy = Literal["Retain"]

TypeName = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROL_CHARACTERS)]


class Column(SpecModel):
    """One column of the dimension."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.generated) && has(self.default))",
            "A generated column takes no default: keep one of the two.",
            lambda column: column.generated is None or column.default is None,
            path="default",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.renamedFrom) || self.renamedFrom != self.name",
            "renamedFrom is the column's former name and differs from name.",
            lambda column: column.renamed_from != column.name,
            path="renamedFrom",
        ),
    )

    name: ColumnName = Field(description="Column name, unquoted; any case, spaces and quotes are preserved.")
    type: TypeName = Field(
        description="Postgres type by name: built-in (`varchar(4)`, `timestamptz`, `text[]`) or an existing domain, "
        "enum or composite, qualified by its schema (`geo.mood`)."
    )
    nullable: bool = Field(True, description="Whether the column accepts NULL.")
    unique: bool = Field(False, description="Whether values are unique.")
    default: Expression | None = Field(None, description="Default, one SQL expression without column references.")
    check: Expression | None = Field(None, description="Check constraint over this table's columns, one expression.")
    generated: Expression | None = Field(
        None, description="Makes it a stored generated column; one immutable expression over other columns."
    )
    comment: Comment | None = Field(None, description="Comment on the column; the description in the OpenAPI document.")
    references: ColumnReference | None = Field(None, description="Foreign key of this one column.")
    renamed_from: PostgresName | None = Field(
        None, description="Former name: the column is renamed and keeps its data, instead of removed and added."
    )


class PluginUse(SpecModel):
    """A plugin switched on for this dimension."""

    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(description="Registered name of the plugin.")
    config: Annotated[dict[str, Any], Field(max_length=64)] = Field(
        default_factory=dict, description="Configuration, as the plugin documents it."
    )


class ApiGrant(SpecModel):
    """Privileges of one role on the API view."""

    role: RoleName = Field(description="Database role that receives the privileges.")
    privileges: Annotated[tuple[Privilege, ...], Field(min_length=1, max_length=4), SetList()] = Field(
        description="Privileges on the API view."
    )


class Api(SpecModel):
    """How the dimension is exposed through the API schema."""

    expose: bool = Field(True, description="Whether an API view is made.")
    schema_: SchemaName = Field("api", alias="schema", description="Schema of the API view.")
    name: PostgresName | None = Field(None, description="Name of the API view; the table's name where absent.")
    grants: Annotated[tuple[ApiGrant, ...], Field(max_length=64), MapList("role")] = Field(
        (), description="Privileges by role."
    )
    history: bool = Field(
        False,
        description="Whether the past is exposed as well, read-only, to every role that has select. AppendOnly: "
        "`<name>_versions`, and the functions `<name>_as_of` and `<name>_diff`. EAV: `<name>_attributes`, "
        "`<name>_attribute_history`, and the function `<name>_attributes_as_of`. Not with Simple, which keeps no past.",
    )


class DimensionSpec(SpecModel):
    """Desired state of one dimension."""

    # A transition rule of an optional field is skipped when the field comes or goes, so these stand here.
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.schema) ? self.schema : 'public') == (has(oldSelf.schema) ? oldSelf.schema : 'public')",
            "schema never changes: make a new dimension in the other schema, move the data, and delete this one.",
            holds=None,
            path="schema",
            reason="FieldValueForbidden",
        ),
        Rule(
            "(has(self.type) ? self.type : 'Simple') == (has(oldSelf.type) ? oldSelf.type : 'Simple')",
            "type never changes: make a new dimension of the other type, move the data, and delete this one.",
            holds=None,
            path="type",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.columns) || (has(self.primaryKey) && has(self.primaryKey.strategy) && "
            "self.primaryKey.strategy == 'Natural') || !self.columns.exists(column, column.name == "
            "(has(self.primaryKey) && has(self.primaryKey.column) ? self.primaryKey.column : 'id'))",
            "The generated key's column is made for you and not declared: remove it from columns, name the key "
            "otherwise by primaryKey.column, or use the strategy Natural.",
            lambda spec: (
                spec.generated_key is None or all(column.name != spec.generated_key for column in spec.columns)
            ),
            path="columns",
        ),
        Rule(
            "(has(self.history) && has(self.history.partitionBy) ? self.history.partitionBy : '') == "
            "(has(oldSelf.history) && has(oldSelf.history.partitionBy) ? oldSelf.history.partitionBy : '')",
            "partitionBy never changes, since the history is stored by it: make a new dimension, move the data, and "
            "delete this one.",
            holds=None,
            path="history.partitionBy",
            reason="FieldValueForbidden",
        ),
        *TYPE_RULES,
    )

    database_ref: Annotated[DatabaseReference, DATABASE_NEVER_CHANGES] = Field(
        description="The Database that holds the dimension; immutable."
    )
    schema_: SchemaName = Field("public", alias="schema", description="Schema of the table; immutable.")
    table: PostgresName | None = Field(
        None, description="Name of the table, the resource's name where absent; immutable."
    )
    type: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z][A-Za-z0-9]*$")] = Field(
        "Simple",
        description="Dimension type: Simple (a table, updated in place), AppendOnly (every version a row ever had is "
        "kept), EAV (sparse attributes, each with a history of its own), or one that a plugin package adds; immutable.",
    )
    comment: Comment | None = Field(None, description="Comment on the table and its API view.")
    primary_key: PrimaryKey | None = Field(
        None, description="How rows are identified; an identity column `id` where absent."
    )
    columns: Annotated[tuple[Column, ...], Field(max_length=2000), MapList("name")] = Field(
        (), description="Columns by name; those of an EAV dimension are its declared attributes."
    )
    uniques: Annotated[tuple[Unique, ...], Field(max_length=64), MapList("name")] = Field(
        (), description="Unique constraints over several columns, by name."
    )
    checks: Annotated[tuple[Check, ...], Field(max_length=64), MapList("name")] = Field(
        (), description="Check constraints by name."
    )
    foreign_keys: Annotated[tuple[ForeignKey, ...], Field(max_length=64), MapList("name")] = Field(
        (), description="Foreign keys of several columns, by name."
    )
    indexes: Annotated[tuple[Index, ...], Field(max_length=64), MapList("name")] = Field(
        (), description="Indexes by name."
    )
    plugins: Annotated[tuple[PluginUse, ...], Field(max_length=32), MapList("name")] = Field(
        (), description="Plugins by name."
    )
    history: History | None = Field(
        None,
        description="How the past of an AppendOnly or EAV dimension is kept; in one table, for ever, where absent.",
    )
    open: bool = Field(
        False,
        description="Whether an EAV dimension takes attributes that are not declared, in the jsonb column `extra`; "
        "they are logged like declared ones, and move into their column when they are declared. A JSON null is kept "
        "as such there, and becomes no value when its attribute is declared.",
    )
    api: Api | None = Field(None, description="API exposure; not exposed where absent.")
    deletion_policy: DeletionPolicy = Field(
        "Retain",
        description="What deleting the resource does to the data: Retain withdraws the API and keeps the table.",
    )

    @property
    def generated_key(self) -> str | None:
        """Name of the key column that is made for the author; None where the key is Natural."""
        key = self.primary_key or PrimaryKey()
        return None if key.strategy == "Natural" else key.column or "id"

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Names of the columns that form the primary key."""
        generated = self.generated_key
        if generated is not None:
            return (generated,)
        return self.primary_key.columns or () if self.primary_key else ()


class Dimension(Resource):
    """A declarative table in a managed Postgres database."""

    # Rules that need metadata.name, which stands in for spec.table.
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.spec.table) || self.metadata.name.size() <= 63",
            "The name of the resource is too long for a table: give spec.table, at most 63 bytes.",
            lambda dimension: dimension.spec.table is not None or len(dimension.metadata.name) <= 63,
            path="spec.table",
            reason="FieldValueRequired",
        ),
        Rule(
            "(has(self.spec.table) ? self.spec.table : self.metadata.name) == "
            "(has(oldSelf.spec.table) ? oldSelf.spec.table : oldSelf.metadata.name)",
            "table never changes: make a new dimension with the other table, move the data, and delete this one.",
            holds=None,
            path="spec.table",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.spec.api) || (has(self.spec.api.expose) && !self.spec.api.expose) || "
            "(has(self.spec.api.schema) ? self.spec.api.schema : 'api') != "
            "(has(self.spec.schema) ? self.spec.schema : 'public') || "
            "(has(self.spec.api.name) ? self.spec.api.name : has(self.spec.table) ? self.spec.table : "
            "self.metadata.name) != (has(self.spec.table) ? self.spec.table : self.metadata.name)",
            "The API view would take the place of its own table: give api another schema or another name.",
            lambda dimension: dimension.api_view != (dimension.spec.schema_, dimension.table_name),
            path="spec.api",
        ),
    )

    kind: Literal["Dimension"]
    spec: DimensionSpec

    @property
    def table_name(self) -> str:
        """Name of the table in Postgres."""
        return self.spec.table or self.metadata.name

    @property
    def api_view(self) -> tuple[str, str] | None:
        """Schema and name of the API view; None where the dimension is not exposed."""
        api = self.spec.api
        return (api.schema_, api.name or self.table_name) if api is not None and api.expose else None

    @property
    def database_namespace(self) -> str:
        """Namespace of the Database this dimension belongs to."""
        return self.spec.database_ref.namespace or self.metadata.namespace
