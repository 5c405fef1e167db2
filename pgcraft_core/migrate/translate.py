"""From what the driver raises to what can be done about it; only known SQLSTATEs are given a meaning."""

from __future__ import annotations

import psycopg
import sqlalchemy.exc

from pgcraft_core.migrate.errors import (
    CredentialsRefusedError,
    DatabaseUnavailableError,
    InsufficientPrivilegeError,
    LockTimeoutError,
    MigrationCancelledError,
    MigrationError,
    StatementFailedError,
)

_UNAVAILABLE = {
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "53300",  # too_many_connections
    "25006",  # read_only_sql_transaction: a standby, or a primary being switched over
    "3D000",  # invalid_catalog_name: the database is not there (yet)
}
_REFUSED = {"28000", "28P01"}  # invalid_authorization_specification, invalid_password
_BLOCKED = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
_CONCURRENT = "tuple concurrently"  # updated or deleted: roles are shared with the other databases of the server
_CANCELLED = "57014"  # query_canceled
_PRIVILEGE = "42501"  # insufficient_privilege

_WAYS_OUT = {
    "23502": "rows hold NULL there; fill them, or leave the column nullable",
    "23503": "rows refer to what does not exist; add the missing rows, or remove the referring ones",
    "23505": "rows hold the same values; make them unique first",
    "23514": "rows break the check; correct them, or the check",
    "42704": "create it first, or name what exists",
    "42830": "the referenced columns need a unique constraint",
    "42846": "the types do not convert; go by a new column",
    "2BP01": "other objects depend on it; remove them first",
    "53100": "free disk space on the database server",
    "53200": "the server is out of memory or of locks; raise max_locks_per_transaction",
}


_TELLING = {"2BP01", "0A000", "42804", "42830"}
"""Errors whose detail names objects and types; that of others may quote rows, which belong in no status."""

_NO_TLS = "server does not support SSL"


def translate_error(error: BaseException, statement: str = "") -> MigrationError:
    """Return the error of ours that says what happened and what to do."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and isinstance(error.orig, psycopg.Error):
        return translate_error(error.orig, statement or error.statement or "")
    if not isinstance(error, psycopg.Error):
        return MigrationError(str(error))
    sqlstate = error.sqlstate or ""
    message = (error.diag.message_primary or str(error)).strip()
    if sqlstate in _REFUSED or "password authentication failed" in message:
        return CredentialsRefusedError(f"the database refuses the login: {message}")
    if sqlstate in _UNAVAILABLE or sqlstate.startswith("08") or _is_lost(error, sqlstate):
        hint = "; set spec.connection.sslMode to disable, or turn TLS on there" if _NO_TLS in message else ""
        return DatabaseUnavailableError(f"the database is not available: {message}{hint}")
    if sqlstate in _BLOCKED or _CONCURRENT in message:
        return LockTimeoutError(f"other sessions hold locks: {message}")
    if sqlstate == _CANCELLED:
        return MigrationCancelledError(f"the statement was cancelled: {message}")
    if sqlstate == _PRIVILEGE:
        return InsufficientPrivilegeError(f"{message}{_while_running(statement)}")
    way_out = _WAYS_OUT.get(sqlstate, error.diag.message_hint or "")
    if error.diag.message_detail and sqlstate in _TELLING:
        message = f"{message}: {', '.join(error.diag.message_detail.splitlines())}"
    text = f"{message} (SQLSTATE {sqlstate})" + (f"; {way_out}" if way_out else "")
    return StatementFailedError(
        f"{text}{_while_running(statement)}",
        statement=statement,
        sqlstate=sqlstate,
        detail=error.diag.message_detail or "",
    )


def _is_lost(error: psycopg.Error, sqlstate: str) -> bool:
    return not sqlstate and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def _while_running(statement: str) -> str:
    return f", in: {' '.join(statement.split())[:300]}" if statement else ""
