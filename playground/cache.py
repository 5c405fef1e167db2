"""The folder of things built or fetched once, and the rule that two processes never build the same thing twice."""

import fcntl
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

_TICK = 10.0  # seconds between signs of life


def cache_folder() -> Path:
    """Return `$PGCRAFT_CACHE`, else `pgcraft` in the user's cache folder; made if it is missing."""
    chosen = os.environ.get("PGCRAFT_CACHE")
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen) if chosen else users / "pgcraft"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def build_once(name: str, announcement: str, build: Callable[[Path], None]) -> Path:
    """Return the cache's folder `name`, filled by `build` if no process has done so before.

    `build` gets an empty folder that becomes the result by a rename, so a build that was killed leaves nothing behind
    that looks finished. Another process that wants the same folder meanwhile waits for it.
    """
    target = cache_folder() / name
    if target.exists():
        return target
    with _locked(target.with_name(f"{name}.lock")):
        if target.exists():
            return target
        part = target.with_name(f"{name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        with progress(announcement):
            build(part)
        part.rename(target)
    return target


@contextmanager
def progress(announcement: str) -> Generator[None]:
    """Say on stderr what is being done, every ten seconds that it still is, and how long it took."""
    started = time.monotonic()
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(_TICK):
            say(f"{announcement} … {time.monotonic() - started:.0f} s")

    say(f"{announcement} …")
    ticker = threading.Thread(target=tick, name="progress", daemon=True)
    ticker.start()
    try:
        yield
    except BaseException:
        say(f"{announcement}: failed after {time.monotonic() - started:.0f} s")
        raise
    else:
        say(f"{announcement}: done in {time.monotonic() - started:.0f} s")
    finally:
        ended.set()
        ticker.join()


def say(text: str) -> None:
    """Write a line for the person who waits, to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress(f"waiting for another process that prepares {path.stem}"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
