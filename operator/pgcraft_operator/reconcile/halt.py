"""How a step ends a run early: with what that means for every resource it had not come to."""

from __future__ import annotations

from pgcraft_operator.hub import Retry, Verdict
from pgcraft_operator.outcome import Stalled, Waiting


class Halt(Exception):  # noqa: N818 - it is an end, and not always an error
    """The run cannot go on; `outcome` holds for all resources that have none of their own yet."""

    def __init__(self, outcome: Waiting | Stalled, verdict: Verdict | None = None) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome
        self.verdict = verdict or Retry()
