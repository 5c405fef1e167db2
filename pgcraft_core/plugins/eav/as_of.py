"""The query of the attributes as they were at an instant."""

from __future__ import annotations

from pgcraft_core.plugins.eav.views import ATTRIBUTE_HISTORY, ATTRIBUTES
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import Argument, Function
from pgcraft_core.sql.identifiers import named, qualify, quote_identifier

ATTRIBUTES_AS_OF = "attributes_as_of"


def attributes_as_of(subject: Subject, schema: str, name: str) -> Function:
    """Return the query over the views of the past that are named after the relation `name` of a schema.

    One SELECT, which the planner inlines, so that conditions around it reach the indexes. It is read on the path of
    whoever calls it, so its operators are qualified.
    """
    rows = named(name, ATTRIBUTES)
    function = named(name, ATTRIBUTES_AS_OF)
    key = ", ".join(f"held.{quote_identifier(column)}" for column in subject.key)
    at = f"{quote_identifier(function)}.at"  # qualified, for a key column may be called at
    return Function(
        schema_name=schema,
        name=function,
        arguments=(Argument(name="at", type="timestamp with time zone"),),
        returns=f"SETOF {qualify(schema, rows)}",
        rows_of_schema=schema,
        rows_of_name=rows,
        language="sql",
        volatility="STABLE",
        body=(
            f"""
SELECT {key}, held.attribute, held.value
FROM {qualify(schema, named(name, ATTRIBUTE_HISTORY))} AS held
WHERE held.valid_from OPERATOR(pg_catalog.<=) {at}
  AND (held.valid_to OPERATOR(pg_catalog.>) {at} OR held.valid_to IS NULL)
""",
        ),
        comment=f"Attributes of {subject.name} that had a value at an instant",
    )
