"""What a refused migration means for the resources it would have changed; pure."""

from __future__ import annotations

from typing import Final

from pgcraft_core.migrate.errors import (
    InsufficientPrivilegeError,
    LockTimeoutError,
    MigrationError,
    StatementFailedError,
)
from pgcraft_operator.outcome import Stalled, Waiting
from pgcraft_operator.reasons import Reason

_PATIENCE: Final = 8  # attempts at one plan before a person is asked to look; they go on, five minutes apart
_TRANSIENT: Final = ("08", "40", "53", "55", "57", "58")  # SQLSTATE classes that pass: connection, conflict, resources
_UNDEFINED: Final = frozenset({"42P01", "3F000", "42704", "42703"})  # table, schema, object, column


def outcome_of_error(error: MigrationError, attempts: int, *, has_failed_before: bool) -> Waiting | Stalled:
    """Return what a refused migration means for its resources; `attempts` counts this one.

    `has_failed_before` tells that another migration of the run failed: something undefined may be what that one makes.
    """
    message = str(error)
    if isinstance(error, InsufficientPrivilegeError):
        return Stalled(Reason.INSUFFICIENT_PRIVILEGE, message)
    if isinstance(error, StatementFailedError) and has_failed_before and error.sqlstate in _UNDEFINED:
        return Waiting(Reason.DEPENDENCY_NOT_READY, message)
    if isinstance(error, StatementFailedError) and not error.sqlstate.startswith(_TRANSIENT):
        return Stalled(Reason.MIGRATION_FAILED, message)
    if attempts >= _PATIENCE:
        # The same from then on, or every further attempt would be news.
        return Stalled(Reason.RETRIES_EXHAUSTED, f"{message} ({_PATIENCE} attempts and more)")
    if isinstance(error, LockTimeoutError):
        return Waiting(Reason.LOCK_TIMEOUT, message)
    return Waiting(Reason.RETRYING, message)
