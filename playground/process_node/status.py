"""A Pod's status, computed from what its containers are doing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, assert_never

from playground.process_node.state import ContainerReport, Running, State, Terminated, Waiting, now

_HOST = "127.0.0.1"
_OURS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def pod_status(
    pod: Mapping[str, Any],
    address: str,
    started_at: datetime,
    init_containers: Sequence[ContainerReport],
    containers: Sequence[ContainerReport],
) -> dict[str, Any]:
    """Return the status to be merged into the Pod's: phase, addresses, conditions and containers."""
    return {
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": _phase(init_containers, containers),
        "hostIP": _HOST,
        "hostIPs": [{"ip": _HOST}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": _time(started_at),
        "conditions": _conditions(pod, init_containers, containers),
        "initContainerStatuses": [_container_status(pod, report) for report in init_containers],
        "containerStatuses": [_container_status(pod, report) for report in containers],
    }


def _phase(init: Sequence[ContainerReport], containers: Sequence[ContainerReport]) -> str:
    if any(report.final and not report.succeeded for report in init):
        return "Failed"
    if containers and all(report.final for report in containers):
        return "Succeeded" if all(report.succeeded for report in containers) else "Failed"
    if any(report.runs > 0 for report in containers):
        return "Running"
    return "Pending"


def _conditions(
    pod: Mapping[str, Any], init: Sequence[ContainerReport], containers: Sequence[ContainerReport]
) -> list[dict[str, Any]]:
    existing = {condition["type"]: condition for condition in pod.get("status", {}).get("conditions", [])}
    unready = [report.name for report in containers if not report.ready]
    message = f"containers with unready status: [{' '.join(unready)}]" if unready else ""
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates", [])]
    closed = [gate for gate in gates if existing.get(gate, {}).get("status") != "True"]
    verdicts = {
        "PodScheduled": (True, ""),
        "PodReadyToStartContainers": (True, ""),
        "Initialized": (all(report.succeeded for report in init), ""),
        "ContainersReady": (not unready, message),
        "Ready": (not unready and not closed, message or (f"readiness gates not met: {closed}" if closed else "")),
    }
    conditions = [condition for kind, condition in existing.items() if kind not in _OURS]
    for kind, (holds, explanation) in verdicts.items():
        status = "True" if holds else "False"
        before = existing.get(kind, {})
        since = before.get("lastTransitionTime") if before.get("status") == status else None
        condition = {"type": kind, "status": status, "lastTransitionTime": since or _time(now())}
        if explanation:
            condition |= {"reason": "ContainersNotReady", "message": explanation}
        conditions.append(condition)
    return conditions


def _container_status(pod: Mapping[str, Any], report: ContainerReport) -> dict[str, Any]:
    identity = f"process://{pod['metadata']['uid']}-{report.name}-{report.runs}" if report.runs else ""
    return {
        "name": report.name,
        "image": report.image,
        "imageID": report.image,
        "containerID": identity,
        "ready": report.ready,
        "started": report.started,
        "restartCount": report.restarts,
        "state": _state(report.state),
        "lastState": _state(report.last) if report.last else {},
    }


def _state(state: State) -> dict[str, Any]:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        case Running(started_at):
            return {"running": {"startedAt": _time(started_at)}}
        case Terminated(exit_code, started_at, finished_at):
            reason = "Completed" if exit_code == 0 else "Error"
            times = {"startedAt": _time(started_at), "finishedAt": _time(finished_at)}
            return {"terminated": {"exitCode": exit_code, "reason": reason, **times}}
        case _:
            assert_never(state)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
