"""Probes: whether a container is started, alive and ready."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

_EAGER_PERIOD = 0.25  # seconds between looks at a container that is not ready yet

Execute = Callable[[list[str]], Awaitable[int]]
"""Runs a command beside the container, in its environment, and returns the exit code."""


@dataclass(frozen=True)
class Target:
    """The container a probe or hook looks at."""

    address: str
    ports: Mapping[str, int]
    execute: Execute
    http: aiohttp.ClientSession

    def port(self, port: int | str) -> int:
        """Return a port given by number or by the name it has in the container."""
        return port if isinstance(port, int) else self.ports[port]


@dataclass(frozen=True)
class Probe:
    """How to look, how often, and how many looks make a verdict."""

    look: Mapping[str, Any]
    delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """Read a container's probe; what is not said has the API's defaults."""
        return cls(
            look=spec,
            delay=spec.get("initialDelaySeconds", 0),
            period=spec.get("periodSeconds", 10),
            timeout=spec.get("timeoutSeconds", 1),
            successes=spec.get("successThreshold", 1),
            failures=spec.get("failureThreshold", 3),
        )

    async def verdicts(self, target: Target, *, eager: bool = False) -> AsyncIterator[bool]:
        """Yield True and False whenever the verdict is reached or changes, for ever.

        An eager probe looks more often than its period as long as the verdict is not True, as kubelets may with
        readiness.
        """
        await asyncio.sleep(self.delay)
        verdict: bool | None = None
        streak, previous = 0, None
        while True:
            good = await self._is_good(target)
            streak = streak + 1 if good is previous else 1
            previous = good
            if streak >= (self.successes if good else self.failures) and verdict is not good:
                verdict = good
                yield good
            await asyncio.sleep(min(self.period, _EAGER_PERIOD) if eager and verdict is not True else self.period)

    async def _is_good(self, target: Target) -> bool:
        try:
            async with asyncio.timeout(self.timeout):
                return await _look(self.look, target)
        except (TimeoutError, OSError, aiohttp.ClientError, KeyError):  # KeyError: a port name nobody declared
            return False


async def _look(spec: Mapping[str, Any], target: Target) -> bool:
    if action := spec.get("httpGet"):
        return await http_get(action, target)
    if action := spec.get("tcpSocket"):
        _, writer = await asyncio.open_connection(action.get("host") or target.address, target.port(action["port"]))
        writer.close()
        await writer.wait_closed()
        return True
    if action := spec.get("exec"):
        return await target.execute(action["command"]) == 0
    return False


async def http_get(action: Mapping[str, Any], target: Target) -> bool:
    """Ask as an httpGet action says; True when the answer is a success or a redirect."""
    scheme = action.get("scheme", "HTTP").lower()
    host, port = action.get("host") or target.address, target.port(action["port"])
    headers = {header["name"]: header["value"] for header in action.get("httpHeaders", [])}
    url = f"{scheme}://{host}:{port}/{action.get('path', '/').lstrip('/')}"
    async with target.http.get(url, headers=headers, allow_redirects=False, ssl=False) as response:
        return 200 <= response.status < 400
