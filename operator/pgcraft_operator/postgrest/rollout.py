"""How far a Deployment has come, and which of its pods can be asked; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgcraft_operator.cluster import Manifest
from pgcraft_operator.postgrest.workload import API_PORT, CONTAINER


@dataclass(frozen=True, slots=True)
class ReadyPod:
    """A pod that takes requests; `incarnation` changes whenever its process is another one."""

    name: str
    incarnation: str
    address: str

    @property
    def base_url(self) -> str:
        """Where its API answers."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{API_PORT}"


def ready_pods(pods: Iterable[Manifest]) -> tuple[ReadyPod, ...]:
    """Return the pods that take requests and are not about to end, by name."""
    found = []
    for pod in pods:
        metadata, status = pod["metadata"], pod.get("status", {})
        is_ready = any(
            condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions", ())
        )
        if not is_ready or metadata.get("deletionTimestamp") or not status.get("podIP"):
            continue
        container = _container_status(pod).get("containerID", "")
        found.append(ReadyPod(metadata["name"], f"{metadata['uid']}/{container}", status["podIP"]))
    return tuple(sorted(found, key=lambda pod: pod.name))


def what_rollout_awaits(deployment: Manifest, pods: Sequence[Manifest]) -> str | None:
    """Return a sentence on what a Deployment still waits for; None when every pod is of its latest form and ready."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    name = deployment["metadata"]["name"]
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return f"Deployment {name} has yet to be taken up by Kubernetes"
    failure = _condition_message(deployment, "ReplicaFailure")
    if failure:
        return f"Deployment {name} cannot make pods: {failure}"
    updated = status.get("updatedReplicas", 0)
    available = min(status.get("availableReplicas", 0), len(ready_pods(pods)))  # whichever is the later news
    problem = next((f": {problem}" for pod in pods if (problem := _pod_problem(pod))), "")
    if updated < wanted:
        return f"Deployment {name} is rolling out, {updated} of {wanted} pods are new{problem}"
    if available < wanted:
        return f"Deployment {name} has {available} of {wanted} pods ready{problem}"
    if status.get("replicas", 0) > updated:
        return f"Deployment {name} is rolling out, old pods are ending"
    return None


def _pod_problem(pod: Manifest) -> str | None:
    """Return why a pod's container does not run, where there is more to say than that it is being started."""
    waiting = _container_status(pod).get("state", {}).get("waiting", {})
    reason = waiting.get("reason", "")
    if reason in ("", "ContainerCreating", "PodInitializing"):
        return None
    return f"{pod['metadata']['name']} {reason} {waiting.get('message', '')}".strip()


def _container_status(pod: Manifest) -> Manifest:
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return next((status for status in statuses if status["name"] == CONTAINER), {})


def _condition_message(deployment: Manifest, kind: str) -> str | None:
    for condition in deployment.get("status", {}).get("conditions", ()):
        if condition["type"] == kind and condition["status"] == "True":
            return condition.get("message") or condition.get("reason")
    return None
