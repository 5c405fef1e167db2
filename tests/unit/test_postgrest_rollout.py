from typing import Any

import pytest

from pgcraft_operator.postgrest.rollout import ReadyPod, ready_pods, what_rollout_awaits


def pod(name: str, *, ready: bool = True, ip: str = "10.0.0.1", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", **metadata},
        "status": {
            "podIP": ip,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [
                {"name": "sidecar", "containerID": "c://0"},
                {"name": "postgrest", "containerID": "c://1", "state": {"running": {}}},
            ],
        },
    }


def deployment(replicas: int = 2, **status: Any) -> dict[str, Any]:
    done = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    return {
        "metadata": {"name": "api", "generation": 3},
        "spec": {"replicas": replicas},
        "status": {**done, **status},
    }


def test_only_pods_that_take_requests_are_asked() -> None:
    pods = [pod("b"), pod("a", ip="fd00::1"), pod("c", ready=False), pod("d", deletionTimestamp="now"), pod("e", ip="")]
    found = ready_pods(pods)
    assert found == (ReadyPod("a", "uid-a/c://1", "fd00::1"), ReadyPod("b", "uid-b/c://1", "10.0.0.1"))
    assert [pod.base_url for pod in found] == ["http://[fd00::1]:3000", "http://10.0.0.1:3000"]


@pytest.mark.parametrize(
    ("live", "sentence"),
    [
        (deployment(), None),
        (deployment(observedGeneration=2), "Deployment api has yet to be taken up by Kubernetes"),
        (deployment(updatedReplicas=1), "Deployment api is rolling out, 1 of 2 pods are new"),
        (deployment(replicas=3, updatedReplicas=3), "Deployment api has 2 of 3 pods ready"),
    ],
)
def test_what_a_rollout_awaits(live: dict[str, Any], sentence: str | None) -> None:
    assert what_rollout_awaits(live, [pod("a"), pod("b")]) == sentence


def test_old_pods_have_to_go_before_a_rollout_is_over() -> None:
    live = deployment()
    live["status"]["replicas"] = 3
    assert what_rollout_awaits(live, [pod("a"), pod("b")]) == "Deployment api is rolling out, old pods are ending"


def test_a_pod_that_is_ready_no_longer_counts_before_the_deployment_says_so() -> None:
    pods = [pod("a"), pod("b", ready=False)]
    assert what_rollout_awaits(deployment(), pods) == "Deployment api has 1 of 2 pods ready"


def test_a_new_deployment_has_everything_ahead() -> None:
    live = {"metadata": {"name": "api", "generation": 1}, "spec": {"replicas": 1}}
    assert what_rollout_awaits(live, []) == "Deployment api has yet to be taken up by Kubernetes"


def test_no_replicas_wanted_is_nothing_to_wait_for() -> None:
    live = {"metadata": {"name": "api", "generation": 1}, "spec": {"replicas": 0}, "status": {"observedGeneration": 1}}
    assert what_rollout_awaits(live, []) is None


def test_why_pods_do_not_come_up_is_told() -> None:
    stuck = pod("api-1", ready=False)
    stuck["status"]["containerStatuses"][1]["state"] = {
        "waiting": {"reason": "ErrImagePull", "message": "no such image"}
    }
    assert what_rollout_awaits(deployment(availableReplicas=1), [pod("api-0"), stuck]) == (
        "Deployment api has 1 of 2 pods ready: api-1 ErrImagePull no such image"
    )
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    assert what_rollout_awaits(deployment(updatedReplicas=0, conditions=[refused]), []) == (
        "Deployment api cannot make pods: exceeded quota"
    )
