"""The triggers of the current table, which stamp each version and put what they close into the history."""

from __future__ import annotations

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.append_only.closing import closing_functions, closing_triggers
from pgcraft_core.plugins.append_only.history_table import HISTORY
from pgcraft_core.plugins.append_only.stamping import stamp_function, stamp_trigger
from pgcraft_core.plugins.history.conflicts import has_computed_key
from pgcraft_core.plugins.history.guards import current_guard
from pgcraft_core.plugins.history.insertion import settle_function, settle_trigger
from pgcraft_core.plugins.history.stamp import VERSION
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.plugins.vocabulary import CONTEXT, DIMENSION, FOREIGN_KEYS, OBJECTS, TRIGGERS, CompileContext
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import ForeignKey, Trigger
from pgcraft_core.spec.dimension import Dimension


class VersioningPlugin(Plugin):
    """Keeps every version: stamps on INSERT and UPDATE, closes on UPDATE and DELETE, refuses what would lose some."""

    name = "versioning"

    @requires(DIMENSION, CONTEXT, FOREIGN_KEYS)
    @produces(TRIGGERS, OBJECTS)
    def versioning(
        self, dimension: Dimension, context: CompileContext, foreign_keys: tuple[ForeignKey, ...]
    ) -> tuple[tuple[Trigger, ...], tuple[Function, ...]]:
        """Return the triggers and the functions they fire."""
        subject = Subject.of(dimension, context)
        guard, refusals = current_guard(subject, has_computed_key=has_computed_key(dimension, subject))
        return (
            settle_trigger(subject, VERSION),
            stamp_trigger(subject),
            *closing_triggers(subject),
            *refusals,
        ), (
            settle_function(subject, VERSION, HISTORY),
            stamp_function(subject),
            *closing_functions(subject, foreign_keys),
            guard,
        )
