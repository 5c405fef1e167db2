"""What happens when an EAV table is written: rows are stamped, values logged, and what must not be is refused."""

from __future__ import annotations

from pgcraft_core.engine.plugin import Plugin, produces, requires
from pgcraft_core.plugins.eav.keep_creation import keep_creation
from pgcraft_core.plugins.eav.log_table import LOG
from pgcraft_core.plugins.eav.logging import logging_functions, logging_triggers
from pgcraft_core.plugins.eav.moving import moving
from pgcraft_core.plugins.history.conflicts import has_computed_key
from pgcraft_core.plugins.history.guards import current_guard
from pgcraft_core.plugins.history.insertion import settle_function, settle_trigger
from pgcraft_core.plugins.history.stamp import CREATION
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.plugins.vocabulary import CONTEXT, DIMENSION, FOREIGN_KEYS, OBJECTS, TRIGGERS, CompileContext
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import ForeignKey, Trigger
from pgcraft_core.spec.dimension import Dimension


class AttributeTriggersPlugin(Plugin):
    """Makes the functions behind an EAV table, and the triggers that fire them."""

    name = "attributeTriggers"

    @requires(DIMENSION, CONTEXT, FOREIGN_KEYS)
    @produces(OBJECTS, TRIGGERS)
    def triggers(
        self, dimension: Dimension, context: CompileContext, foreign_keys: tuple[ForeignKey, ...]
    ) -> tuple[list[Function], list[Trigger]]:
        """Return what stamps, keeps, logs and refuses, and for an open table what moves declared attributes."""
        subject = Subject.of(dimension, context)
        guard, guards = current_guard(subject, has_computed_key=has_computed_key(dimension, subject))
        keeper, keeping = keep_creation(subject)
        functions = [
            settle_function(subject, CREATION, LOG),
            keeper,
            *logging_functions(subject, foreign_keys, is_open=dimension.spec.open),
            guard,
        ]
        triggers = [settle_trigger(subject, CREATION), keeping, *logging_triggers(subject, foreign_keys), *guards]
        if dimension.spec.open:
            others = [column for column in dimension.spec.columns if column.name not in subject.key]
            mover, moves = moving(
                subject,
                declared=tuple(column.name for column in others if column.generated is None),
                generated=tuple(column.name for column in others if column.generated is not None),
            )
            functions.append(mover)
            triggers.append(moves)
        return functions, triggers
