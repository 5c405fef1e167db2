"""The log: one row for each value of an attribute that no longer stands."""

from __future__ import annotations

from pgcraft_core.plugins.eav.bookkeeping import OPEN_COLUMN
from pgcraft_core.plugins.history.stamp import TIME_TYPE
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.table import Column, Partitioning, PrimaryKey, Table, Trigger
from pgcraft_core.sql.identifiers import primary_key_name

LOG = "attribute_log"


def log_table(
    subject: Subject, key: tuple[Column, ...], triggers: tuple[Trigger, ...], partitioning: Partitioning | None
) -> Table:
    """Return the log of a table whose key columns are given."""
    name = subject.derived(LOG)
    return Table(
        schema_name=subject.schema,
        name=name,
        columns=(
            *(
                Column(
                    name=part.name, type=part.type, nullable=False, comment=part.comment, renamed_from=part.renamed_from
                )
                for part in key
            ),
            Column(name="attribute", type="text", nullable=False, comment="Name of the attribute"),
            Column(name="value", type="text", comment="The value it had, as text; NULL where it had none"),
            Column(
                name="open",
                type="boolean",
                nullable=False,
                comment=f"Whether it was not declared: the value is JSON then, from the column {OPEN_COLUMN}",
            ),
            Column(name="valid_from", type=TIME_TYPE, nullable=False, comment="Since when it had the value"),
            Column(name="valid_to", type=TIME_TYPE, nullable=False, comment="Until when it had the value"),
            Column(name="operation", type="text", nullable=False, comment="What ended that: UPDATE or DELETE"),
            Column(name="changed_by", type="text", nullable=False, comment="Who gave it the value"),
            Column(name="changed_via", type="text", nullable=False, comment="Through which database user"),
            Column(name="closed_by", type="text", nullable=False, comment="Who took the value away"),
            Column(name="closed_via", type="text", nullable=False, comment="Through which database user"),
        ),
        primary_key=PrimaryKey(name=primary_key_name(name), columns=(*subject.key, "attribute", "valid_to")),
        triggers=triggers,
        partitioning=partitioning,
        attributes_of=subject.table,
        comment=f"Values that attributes of {subject.name} had and have no longer",
    )
