"""The node itself: registered, kept alive by its Lease, and handing Pods to their runs."""

import asyncio
import itertools
import logging
import platform
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiohttp

from playground.process_node.api import ApiError, KubernetesAPI
from playground.process_node.images import Images
from playground.process_node.pod import PodRun, Surroundings
from playground.scratch import ScratchFolder

_RENEWAL = 10.0  # seconds between renewals of the Lease
_LEASE_DURATION = 40  # seconds
_RETRY = 0.5  # seconds until the API server is asked again
_FAREWELL = 2.0  # seconds given to taking the Node object away

logger = logging.getLogger(__name__)


class ProcessNodeError(Exception):
    """The node did not come up."""


class ProcessNode:
    """A node named `process-node`, run by a thread of this process between `start` and `stop`.

    `images` maps patterns, searched in a container's image, to the command that stands for it. The containers'
    processes end with this one.
    """

    def __init__(self, kubeconfig: Path, *, images: Mapping[str, Sequence[str]], name: str = "process-node") -> None:
        self.name = name
        self._kubeconfig = kubeconfig
        self._images = Images(images)
        self._folder: ScratchFolder | None = None
        self._addresses = _loopback_addresses()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._up = threading.Event()
        self._failure: BaseException | None = None
        self._runs: dict[str, PodRun] = {}
        self._background: set[asyncio.Task[None]] = set()

    @property
    def folder(self) -> Path:
        """Where each Pod has a folder (namespace_name_uid) with its containers' logs (container.log)."""
        if self._folder is None:
            raise ProcessNodeError("the process node is not running")
        return self._folder.path

    def start(self) -> Self:
        """Register the node and return once it takes Pods; raises `ProcessNodeError` when it cannot."""
        self._folder = ScratchFolder("process-node")
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()
        self._up.wait()
        if self._failure is not None:
            self.stop()
            raise ProcessNodeError(f"the process node did not come up: {self._failure}") from self._failure
        return self

    def stop(self) -> None:
        """Kill the containers, take the Node away and remove the logs. May be called again."""
        if self._thread is not None:
            if self._loop is not None and self._task is not None:
                with suppress(RuntimeError):  # the loop has ended by itself
                    self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join()
            self._thread = None
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self, namespace: str, pod: str, container: str) -> str:
        """Return what a container has written; empty when it never ran."""
        paths = self.folder.glob(f"{namespace}_{pod}_*/{container}.log")
        return "".join(path.read_text(errors="replace") for path in paths)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self._failure = error  # `start` raises it in the caller's thread
            if self._up.is_set():
                logger.exception("the process node has ended")
        finally:
            self._up.set()

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        # Each probe on a connection of its own: one kept from before a restart would fail for that alone.
        probing = aiohttp.TCPConnector(force_close=True)
        async with KubernetesAPI.connect(self._kubeconfig) as api, aiohttp.ClientSession(connector=probing) as http:
            surroundings = Surroundings(api, http, self._images, self.folder)
            await self._register(api)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._stay_alive(api))
                    group.create_task(self._follow_pods(surroundings))
            finally:
                vanishing = [run.vanish() for run in self._runs.values()]
                await asyncio.gather(*vanishing, *self._background, return_exceptions=True)
                with suppress(ApiError, aiohttp.ClientError, OSError, TimeoutError):
                    async with asyncio.timeout(_FAREWELL):
                        await api.delete(f"/api/v1/nodes/{self.name}", {})

    async def _register(self, api: KubernetesAPI) -> None:
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "type": "process-node"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": labels}}
        with suppress(ApiError):  # it is there: from an earlier life, taken over
            await api.post("/api/v1/nodes", node)
        await api.patch(f"/api/v1/nodes/{self.name}/status", {"status": _node_status(self.name)})
        # Admission marks a new node as not ready; it is the controllers of a whole cluster that would take this away.
        await api.patch(f"/api/v1/nodes/{self.name}", {"spec": {"taints": None}})

    async def _stay_alive(self, api: KubernetesAPI) -> None:
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        while True:
            renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            spec = {"holderIdentity": self.name, "leaseDurationSeconds": _LEASE_DURATION, "renewTime": renewed}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.name}}
            try:
                try:
                    await api.patch(f"{leases}/{self.name}", {"spec": spec})
                except ApiError as error:
                    if error.status != 404:
                        raise
                    await api.post(leases, {**lease, "spec": spec})
            except (ApiError, aiohttp.ClientError, OSError) as error:
                logger.debug("lease not renewed: %s", error)
                await asyncio.sleep(_RETRY)
            else:
                await asyncio.sleep(_RENEWAL)

    async def _follow_pods(self, surroundings: Surroundings) -> None:
        """List the Pods and watch them from there, again whenever the watch ends or breaks."""
        while True:
            try:
                listing = await surroundings.api.get("/api/v1/pods")
                present = {pod["metadata"]["uid"] for pod in listing["items"]}
                for uid in self._runs.keys() - present:
                    self._forget(uid)
                for pod in listing["items"]:
                    self._observe(pod, surroundings)
                self._up.set()
                version = listing["metadata"]["resourceVersion"]
                async for event in surroundings.api.watch("/api/v1/pods", version):
                    if event["type"] == "DELETED":
                        self._forget(event["object"]["metadata"]["uid"])
                    elif event["type"] in {"ADDED", "MODIFIED"}:
                        self._observe(event["object"], surroundings)
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                if not self._up.is_set():
                    raise
                logger.debug("watch of pods begins again: %s", error)
                await asyncio.sleep(_RETRY)

    def _observe(self, pod: dict[str, Any], surroundings: Surroundings) -> None:
        metadata, spec = pod["metadata"], pod["spec"]
        run = self._runs.get(metadata["uid"])
        if run is not None:
            run.update(pod)
        elif "nodeName" not in spec:
            if "deletionTimestamp" not in metadata and not spec.get("schedulingGates"):
                self._start_task(self._bind(surroundings.api, metadata))
        elif spec["nodeName"] == self.name and pod["status"].get("phase") not in {"Succeeded", "Failed"}:
            run = self._runs[metadata["uid"]] = PodRun(pod, next(self._addresses), surroundings)
            run.update(pod)

    def _forget(self, uid: str) -> None:
        run = self._runs.pop(uid, None)
        if run is not None:
            self._start_task(run.vanish())

    async def _bind(self, api: KubernetesAPI, metadata: Mapping[str, Any]) -> None:
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/binding"
        target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
        try:
            await api.post(path, {"metadata": {"name": metadata["name"], "uid": metadata["uid"]}, "target": target})
        except (ApiError, aiohttp.ClientError, OSError) as error:  # bound by another, gone, or seen again on a re-list
            logger.debug("pod %s not bound: %s", metadata["name"], error)

    def _start_task(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _node_status(name: str) -> dict[str, Any]:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "containers run as processes of this machine",
        "lastHeartbeatTime": moment,
        "lastTransitionTime": moment,
    }
    capacity = {"cpu": "64", "memory": "256Gi", "pods": "250"}  # nothing is enforced, so nothing should not fit
    information = {
        "architecture": platform.machine(),
        "operatingSystem": "linux",
        "osImage": platform.system(),
        "kernelVersion": platform.release(),
        "containerRuntimeVersion": "process://1",
        "kubeletVersion": "process-node",
        "kubeProxyVersion": "",
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]
    return {
        "conditions": [ready],
        "capacity": capacity,
        "allocatable": capacity,
        "addresses": addresses,
        "nodeInfo": information,
    }


def _loopback_addresses() -> Iterator[str]:
    """Yield addresses of 127.0.0.0/8, from a random place: two nodes on one machine should not meet."""
    high, middle = 64 + secrets.randbelow(128), secrets.randbelow(256)
    for number in itertools.count(1):
        third, last = divmod(number, 256)
        if last not in {0, 255}:
            yield f"127.{high}.{(middle + third) % 256}.{last}"
