"""A Kubernetes cluster as the demo and the tests use it: a kubeconfig, a kubectl and what they can do."""

import json
import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_TIMEOUT = 60.0  # seconds a kubectl command may take


class KubectlError(Exception):
    """kubectl refused; the message is what it said."""


@dataclass(frozen=True)
class Cluster:
    """A cluster reached as its administrator."""

    kubeconfig: Path
    kubectl_path: Path
    folder: Path
    """Where files that belong to it go, and go away with it."""
    has_nodes: bool
    """Whether nodes that run containers are there."""

    def kubectl(self, *args: str, input: str | None = None, timeout: float = _TIMEOUT) -> str:  # noqa: A002
        """Run kubectl and return what it printed; raises `KubectlError` with what it said when it fails."""
        command = [str(self.kubectl_path), *args]
        # Its own cache, lest kubectl believes of this cluster what it once learnt of another on the same port.
        cache = str(self.folder / "kubectl-cache")
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": cache}
        done = subprocess.run(
            command, input=input, env=environment, capture_output=True, text=True, check=False, timeout=timeout
        )
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return one object; raises `KubectlError` when it is not there."""
        scope = ["--namespace", namespace] if namespace else []
        return json.loads(self.kubectl("get", kind, name, *scope, "--output", "json"))

    def get_all(self, kind: str, namespace: str | None = None, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind, of one namespace or of all."""
        scope = ["--namespace", namespace] if namespace else ["--all-namespaces"]
        return json.loads(self.kubectl("get", kind, *scope, "--selector", selector, "--output", "json"))["items"]

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply objects on the server's side, as a GitOps tool does."""
        text = yaml.safe_dump_all(manifests)
        self.kubectl("apply", "--server-side", "--field-manager", "playground", "--filename", "-", input=text)

    def wait(self, condition: str, what: str, namespace: str | None = None, timeout: float = _TIMEOUT) -> None:
        """Return once `what` (deployment/x) meets a condition of `kubectl wait --for`, else raise `KubectlError`."""
        scope = ["--namespace", namespace] if namespace else []
        self.kubectl("wait", f"--for={condition}", what, *scope, f"--timeout={timeout:.0f}s", timeout=timeout + 10)

    @contextmanager
    def scratch_namespace(self, name: str) -> Generator[str]:
        """Give a fresh namespace ready for pods; afterwards delete it, without waiting for the end."""
        self.kubectl("create", "namespace", name)
        try:
            # Pods are refused until the controller manager has made the service account they run under.
            self.wait("create", "serviceaccount/default", name)
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")

    def kubeconfig_for_service_account(self, namespace: str, name: str) -> Path:
        """Return a kubeconfig with which a program is that service account, and so under its RBAC, for a day."""
        token = self.kubectl("create", "token", name, "--namespace", namespace, "--duration", "24h").strip()
        # --minify leaves the current context alone; --flatten puts certificates into the file
        config = yaml.safe_load(self.kubectl("config", "view", "--raw", "--minify", "--flatten"))
        config["users"] = [{"name": entry["name"], "user": {"token": token}} for entry in config["users"]]
        for context in config["contexts"]:
            context["context"]["namespace"] = namespace
        handle, path = tempfile.mkstemp(dir=self.folder, prefix=f"{name}-", suffix=".kubeconfig")
        with os.fdopen(handle, "w") as file:
            yaml.safe_dump(config, file)
        return Path(path)
