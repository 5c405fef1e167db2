"""One container of a Pod: its process, started, probed, restarted and stopped."""

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from playground.process_node.environment import ContainerConfigError
from playground.process_node.probe import Probe, Target, http_get
from playground.process_node.state import ContainerReport, Running, Terminated, Waiting, now
from playground.tether import tethered

_CONFIG_RETRY = 1.0  # seconds until a Secret that was missing is looked for again
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0  # seconds between restarts; a kubelet's ten would make tests wait
_STEADY = 60.0  # seconds of running after which a crash is a first crash again
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Launch:
    """A process to start: everything about it resolved."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path


Prepare = Callable[[], Awaitable[Launch]]
"""Resolves a container anew before each start; raises `ContainerConfigError`."""


class Container:
    """Runs one container of a Pod until it ends for good or is stopped."""

    def __init__(
        self,
        spec: Mapping[str, Any],
        report: ContainerReport,
        *,
        restart_policy: str,
        grace: float,
        address: str,
        http: aiohttp.ClientSession,
        prepare: Prepare,
        changed: Callable[[], None],
    ) -> None:
        self.report = report
        self._spec = spec
        self._restart_policy = restart_policy
        self._grace = grace
        self._prepare = prepare
        self._changed = changed
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._launch: Launch | None = None
        ports = {port["name"]: port["containerPort"] for port in spec.get("ports", []) if "name" in port}
        self._target = Target(address, ports, self._execute, http)

    async def run(self) -> None:
        """Start the process, and start it again as the restart policy says; return when it has ended for good."""
        delay = 0.0
        while not self._stopping.is_set():
            try:
                self._launch = launch = await self._prepare()
                if self._stopping.is_set():
                    break
                ended = await self._run_once(launch)
            except (ContainerConfigError, OSError) as error:
                reason = error.reason if isinstance(error, ContainerConfigError) else "RunContainerError"
                self._now_is(Waiting(reason, str(error)))
                await self._pause(_CONFIG_RETRY)
                continue
            if self._stopping.is_set() or not self._restarts_after(ended.exit_code):
                break
            ran = (ended.finished_at - ended.started_at).total_seconds()
            delay = 0.0 if ran > _STEADY else delay
            self.report.last = ended
            if delay:
                self._now_is(Waiting("CrashLoopBackOff", f"back-off {delay:g}s restarting failed container"))
                await self._pause(delay)
            delay = min(max(delay * 2, _FIRST_DELAY), _LONGEST_DELAY)
            self.report.restarts += 1
        self.report.final = True
        self._changed()

    async def stop(self, grace: float) -> None:
        """End it: the preStop hook, SIGTERM, and SIGKILL when `grace` seconds are over. `run` returns then."""
        self._stopping.set()
        process = self._process
        if process is None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._pre_stop()
                await self._end(process, self._stop_signal())
        await self._end(process, signal.SIGKILL)

    async def _run_once(self, launch: Launch) -> Terminated:
        with launch.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *tethered(launch.command),
                cwd=launch.folder,
                env=launch.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process
        if self._stopping.is_set():  # asked to stop while it was being started
            _kill_group(process.pid)
        started_at = now()
        self.report.runs += 1
        self.report.started = "startupProbe" not in self._spec
        self.report.ready = self.report.started and "readinessProbe" not in self._spec
        self._now_is(Running(started_at))
        watch = asyncio.create_task(self._watch_health(process))
        try:
            code = await process.wait()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await _reap(process)
            self._process = None
        self.report.ready = self.report.started = False
        ended = Terminated(128 - code if code < 0 else code, started_at, now())
        self._now_is(ended)
        return ended

    async def _watch_health(self, process: asyncio.subprocess.Process) -> None:
        if probe := self._probe("startupProbe"):
            async for good in probe.verdicts(self._target):
                if good:
                    break
                await self._restart(process)
                return
            self.report.started = True
            self.report.ready = "readinessProbe" not in self._spec
            self._changed()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_readiness())
            group.create_task(self._watch_liveness(process))

    async def _watch_readiness(self) -> None:
        if probe := self._probe("readinessProbe"):
            async for good in probe.verdicts(self._target, eager=True):
                self.report.ready = good
                self._changed()

    async def _watch_liveness(self, process: asyncio.subprocess.Process) -> None:
        if probe := self._probe("livenessProbe"):
            async for good in probe.verdicts(self._target):
                if not good and not self._stopping.is_set():
                    await self._restart(process)
                    return

    async def _restart(self, process: asyncio.subprocess.Process) -> None:
        """End the process so that `run` starts another."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                await self._end(process, self._stop_signal())
                return
        await self._end(process, signal.SIGKILL)

    async def _pre_stop(self) -> None:
        hook = self._spec.get("lifecycle", {}).get("preStop", {})
        if sleep := hook.get("sleep"):
            await asyncio.sleep(sleep["seconds"])
        elif command := hook.get("exec"):
            await self._execute(command["command"])
        elif action := hook.get("httpGet"):
            with suppress(OSError, aiohttp.ClientError):
                await http_get(action, self._target)

    async def _execute(self, command: list[str]) -> int:
        """Run a command beside the process, in its environment and into its log; 127 when there is no such program."""
        launch = self._launch
        if launch is None or find_program(command[0], launch.environment) is None:
            return 127
        with launch.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *tethered(command),
                cwd=launch.folder,
                env=launch.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            return await process.wait()
        finally:
            await _reap(process)

    @staticmethod
    async def _end(process: asyncio.subprocess.Process, with_signal: signal.Signals) -> None:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(with_signal)
        await process.wait()

    def _stop_signal(self) -> signal.Signals:
        return signal.Signals[self._spec.get("lifecycle", {}).get("stopSignal", "SIGTERM")]

    def _probe(self, kind: str) -> Probe | None:
        return Probe.from_spec(self._spec[kind]) if kind in self._spec else None

    def _restarts_after(self, exit_code: int) -> bool:
        return self._restart_policy == "Always" or (self._restart_policy == "OnFailure" and exit_code != 0)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _now_is(self, state: Waiting | Running | Terminated) -> None:
        self.report.state = state
        self._changed()


def find_program(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of a program as a container with that environment finds it."""
    return shutil.which(name, path=environment.get("PATH", _PATH))


async def _reap(process: asyncio.subprocess.Process) -> None:
    """Kill the process, if it still runs, and all that it leaves behind; return when it has ended."""
    _kill_group(process.pid)
    await process.wait()


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
