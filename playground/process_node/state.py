"""What a container is doing, as its status tells."""

from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Waiting:
    """Not running: not yet, or not again yet."""

    reason: str = "ContainerCreating"
    message: str = ""


@dataclass(frozen=True)
class Running:
    """Its process runs."""

    started_at: datetime


@dataclass(frozen=True)
class Terminated:
    """Its process ended."""

    exit_code: int
    started_at: datetime
    finished_at: datetime


State = Waiting | Running | Terminated


@dataclass
class ContainerReport:
    """All that a Pod's status says about one container."""

    name: str
    image: str
    state: State = field(default_factory=Waiting)
    last: Terminated | None = None
    ready: bool = False
    started: bool = False
    restarts: int = 0
    runs: int = 0
    """How often it was started by this node; part of its id."""
    final: bool = False
    """It ended and will not be started again."""

    @property
    def succeeded(self) -> bool:
        """Whether its process ended well."""
        return isinstance(self.state, Terminated) and self.state.exit_code == 0


def now() -> datetime:
    """Return the time, to the second, as the API keeps it."""
    return datetime.now(UTC).replace(microsecond=0)
