"""Ties a child process to its parent: however the parent ends, the kernel ends the child.

Run as a script (`python -I -S tether.py PARENT_PID SIGNAL UID COMMAND …`) it ties itself and becomes COMMAND. A
launcher rather than `preexec_fn`, because code between fork and exec is unsafe in a process that has threads.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_SAME_USER = -1


def tethered(
    command: Sequence[str], *, end_with: signal.Signals = signal.SIGKILL, user: int | None = None
) -> list[str]:
    """Return the command that runs `command` tied to this process, as `user` (a uid) when one is given.

    The kernel watches the *thread* that starts the child, so that thread must live as long as the child should.
    """
    uid = _SAME_USER if user is None else user
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(end_with.value), str(uid), *command]


def _become(parent: int, end_with: int, uid: int, command: list[str]) -> None:
    environment = _environment_given()
    if uid != _SAME_USER:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user, which clears it; it survives the exec.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, end_with, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was told
            sys.exit(1)
    os.execvpe(command[0], command, environment)


def _environment_given() -> dict[bytes, bytes]:
    """Return the environment as the caller set it; the interpreter adds LC_CTYPE to its own."""
    if sys.platform != "linux":
        return dict(os.environb)
    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - keeps the launcher's imports few
        pairs = (entry.partition(b"=") for entry in file.read().split(b"\0") if entry)
        return {name: value for name, _, value in pairs}


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
