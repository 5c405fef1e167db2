"""What can stop a migration, and what to do about it."""

from __future__ import annotations


class MigrationError(Exception):
    """Root of everything that stops a plan or a migration."""


class DatabaseUnavailableError(MigrationError):
    """The database does not answer, or refuses the connection; worth retrying."""


class CredentialsRefusedError(DatabaseUnavailableError):
    """The database answers and refuses the login; worth retrying once the Secret changes."""


class LockTimeoutError(MigrationError):
    """A table stayed locked by other sessions through all retries; nothing was changed, worth retrying later."""


class AnotherWriterError(MigrationError):
    """Another session holds the migration lock of this database; worth retrying."""


class MigrationCancelledError(MigrationError):
    """The running statement was cancelled, by us on stopping or by an administrator; nothing was changed."""


class InsufficientPrivilegeError(MigrationError):
    """The login lacks a privilege; the message names it and the statement that grants it."""


class VerificationError(MigrationError):
    """What a migration made is not what was declared when read back; its transaction was rolled back whole."""


class StatementFailedError(MigrationError):
    """Postgres refused a statement; its transaction was rolled back whole.

    `statement` is the SQL, `sqlstate` the five-character code, `detail` what Postgres adds, all as received.
    """

    def __init__(self, message: str, *, statement: str, sqlstate: str, detail: str = "") -> None:
        super().__init__(message)
        self.statement = statement
        self.sqlstate = sqlstate
        self.detail = detail


class RegistryConflictError(MigrationError):
    """The registry changed between plan and apply; plan again."""
