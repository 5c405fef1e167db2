"""What runs in Kubernetes for a PostgREST resource: its Secret, Deployment and Service, and whether it serves."""

from pgcraft_operator.postgrest.errors import WorkloadError
from pgcraft_operator.postgrest.expose import ApiOutcome, expose, forget
from pgcraft_operator.postgrest.exposed import served_objects
from pgcraft_operator.postgrest.workload_secret import WorkloadSecret, ensure_secret

__all__ = ["ApiOutcome", "WorkloadError", "WorkloadSecret", "ensure_secret", "expose", "forget", "served_objects"]
