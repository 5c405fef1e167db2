"""Primary keys: generated identity, UUIDs of version 7 and 4, and natural keys."""

from __future__ import annotations

from typing import assert_never

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.vocabulary import CONTEXT, DIMENSION, KEY_COLUMNS, PRIMARY_KEY, CompileContext
from pgcraft_core.schema.table import Column, PrimaryKey
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.dimension import PrimaryKey as PrimaryKeySpec
from pgcraft_core.sql.identifiers import primary_key_name

POSTGRES_18 = 180000

UUID_V7_BEFORE_18 = (
    "(lpad(to_hex(trunc(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7' || "
    "substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid"
)
"""A version 7 UUID (RFC 9562, section 5.7): 48 bits of Unix milliseconds, the version, and the variant and random bits
of a version 4 UUID."""


class PrimaryKeyPlugin(Plugin):
    """Gives the table its primary key, and the key column where it is generated."""

    name = "primaryKey"

    @requires(DIMENSION, CONTEXT)
    @produces(KEY_COLUMNS, PRIMARY_KEY)
    def primary_key(self, dimension: Dimension, context: CompileContext) -> tuple[tuple[Column, ...], PrimaryKey]:
        """Return the generated key columns (none for a natural key) and the key."""
        spec = dimension.spec.primary_key or PrimaryKeySpec()
        name = primary_key_name(dimension.table_name)
        if spec.strategy == "Natural":
            return (), PrimaryKey(name=name, columns=spec.columns or ())
        column = _generated_column(spec, context.server_version)
        return (column,), PrimaryKey(name=name, columns=(column.name,))


def key_columns(dimension: Dimension) -> tuple[str, ...]:
    """Return the names of the columns that form the dimension's primary key."""
    spec = dimension.spec.primary_key or PrimaryKeySpec()
    return spec.columns or () if spec.strategy == "Natural" else (spec.column or "id",)


def _generated_column(spec: PrimaryKeySpec, server_version: int) -> Column:
    name = spec.column or "id"
    match spec.strategy:
        case "Identity":
            return Column(name=name, type=spec.type or "bigint", nullable=False, identity=True)
        case "UUIDv7":
            default = "uuidv7()" if server_version >= POSTGRES_18 else UUID_V7_BEFORE_18
            return Column(name=name, type="uuid", nullable=False, default=default)
        case "UUIDv4":
            return Column(name=name, type="uuid", nullable=False, default="gen_random_uuid()")
        case "Natural":
            raise AssertionError("a natural key generates no column")
        case _ as unreachable:
            assert_never(unreachable)
