"""The programs of a Kubernetes control plane: found, or built from their Go modules once and kept."""

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from playground.cache import build_once, say
from playground.scratch import ScratchFolder

_MODULES = Path(__file__).parent / "go"
_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kubectl")
_OLDEST_GO = (1, 21)  # from this version on, Go fetches the newer toolchain that a module asks for
_ERROR_LINES = 20


class BinariesUnavailableError(Exception):
    """The control plane's programs are not there and cannot be built."""


@dataclass(frozen=True)
class Binaries:
    """Where the control plane's programs and kubectl are."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path

    @classmethod
    def inside(cls, folder: Path) -> Self | None:
        """Return the programs in `folder` if all are there."""
        paths = [folder / name for name in ("etcd", *_KUBERNETES)]
        return cls(*paths) if all(os.access(path, os.X_OK) for path in paths) else None


def ensure_binaries() -> Binaries:
    """Return the programs from `$KUBEBUILDER_ASSETS` if all four are there, else from the cache, building them first.

    Raises `BinariesUnavailableError` when Go is missing or a build fails.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        if found := Binaries.inside(Path(assets)):
            return found
        say(f"KUBEBUILDER_ASSETS={assets} lacks some of etcd, {', '.join(_KUBERNETES)}: using our own")
    etcd = _build("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, _ldflags(), "about half a minute")
    kubernetes = _build(
        "kubernetes",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES},
        _ldflags(_kubernetes_version()),
        "about 5 minutes on two cores",
    )
    return Binaries(etcd / "etcd", *(kubernetes / name for name in _KUBERNETES))


def ensure_kubectl() -> Path:
    """Return a kubectl: of `$KUBEBUILDER_ASSETS`, of the cache, or built there."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and os.access(Path(assets) / "kubectl", os.X_OK):
        return Path(assets) / "kubectl"
    return ensure_binaries().kubectl


def _build(module: str, packages: dict[str, str], ldflags: str, duration: str) -> Path:
    """Return the cache folder holding one program for each package of a Go module, built if it is not there."""
    source = _MODULES / module
    recipe = "\0".join([(source / "go.mod").read_text(), (source / "go.sum").read_text(), ldflags, *packages.values()])
    name = f"{module}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"

    def build(folder: Path) -> None:
        go = _go()
        with ScratchFolder(f"build-{module}") as work:
            # A copy, because Go completes go.mod and go.sum as it resolves.
            shutil.copytree(source, work, dirs_exist_ok=True)
            command = [go, "build", "-trimpath", "-ldflags", ldflags, "-o", f"{folder}{os.sep}", *packages.values()]
            environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOWORK": "off"}
            done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = "\n".join(done.stderr.strip().splitlines()[-_ERROR_LINES:])
            raise BinariesUnavailableError(f"building {', '.join(packages)} failed:\n{lines}")
        for program, package in packages.items():
            built = folder / _default_name(package)
            built.rename(folder / program)

    return build_once(name, f"building {', '.join(packages)} from Go modules, {duration}", build)


def _default_name(package: str) -> str:
    """Return the file name that `go build` gives a package's program: its last element that is no version."""
    *_, before, last = package.split("/")
    return before if re.fullmatch(r"v\d+", last) else last


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        raise BinariesUnavailableError(
            "Go is needed to build the Kubernetes control plane and is not on PATH: install it (Debian: golang-go; or "
            "go.dev/doc/install), or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, "
            "kube-controller-manager and kubectl, or start Docker to have kind used instead"
        )
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < _OLDEST_GO:
        raise BinariesUnavailableError(
            f"{go} is {version}; Go {_OLDEST_GO[0]}.{_OLDEST_GO[1]} or newer is needed (it fetches a newer toolchain "
            "by itself)"
        )
    return go


def _kubernetes_version() -> str:
    required = re.search(
        r"^require k8s\.io/kubernetes (v\S+)$", (_MODULES / "kubernetes" / "go.mod").read_text(), re.MULTILINE
    )
    if required is None:
        raise BinariesUnavailableError("playground/go/kubernetes/go.mod does not require k8s.io/kubernetes")
    return required[1]


def _ldflags(version: str | None = None) -> str:
    """Strip debugging data; clients balk at a Kubernetes that does not know its version, so it is set."""
    flags = ["-s", "-w"]
    if version is not None:
        major, minor, _ = version.lstrip("v").split(".")
        package = "k8s.io/component-base/version"
        settings = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        flags += [f"-X {package}.{name}={value}" for name, value in settings.items()]
    return " ".join(flags)
