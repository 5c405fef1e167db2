"""Conditions: every row of the status table, and times that only move with a status."""

from datetime import UTC, datetime

import pytest

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_operator.conditions import Condition, derive_conditions, render_conditions
from pgcraft_operator.events import transitions
from pgcraft_operator.outcome import ApiState, Applied, Outcome, Progressing, Stalled, Waiting, outcome_of
from pgcraft_operator.reasons import SENTENCES, Reason

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 6, 1, 13, tzinfo=UTC)


def by_type(conditions: tuple[Condition, ...]) -> dict[str, Condition]:
    return {condition.type: condition for condition in conditions}


@pytest.mark.parametrize(
    ("outcome", "ready", "reconciling", "stalled"),
    [
        (Progressing(Reason.PROGRESSING, "new"), "Unknown", "True", "False"),
        (Progressing(Reason.PLANNING, "comparing"), "False", "True", "False"),
        (Progressing(Reason.APPLYING, "running"), "False", "True", "False"),
        (Waiting(Reason.DATABASE_UNAVAILABLE, "refused"), "False", "True", "False"),
        (Waiting(Reason.LOCK_TIMEOUT, "locked"), "False", "True", "False"),
        (Waiting(Reason.DEPENDENCY_NOT_READY, "no countries"), "False", "True", "False"),
        (Waiting(Reason.APPROVAL_PENDING, "drops a column"), "False", "True", "False"),
        (Waiting(Reason.OBSERVING, "adds a column"), "False", "True", "False"),
        (Stalled(Reason.INVALID_SPEC, "bad"), "False", "False", "True"),
        (Stalled(Reason.POLICY_DENIED, "no"), "False", "False", "True"),
        (Stalled(Reason.CONFLICT, "taken"), "False", "False", "True"),
        (Stalled(Reason.MIGRATION_FAILED, "refused"), "False", "False", "True"),
        (Stalled(Reason.RETRIES_EXHAUSTED, "again"), "False", "False", "True"),
        (Applied("done"), "True", "False", "False"),
    ],
)
def test_an_outcome_is_told_as_the_table_says(outcome: Outcome, ready: str, reconciling: str, stalled: str) -> None:
    conditions = derive_conditions(outcome)
    assert [(condition.type, condition.status) for condition in conditions] == [
        ("Ready", ready),
        ("Reconciling", reconciling),
        ("Stalled", stalled),
    ]
    reason = Reason.APPLIED if isinstance(outcome, Applied) else outcome.reason
    assert {condition.reason for condition in conditions} == {reason}
    assert {condition.message for condition in conditions} == {outcome.message}


def test_drift_is_reported_and_leaves_a_resource_ready() -> None:
    conditions = by_type(derive_conditions(Applied("done"), drift=("column a: integer, not bigint",)))
    assert conditions["Ready"].status == "True"
    assert (conditions["Drifted"].status, conditions["Drifted"].message) == ("True", "column a: integer, not bigint")


def test_no_drift_is_told_only_where_somebody_looked() -> None:
    assert by_type(derive_conditions(Applied("done"), drift=()))["Drifted"].status == "False"
    assert "Drifted" not in by_type(derive_conditions(Applied("done"), drift=None))


def test_what_is_applied_and_not_served_is_not_ready() -> None:
    api = ApiState(serving=False, message="api.airports is not served yet")
    conditions = by_type(derive_conditions(Applied("done"), api=api))
    assert (conditions["Ready"].status, conditions["Ready"].reason) == ("False", Reason.API_NOT_READY)
    assert (conditions["Reconciling"].status, conditions["Stalled"].status) == ("True", "False")
    assert conditions["ApiReady"].status == "False"


def test_what_is_served_and_not_applied_is_not_ready() -> None:
    api = ApiState(serving=True, message="served")
    conditions = by_type(derive_conditions(Stalled(Reason.INVALID_SPEC, "bad"), api=api))
    assert (conditions["Ready"].status, conditions["ApiReady"].status) == ("False", "True")


def test_a_transition_time_stays_while_the_status_does() -> None:
    applied = derive_conditions(Applied("done"))
    first = render_conditions(applied, before=(), generation=1, now=NOON)
    same = render_conditions(derive_conditions(Applied("done again")), before=first, generation=2, now=LATER)
    assert {condition["lastTransitionTime"] for condition in same} == {"2026-06-01T12:00:00Z"}
    assert {condition["observedGeneration"] for condition in same} == {2}
    failed = derive_conditions(Stalled(Reason.INVALID_SPEC, "bad"))
    changed = render_conditions(failed, before=same, generation=3, now=LATER)
    assert [condition["lastTransitionTime"] for condition in changed] == [
        "2026-06-01T13:00:00Z",  # Ready fell
        "2026-06-01T12:00:00Z",  # Reconciling stayed False
        "2026-06-01T13:00:00Z",
    ]


def test_a_finding_that_needs_a_person_outweighs_one_that_heals() -> None:
    heals = Diagnostic("spec.columns[country].references", "there is no dimension countries", "DependencyNotReady")
    grave = Diagnostic("spec.checks[sane].expression", "syntax error")
    assert outcome_of([heals]) == Waiting(Reason.DEPENDENCY_NOT_READY, str(heals))
    assert outcome_of([heals, grave]) == Stalled(Reason.INVALID_SPEC, "spec.checks[sane].expression: syntax error")
    denied = Diagnostic("spec.schema", "not yours", "PolicyDenied")
    assert outcome_of([denied]) == Stalled(Reason.POLICY_DENIED, "spec.schema: not yours")


def test_many_findings_are_counted() -> None:
    findings = [Diagnostic(f"spec.columns[{number}]", "bad") for number in range(8)]
    assert outcome_of(findings).message.endswith("spec.columns[4]: bad; and 3 more")


def test_every_reason_is_documented() -> None:
    assert set(SENTENCES) == set(Reason)


def test_events_tell_transitions_and_nothing_twice() -> None:
    applied = derive_conditions(Applied("revision 1"), drift=())
    before = render_conditions(applied, before=(), generation=1, now=NOON)
    assert [(notice.type, notice.reason) for notice in transitions((), applied)] == [("Normal", "Applied")]
    assert transitions(before, applied) == ()
    drifted = derive_conditions(Applied("revision 1"), drift=("column a",))
    assert [(notice.type, notice.reason) for notice in transitions(before, drifted)] == [("Warning", "DriftDetected")]
    since = render_conditions(drifted, before=before, generation=1, now=NOON)
    assert transitions(since, drifted) == ()
    assert [notice.reason for notice in transitions(since, applied)] == ["DriftResolved"]
    counted = derive_conditions(Applied("revision 2"), drift=("column a", "column b"))
    assert [notice.reason for notice in transitions(since, counted)] == ["Applied", "DriftDetected"]
    assert transitions(since, counted, is_summary=True) == ()
    assert [notice.reason for notice in transitions(before, counted, is_summary=True)] == ["DriftDetected"]
    failed = derive_conditions(Stalled(Reason.INVALID_SPEC, "bad"))
    assert [(notice.type, notice.reason) for notice in transitions(before, failed)] == [("Warning", "InvalidSpec")]
    assert transitions(before, derive_conditions(Progressing(Reason.APPLYING, "running"))) == ()
