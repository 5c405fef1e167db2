"""What a run has found out so far, by resource: filled by the steps, read by the one that publishes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pgcraft_core.plan.model import Plan, RegistryChange
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.unit import Claimant, Unit
from pgcraft_operator.outcome import ApiState, Outcome, Stalled, Waiting
from pgcraft_operator.postgrest import ApiOutcome
from pgcraft_operator.reasons import Reason
from pgcraft_operator.reconcile.inventory import Inventory


@dataclass(slots=True)
class Findings:
    """The state of one run."""

    inventory: Inventory
    owner: str | None = None
    """The role that owns what is made."""
    units: Mapping[Claimant, Unit] = field(default_factory=dict)
    plan: Plan | None = None
    applied: dict[Claimant, set[ObjectId]] = field(default_factory=dict)
    """What the database holds for each resource, gone ones included: as the plan saw it, and as migrated since."""
    revision: str | None = None
    """The database's newest revision."""
    outcomes: dict[Claimant, Outcome] = field(default_factory=dict)
    revisions: dict[Claimant, str] = field(default_factory=dict)
    """The last revision that touched each resource."""
    migrations: dict[Claimant, str] = field(default_factory=dict)
    """The Migration object that would change each resource next."""
    pending: int = 0
    """Migrations that wait for an approval."""
    apis: dict[Claimant, ApiOutcome] = field(default_factory=dict)
    api_states: dict[Claimant, ApiState] = field(default_factory=dict)
    must_retry: bool = False

    def take_plan(self, plan: Plan) -> None:
        """Note what was planned, and what it found applied."""
        self.plan = plan
        self.applied = {claimant: set(objects) for claimant, objects in plan.applied.items()}

    def note_changes(self, changes: Iterable[RegistryChange]) -> None:
        """Note what a migration that was committed left in the registry."""
        for change in changes:
            for held in self.applied.values() if change.before is not None else ():
                held.discard(change.id)  # also where it was another's before
            if change.object is not None and change.state == "managed":
                self.applied.setdefault(change.claimant, set()).add(change.id)

    def settle(self, claimant: Claimant, outcome: Outcome) -> None:
        """Note an outcome; the first one stands, for the steps go from causes to consequences."""
        self.outcomes.setdefault(claimant, outcome)

    def settle_rest(self, outcome: Waiting | Stalled) -> None:
        """Give an outcome of the Database to everything that has none yet.

        What refers to the Database is not to blame for what is wrong with it, so it waits instead of being stalled.
        """
        for subject in self.inventory.subjects:
            if subject is self.inventory.database:
                self.settle(subject.claimant, outcome)
            elif outcome.reason is Reason.SUSPENDED and subject.is_observed:
                continue  # a pause changes nothing about what is there
            else:
                message = f"Database {self.inventory.key}: {outcome.message}"
                reason = outcome.reason if isinstance(outcome, Waiting) else Reason.DEPENDENCY_NOT_READY
                self.settle(subject.claimant, Waiting(reason, message))
