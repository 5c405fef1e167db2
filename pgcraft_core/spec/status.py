"""What the operator reports: the status of each resource."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pgcraft_core.spec.annotations import MapList, SetList
from pgcraft_core.spec.base import KubernetesName, PostgresName, Timestamp
from pgcraft_core.spec.constraint import KeyStrategy
from pgcraft_core.spec.migration import MigrationPhase

ConditionStatus = Literal["True", "False", "Unknown"]

Revision = Annotated[str, Field(max_length=64)]
Sentence = Annotated[str, Field(max_length=1024)]
Count = Annotated[int, Field(ge=0)]


class StatusModel(BaseModel):
    """Base of every reported object: camelCase outside, immutable, tolerant of fields of a later version."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="ignore", frozen=True
    )


class Condition(StatusModel):
    """One aspect of the resource, in the form Kubernetes tools read."""

    type: Annotated[str, Field(min_length=1, max_length=316)] = Field(
        description="The aspect: Ready, Reconciling, Stalled, Drifted or ApiReady."
    )
    status: ConditionStatus = Field(description="Whether it is so: True, False or Unknown.")
    reason: Annotated[
        str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ] = Field(description="Why, in one CamelCase word for programs.")
    message: Annotated[str, Field(max_length=32768)] = Field(description="Why, in sentences for people.")
    last_transition_time: Timestamp = Field(description="When status last changed.")
    observed_generation: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Generation of the resource this was found for."
    )


class Status(StatusModel):
    """What every resource reports."""

    observed_generation: Annotated[int, Field(ge=-1)] = Field(
        -1, description="Generation of the resource that was last reconciled to its end; -1 before the first."
    )
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), MapList("type")] = Field(
        (), description="Conditions by type; Ready sums them up."
    )


class DimensionCounts(StatusModel):
    """How many dimensions a database has."""

    total: Count = Field(0, description="Dimensions that refer to the database.")
    ready: Count = Field(0, description="Those of them that are Ready.")


class DatabaseStatus(Status):
    """What became of a Database."""

    version: Annotated[str, Field(max_length=63)] | None = Field(None, description="Version of the Postgres server.")
    owner_id: Annotated[str, Field(max_length=320)] | None = Field(
        None, description="Who we are in the database's ownership registry."
    )
    dimensions: DimensionCounts | None = Field(None, description="How many dimensions it has.")
    revision: Revision | None = Field(None, description="Newest Alembic revision applied to it.")
    pending_migrations: Count | None = Field(None, description="Migrations that wait for an approval.")


class QualifiedName(StatusModel):
    """A relation in its schema."""

    schema_: PostgresName = Field(alias="schema", description="Schema of the relation.")
    name: PostgresName = Field(description="Name of the relation.")


class EffectiveKey(StatusModel):
    """The primary key as made."""

    strategy: KeyStrategy = Field(description="How its values come about.")
    columns: Annotated[tuple[PostgresName, ...], Field(max_length=32), SetList()] = Field(
        description="Its columns in order."
    )
    type: Annotated[str, Field(max_length=256)] | None = Field(None, description="Type of a generated key's column.")


class EffectiveDimension(StatusModel):
    """The spec as understood, with every default filled in."""

    type: Annotated[str, Field(max_length=63)] | None = Field(None, description="Type of the dimension.")
    table: QualifiedName | None = Field(None, description="The table.")
    owner: PostgresName | None = Field(None, description="Role that owns what was made.")
    primary_key: EffectiveKey | None = Field(None, description="The primary key.")
    view: QualifiedName | None = Field(None, description="The API view, if it is exposed.")


class DriftReport(StatusModel):
    """Differences between what was applied and what the database has."""

    count: Count = Field(0, description="Number of all differences.")
    messages: Annotated[tuple[Sentence, ...], Field(max_length=20)] = Field(
        (), description="The first twenty of them, a sentence each."
    )
    checked_at: Timestamp | None = Field(None, description="When it was last looked.")


class DimensionStatus(Status):
    """What became of a Dimension."""

    relations: Annotated[tuple[Annotated[str, Field(max_length=300)], ...], Field(max_length=64), SetList()] = Field(
        (), description="What was made, such as `table geo.airports` and `view api.airports`."
    )
    revision: Revision | None = Field(None, description="Alembic revision that last changed it.")
    effective: EffectiveDimension | None = Field(None, description="The spec as understood, defaults filled in.")
    migration: KubernetesName | None = Field(
        None, description="The Migration that changes it next, in the Database's namespace, while there is one."
    )
    drift: DriftReport | None = Field(None, description="How the database differs from what was applied.")


class PostgRESTStatus(Status):
    """What became of a PostgREST API."""

    url: Annotated[str, Field(max_length=2048)] | None = Field(None, description="Where it answers within the cluster.")
    ready_replicas: Count | None = Field(None, description="Pods that answer.")
    served_resources: Count | None = Field(None, description="Relations and functions it serves.")
    roles: Annotated[tuple[PostgresName, ...], Field(max_length=65), SetList()] = Field(
        (), description="Roles that requests can run as, the anonymous one first."
    )


class MigrationStatus(Status):
    """What became of a plan."""

    phase: MigrationPhase | None = Field(None, description="Where it stands.")
    revision: Revision | None = Field(None, description="Alembic revision it was recorded as.")
    started_at: Timestamp | None = Field(None, description="When applying began.")
    finished_at: Timestamp | None = Field(None, description="When applying ended, well or not.")
    duration_milliseconds: Count | None = Field(None, description="How long applying took, in milliseconds.")
    message: Annotated[str, Field(max_length=32768)] | None = Field(None, description="How it went, in sentences.")
