from copy import deepcopy
from typing import Any

import pytest

from pgcraft_operator.postgrest.comparison import APPLIED_HASH, is_applied, stamp

WANTED: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "api", "labels": {"tier": "api"}},
    "spec": {
        "replicas": 2,
        "containers": [
            {
                "name": "postgrest",
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "resources": {"requests": {"cpu": "0.05", "memory": "1024Ki"}, "limits": {"cpu": 1}},
                "drop": ["ALL"],
            }
        ],
    },
}


def live() -> dict[str, Any]:
    """Return the object as an API server gives it back: completed, quantities in its own form."""
    stored = deepcopy(stamp(WANTED))
    stored["metadata"] |= {"uid": "u", "resourceVersion": "7", "labels": {"tier": "api", "added": "by others"}}
    stored["status"] = {"replicas": 2}
    container = stored["spec"]["containers"][0]
    container["imagePullPolicy"] = "Always"
    container["resources"] = {"requests": {"cpu": "50m", "memory": "1Mi"}, "limits": {"cpu": "1"}}
    stored["spec"]["containers"].insert(0, {"name": "injected"})
    return stored


def test_what_others_add_is_no_difference() -> None:
    assert is_applied(stamp(WANTED), live())


def test_the_stamp_leaves_the_manifest_alone() -> None:
    before = deepcopy(WANTED)
    stamped = stamp(WANTED)
    assert before == WANTED
    assert stamped["metadata"]["annotations"][APPLIED_HASH] != stamp({**WANTED, "spec": {}})["metadata"]["annotations"]
    assert (
        stamp({**WANTED, "metadata": {"annotations": {"a": "b"}, "name": "x"}})["metadata"]["annotations"]["a"] == "b"
    )


@pytest.mark.parametrize("path", ["replicas", "env", "resources", "drop", "label"])
def test_what_others_change_of_ours_is_a_difference(path: str) -> None:
    stored = live()
    container = stored["spec"]["containers"][1]
    match path:
        case "replicas":
            stored["spec"]["replicas"] = 3
        case "env":
            container["env"][1]["value"] = "3"
        case "resources":
            container["resources"]["requests"]["memory"] = "1M"
        case "drop":
            container["drop"] = ["ALL", "KILL"]
        case "label":
            del stored["metadata"]["labels"]["tier"]
    assert not is_applied(stamp(WANTED), stored)


def test_a_field_we_no_longer_set_is_a_difference() -> None:
    fewer = deepcopy(WANTED)
    del fewer["spec"]["containers"][0]["env"][1]
    assert not is_applied(stamp(fewer), live())
