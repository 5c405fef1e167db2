"""What is wrong with a resource, where, and what its author can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DiagnosticReason = Literal["InvalidSpec", "PolicyDenied", "Conflict", "DependencyNotReady"]
"""The condition reason a diagnostic turns into. `DependencyNotReady` may heal by itself, the others need a person."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about one resource.

    `path` leads into the resource in Kubernetes field notation (`spec.checks[sane].expression`); `message` is a
    sentence that says what is wrong and the way out.
    """

    path: str
    message: str
    reason: DiagnosticReason = "InvalidSpec"

    @property
    def may_heal(self) -> bool:
        """Whether waiting can resolve it, without an edit of this resource."""
        return self.reason == "DependencyNotReady"

    def __str__(self) -> str:
        """`path: message`, as status and command line show it."""
        return f"{self.path}: {self.message}" if self.path else self.message
