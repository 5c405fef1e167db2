"""What keeps a PostgREST resource from having its workload."""

from __future__ import annotations

from typing import ClassVar


class WorkloadError(Exception):
    """Root; the message is a sentence for the resource's author, with the way out."""

    heals: ClassVar[bool] = False
    """Whether waiting can be enough; otherwise a person has to change something."""


class SourceSecretMissingError(WorkloadError):
    """The Secret that `spec.jwt.secretRef` names, or its key, is not there yet."""

    heals = True

    def __init__(self, namespace: str, name: str, key: str) -> None:
        super().__init__(f"spec.jwt.secretRef: there is no key {key} in a Secret {namespace}/{name}; create it")


class UnusableSecretError(WorkloadError):
    """A secret that people wrote is one that PostgREST or Postgres would refuse."""


class ForeignObjectError(WorkloadError):
    """An object of the name we need belongs to somebody else and is left alone."""

    def __init__(self, kind: str, namespace: str, name: str) -> None:
        super().__init__(
            f"{kind} {namespace}/{name} exists and does not belong to this PostgREST; rename the PostgREST, or delete "
            f"that {kind} if nobody needs it"
        )


class PredecessorRemainsError(WorkloadError):
    """An object of a deleted PostgREST of the same name awaits the garbage collector."""

    heals = True

    def __init__(self, kind: str, namespace: str, name: str) -> None:
        super().__init__(f"{kind} {namespace}/{name} of a deleted PostgREST of the same name is still being removed")


class UnservableSpecError(WorkloadError):
    """The declaration holds a name that Kubernetes or PostgREST has no way to express."""
