import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from playground.cache import build_once, cache_folder

BUILDER = """
import sys
from pathlib import Path
from playground.cache import build_once

def build(folder):
    with open(sys.argv[1], "a") as log:
        log.write("built\\n")
    sys.stdin.read()  # until the test lets it go on
    (folder / "program").write_text("1")

print(build_once("thing", "building the thing", build) / "program", flush=True)
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCRAFT_CACHE", str(tmp_path / "cache"))


def test_two_processes_build_a_thing_once(tmp_path: Path):
    log = tmp_path / "log"
    reading, writing = os.pipe()
    command = [sys.executable, "-c", BUILDER, str(log)]
    with (
        os.fdopen(reading) as messages,
        subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=writing, text=True) as one,
        subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=writing, text=True) as other,
    ):
        os.close(writing)
        said = [messages.readline(), messages.readline()]
        assert sorted(line.split()[0] for line in said) == ["building", "waiting"]
        for builder in (one, other):
            assert builder.stdin is not None
            builder.stdin.close()
        for builder in (one, other):
            assert builder.stdout is not None
            assert builder.stdout.read() == f"{cache_folder() / 'thing' / 'program'}\n"
    assert log.read_text() == "built\n"


def test_a_failed_build_leaves_nothing_and_may_be_tried_again(capsys: pytest.CaptureFixture[str]):
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("disk full")

    def succeed(folder: Path) -> None:
        assert list(folder.iterdir()) == []
        (folder / "whole").touch()

    with pytest.raises(OSError, match="disk full"):
        build_once("thing", "building the thing", fail)
    assert not (cache_folder() / "thing").exists()
    assert (build_once("thing", "building the thing", succeed) / "whole").exists()
    assert "building the thing: failed after 0 s" in capsys.readouterr().err


def test_what_is_there_is_not_announced(capsys: pytest.CaptureFixture[str]):
    build_once("thing", "building the thing", lambda _: None)
    capsys.readouterr()
    build_once("thing", "building the thing", lambda _: None)
    assert capsys.readouterr().err == ""
