"""Who made a row and when stays what it was, whatever an UPDATE says."""

from __future__ import annotations

from pgcraft_core.plugins.history.backfill import unless_settling
from pgcraft_core.plugins.history.stamp import CREATION
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Trigger


def keep_creation(subject: Subject) -> tuple[Function, Trigger]:
    """Return what puts back the columns of the creation, and the trigger that fires it where they are set."""
    name = subject.derived("keep_creation")
    assignments = "\n".join(f"  NEW.{column} := OLD.{column};" for column in CREATION.names)
    function = Function(
        schema_name=subject.schema,
        name=name,
        settings=(("search_path", ""),),
        body=(f"\nBEGIN\n{assignments}\n  RETURN NEW;\nEND\n",),
        comment=f"Keeps who made a row of {subject.name} and when",
    )
    return function, Trigger(
        name=name,
        timing="BEFORE",
        events=("UPDATE",),
        level="ROW",
        function_schema=subject.schema,
        function_name=name,
        columns=CREATION.names,
        when=unless_settling(subject.owner),
    )
