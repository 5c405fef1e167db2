import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from playground.scratch import ScratchFolder

KILLED = """
import os, signal
from playground.scratch import ScratchFolder
print(ScratchFolder("killed").path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)  # read the variable again


def age(folder: Path) -> None:
    an_hour_ago = time.time() - 3600
    os.utime(folder, (an_hour_ago, an_hour_ago))


def left_behind() -> Path:
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip())


def test_what_a_killed_process_left_is_removed_by_the_next():
    left = left_behind()
    assert left.is_dir()
    age(left)
    with ScratchFolder("next"):
        assert not left.exists()


def test_what_is_in_use_just_made_or_not_ours_stays(tmp_path: Path):
    fresh = left_behind()
    strange = tmp_path / "pgcraft-notes"
    strange.mkdir()
    age(strange)
    with ScratchFolder("busy") as busy:
        age(busy)
        with ScratchFolder("next"):
            assert fresh.is_dir()
            assert strange.is_dir()
            assert busy.is_dir()
    assert not busy.exists()
