"""The probes: /healthz while the event loop and the tasks are alive, /readyz once everything is watched."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serve_health(
    port: int,
    *,
    alive: Callable[[], bool],
    ready: Callable[[], bool],
    host: str = "0.0.0.0",  # noqa: S104 - the kubelet asks
) -> AsyncGenerator[int]:
    """Answer probes while the block runs and yield the port; 0 picks a free one. Raises OSError when it is taken."""
    application = web.Application()
    application.router.add_get("/healthz", _probe(alive))
    application.router.add_get("/readyz", _probe(ready))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _probe(holds: Callable[[], bool]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if holds() else web.Response(status=503, text="not yet\n")

    return answer
