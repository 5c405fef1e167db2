"""Functions as a platform allows them to authors: by name, or by name and argument types."""

from __future__ import annotations

from dataclasses import dataclass

from pgcraft_core.sql.identifiers import qualify
from pgcraft_core.sql.type_reader import TypeReader
from pgcraft_core.sql.types import read_type


@dataclass(frozen=True, slots=True)
class AllowedFunction:
    """A function by name, and by its argument types in canonical form where they were given."""

    schema: str
    name: str
    argument_types: tuple[str, ...] | None

    def __str__(self) -> str:
        """`schema.name(type, type)`, quoted where needed."""
        arguments = "" if self.argument_types is None else f"({', '.join(self.argument_types)})"
        return qualify(self.schema, self.name) + arguments


def allowed_function(text: str) -> AllowedFunction:
    """Parse `schema.name` or `schema.name(type, type)`.

    Raises:
        ValueError: it is written otherwise; the message says where.
    """
    reader = TypeReader(text)
    schema = reader.name("a schema")
    if not reader.accept(".", kind="mark"):
        reader.refuse("an allowed function is written with its schema, as pg_catalog.nextval")
    name = reader.name("the function's name")
    argument_types: tuple[str, ...] | None = None
    if reader.accept("(", kind="mark"):
        argument_types = ()
        while not reader.accept(")", kind="mark"):
            if argument_types:
                reader.expect(",", kind="mark")
            argument_types = (*argument_types, read_type(reader))
    reader.end()
    return AllowedFunction(schema, name, argument_types)
