"""The Migration resource: one plan, written by the operator for people to read; never read back as SQL."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pgcraft_core.spec.annotations import Rule
from pgcraft_core.spec.base import DatabaseReference, KubernetesName, NamespaceName, Resource, SpecModel

PLAN_NEVER_CHANGES = Rule(
    "self == oldSelf",
    "The plan never changes, for approvals are pinned to it; the operator writes a new Migration for a new plan.",
    holds=None,
    reason="FieldValueForbidden",
)

MigrationPhase = Literal["Pending", "ApprovalPending", "Applying", "Applied", "Failed", "Superseded"]


class MigrationHazard(SpecModel):
    """Why an operation can hurt."""

    type: Annotated[str, Field(max_length=63)] = Field(
        alias="class", description="Hazard class: DataLoss, Rewrite, LongLock or ExposureChange."
    )
    message: Annotated[str, Field(max_length=2048)] = Field(
        description="What it does, with the row evidence, in a sentence."
    )


class MigrationOperation(SpecModel):
    """One typed step of the plan."""

    operation: Annotated[str, Field(max_length=63)] = Field(description="Type of the operation.")
    target: Annotated[str, Field(max_length=256)] = Field(description="The object it changes.")
    description: Annotated[str, Field(max_length=2048)] = Field(description="What it does, in a sentence.")
    lock: Annotated[str, Field(max_length=63)] = Field(description="Strongest table lock it takes.")
    hazard: MigrationHazard | None = Field(None, description="Why it can hurt, if it can.")


class MigrationSubject(SpecModel):
    """A resource the plan is made for."""

    kind: Annotated[str, Field(max_length=63)] = Field(description="Kind of the resource.")
    namespace: NamespaceName = Field(description="Namespace of the resource.")
    name: KubernetesName = Field(description="Name of the resource.")


class MigrationSpec(SpecModel):
    """One plan; immutable."""

    database_ref: DatabaseReference = Field(description="The Database the plan is for.")
    plan_hash: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 over the plan's state before and after; what an approval is pinned to."
    )
    subjects: Annotated[tuple[MigrationSubject, ...], Field(max_length=2000)] = Field(
        (), description="Resources whose state the plan changes."
    )
    operations: Annotated[tuple[MigrationOperation, ...], Field(max_length=1000)] = Field(
        (), description="The first thousand steps, in order."
    )
    operation_count: Annotated[int, Field(ge=0)] = Field(0, description="Number of all steps.")
    sql: Annotated[str, Field(max_length=262144)] = Field(
        "", description="The SQL for people to read; shortened at 256 KiB, the database's history keeps it whole."
    )


class Migration(Resource):
    """A plan of changes to a Database, and what became of it."""

    kind: Literal["Migration"]
    spec: Annotated[MigrationSpec, PLAN_NEVER_CHANGES]
