"""Every condition reason the operator writes, with the sentence that documents it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Reason(StrEnum):
    """Why a condition has its status; stable, for people and for machines."""

    PROGRESSING = "Progressing"
    PLANNING = "Planning"
    APPLYING = "Applying"

    DATABASE_UNAVAILABLE = "DatabaseUnavailable"
    LOCK_TIMEOUT = "LockTimeout"
    DEPENDENCY_NOT_READY = "DependencyNotReady"
    APPROVAL_PENDING = "ApprovalPending"
    OBSERVING = "Observing"
    SUSPENDED = "Suspended"
    API_NOT_READY = "ApiNotReady"
    RETRYING = "Retrying"

    INVALID_SPEC = "InvalidSpec"
    POLICY_DENIED = "PolicyDenied"
    CONFLICT = "Conflict"
    MIGRATION_FAILED = "MigrationFailed"
    INSUFFICIENT_PRIVILEGE = "InsufficientPrivilege"
    RETRIES_EXHAUSTED = "RetriesExhausted"

    APPLIED = "Applied"

    IN_SYNC = "InSync"
    DIFFERENCES_FOUND = "DifferencesFound"
    SERVING = "Serving"


SENTENCES: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.PROGRESSING: "A new generation was seen and is being worked on.",
        Reason.PLANNING: "The desired state is being compared with the database.",
        Reason.APPLYING: "A migration with changes of this resource is running.",
        Reason.DATABASE_UNAVAILABLE: "The database does not answer or refuses the login, or a Secret is missing.",
        Reason.LOCK_TIMEOUT: "A table stayed locked by other sessions; nothing was changed; retried.",
        Reason.DEPENDENCY_NOT_READY: "Something it refers to (Database, dimension, role, Secret) is not there yet.",
        Reason.APPROVAL_PENDING: "A planned change waits for approval; the Migration named in the message shows it.",
        Reason.OBSERVING: "Changes are planned and not applied, because the Database is in mode Observe.",
        Reason.SUSPENDED: "Reconciling the Database is paused by its spec.suspend.",
        Reason.API_NOT_READY: "The database is as declared, and PostgREST does not serve it yet.",
        Reason.RETRYING: "An attempt failed for a reason that may pass; retried with growing pauses.",
        Reason.INVALID_SPEC: "It does not compile, or Postgres refuses an expression; the message has the path.",
        Reason.POLICY_DENIED: "The Database's policy does not give this namespace what the resource asks for.",
        Reason.CONFLICT: "Another resource or a stranger's object already has the name or the place in the database.",
        Reason.MIGRATION_FAILED: "Postgres refused a statement; its migration was rolled back whole and named.",
        Reason.INSUFFICIENT_PRIVILEGE: "The login lacks a privilege; the message has the statement that grants it.",
        Reason.RETRIES_EXHAUSTED: "Repeated attempts failed for the same reason; a person has to look.",
        Reason.APPLIED: "The database was read back and is as declared.",
        Reason.IN_SYNC: "The database is as it was applied.",
        Reason.DIFFERENCES_FOUND: "The database is no longer as it was applied; the message names the differences.",
        Reason.SERVING: "PostgREST answers with every relation the resource exposes.",
    }
)
