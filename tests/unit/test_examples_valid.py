"""The examples are what the reference says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pgcraft_core.spec.load import load_resource
from pgcraft_core.spec.validation import validate

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFESTS = {
    f"{path.relative_to(EXAMPLES)}:{manifest['metadata']['name']}": manifest
    for path in sorted(EXAMPLES.rglob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text("utf-8"))
    if manifest["apiVersion"].startswith("pgcraft.io/")
}


def test_there_are_examples_of_every_kind_that_users_write() -> None:
    kinds = {manifest["kind"] for manifest in MANIFESTS.values()}
    assert kinds == {"Database", "Dimension", "PostgREST"}


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS)
def test_an_example_has_no_findings(manifest: dict[str, Any]) -> None:
    resource = load_resource(manifest)
    assert not isinstance(resource, list), resource
    assert validate(resource) == []
