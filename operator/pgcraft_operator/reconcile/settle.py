"""What planning and applying amount to for each resource; pure."""

from __future__ import annotations

from pgcraft_core.plan.model import Plan
from pgcraft_operator.outcome import Applied, outcome_of, summary
from pgcraft_operator.reconcile.details import format_version
from pgcraft_operator.reconcile.findings import Findings


def settle_diagnostics(findings: Findings, plan: Plan) -> None:
    """Settle every resource that compiling or planning found something wrong with."""
    for claimant, diagnostics in plan.diagnostics.items():
        if diagnostics:
            findings.settle(claimant, outcome_of(diagnostics))
            findings.must_retry |= any(diagnostic.may_heal for diagnostic in diagnostics)


def settle_applied(findings: Findings, plan: Plan) -> None:
    """Settle everything else: it is as declared, and its revision says since when."""
    for subject in findings.inventory.subjects:
        claimant = subject.claimant
        if claimant.kind == "Database":
            findings.settle(claimant, Applied(f"Connected to Postgres {format_version(plan.server_version)}"))
            continue
        unit = findings.units.get(claimant)
        relations = [str(item.id) for item in unit.objects if item.id.kind in ("table", "view")] if unit else []
        what = summary(relations) if relations else "Roles and grants"
        revision = findings.revisions.get(claimant) or plan.revisions.get(claimant)
        findings.settle(claimant, Applied(f"{what}: as declared" + (f", revision {revision}" if revision else "")))
