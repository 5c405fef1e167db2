"""The operator's command: `pgcraft-operator`, or `python -m pgcraft_operator`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import kopf

from pgcraft_operator.cluster import Cluster, ClusterError
from pgcraft_operator.handlers import operator_settings, watch_registry
from pgcraft_operator.health import serve_health
from pgcraft_operator.hub import Hub
from pgcraft_operator.logs import configure_logs
from pgcraft_operator.preflight import PreflightError, check_cluster
from pgcraft_operator.reconcile.connect import Certificates
from pgcraft_operator.reconcile.run import Reconciler
from pgcraft_operator.threads import Threads

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the operator until it is told to stop; exits with 0 then, and with 1 when it cannot work."""
    options = _parse(arguments)
    configure_logs(options.log_format, verbose=options.verbose)
    try:
        asyncio.run(_operate(options))
    except (PreflightError, ClusterError) as error:
        logger.error("%s", error)  # noqa: TRY400 - a sentence with the way out, not a place in the code
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="pgcraft-operator", description="Reconciles Database, Dimension and PostgREST resources into Postgres."
    )
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument(
        "--namespace", action="append", metavar="NAME", help="watch this namespace only; may be given several times"
    )
    scope.add_argument("--all-namespaces", action="store_true", help="watch all namespaces, as without --namespace")
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="instead of $KUBECONFIG or the service account")
    parser.add_argument("--log-format", choices=("json", "plain"), default="plain", help="one line an event")
    parser.add_argument("--verbose", action="store_true", help="log what is watched and asked as well")
    parser.add_argument(
        "--health-port", type=int, metavar="PORT", help="answer /healthz and /readyz on this port; 0 picks a free one"
    )
    return parser.parse_args(arguments)


async def _operate(options: argparse.Namespace) -> None:
    namespaces: list[str] | None = options.namespace
    async with AsyncExitStack() as stack:
        cluster = await Cluster.connect(options.kubeconfig)
        stack.push_async_callback(cluster.close)
        await check_cluster(cluster, namespaces)
        threads, certificates = Threads(), Certificates()
        stack.callback(certificates.close)
        stack.callback(threads.close)
        hub = Hub(Reconciler(cluster, threads, certificates, namespaces))
        stack.push_async_callback(hub.close)
        watching, stopping = asyncio.Event(), asyncio.Event()
        if options.health_port is not None:
            port = await stack.enter_async_context(
                serve_health(options.health_port, alive=lambda: hub.healthy, ready=watching.is_set)
            )
            logger.info("probes are answered on port %d", port)
        operator = asyncio.create_task(
            kopf.operator(
                registry=watch_registry(cluster, hub),
                settings=operator_settings(),
                standalone=True,
                clusterwide=namespaces is None,
                namespaces=namespaces or (),
                ready_flag=watching,
                stop_flag=stopping,
            ),
            name="kopf",
        )
        await _run_until_told(operator, hub, watching, stopping)
    logger.info("stopped")


async def _run_until_told(
    operator: asyncio.Task[None], hub: Hub, watching: asyncio.Event, stopping: asyncio.Event
) -> None:
    """Return when the operator was told to stop and has; raises what ended it otherwise.

    The signals are ours, not kopf's: it ends all tasks that are not its own after five seconds, and a migration may
    need longer to be cancelled cleanly. So the hub is closed first, and kopf told afterwards.
    """
    told = asyncio.Event()
    ready = asyncio.create_task(watching.wait(), name="watching")
    await asyncio.wait([ready, operator], return_when=asyncio.FIRST_COMPLETED)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)  # kopf has set its own by now; the last one counts
    if not operator.done():
        logger.info("watching")
    waiting = asyncio.create_task(told.wait(), name="signals")
    await asyncio.wait([waiting, operator], return_when=asyncio.FIRST_COMPLETED)
    if told.is_set():
        logger.info("stopping")
        await hub.close()
        stopping.set()
    for task in (ready, waiting):
        task.cancel()
    await operator


if __name__ == "__main__":
    main()
