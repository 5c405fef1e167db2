import os
import select
import signal
import subprocess
import sys

from playground.tether import tethered

PARENT = """
import subprocess, sys
from playground.tether import tethered
child = subprocess.Popen(tethered(["sleep", "60"]))
print(child.pid, flush=True)
child.wait()
"""


def test_a_child_dies_with_a_killed_parent():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        try:
            assert select.select([child], [], [], 0) == ([], [], [])
            parent.send_signal(signal.SIGKILL)
            assert select.select([child], [], [], 10) == ([child], [], [])
        finally:
            os.close(child)


def test_the_environment_is_passed_on_unchanged():
    environment = {"PATH": os.environ["PATH"], "A": "b"}
    output = subprocess.check_output(tethered(["env"]), env=environment, text=True)
    assert sorted(output.splitlines()) == sorted([f"PATH={os.environ['PATH']}", "A=b"])
