"""Moving attributes that were not declared into the columns that are declared for them now."""

from __future__ import annotations

from dataclasses import dataclass

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.backfill import Backfill
from pgcraft_core.sql.identifiers import quote_identifier


@dataclass(frozen=True)
class MoveAttributes(Backfill):
    """Move values out of the open column into the columns of their names.

    Touching a row is enough: a trigger of the table moves what is declared whenever a row is written, and the log takes
    it for no change.
    """

    open_column: str
    attributes: tuple[str, ...]

    @property
    def assignment(self) -> str:
        """The open column as it is, for the trigger to act on."""
        column = quote_identifier(self.open_column)
        return f"{column} = {column}"

    @property
    def remaining(self) -> str:
        """Rows whose open column has one of the names as a key, which its index finds."""
        names = ", ".join(ddl.quote_literal(name) for name in self.attributes)
        return f"{quote_identifier(self.open_column)} ?| ARRAY[{names}]"

    def describe(self) -> str:
        """Sentence for people."""
        names = ", ".join(self.attributes)
        what = f"attribute {names}" if len(self.attributes) == 1 else f"attributes {names}"
        where = "its column" if len(self.attributes) == 1 else "their columns"
        return f"move {what} of {self.table} from {self.open_column} into {where}"
