"""The operator as a process of its own, under the permissions of its service account, the way a pod would run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from playground.scratch import ScratchFolder
from playground.tether import tethered

_LAST_LINES = 30
_STOP_TIMEOUT = 20.0  # seconds a graceful stop may take


class OperatorProcess:
    """`python -m pgcraft_operator` between `__enter__` and `__exit__`; it ends with this process, even a killed one."""

    def __init__(self, kubeconfig: Path, *arguments: str) -> None:
        self._folder = ScratchFolder("operator")
        self._command = [sys.executable, "-m", "pgcraft_operator", "--kubeconfig", str(kubeconfig), *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """Where the operator logs to."""
        return self._folder.path / "operator.log"

    def tail(self) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log_path.read_text().splitlines()[-_LAST_LINES:])

    def __enter__(self) -> Self:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                tethered(self._command),
                # The API server is on loopback, whatever proxy this machine uses for the rest.
                env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1,localhost"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt at the terminal is for the parent to handle
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._folder.remove()
