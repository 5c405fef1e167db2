"""One Pod on the process node: its containers from start to end, its status reported, its deletion finished."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from playground.process_node.api import ApiError, KubernetesAPI
from playground.process_node.container import Container, Launch, find_program
from playground.process_node.environment import ContainerConfigError, expand, resolve_environment
from playground.process_node.images import Images
from playground.process_node.state import ContainerReport, now
from playground.process_node.status import pod_status

_RETRY = 0.5  # seconds until the API server is asked again

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """What all Pods of a node share."""

    api: KubernetesAPI
    http: aiohttp.ClientSession
    images: Images
    folder: Path


class PodRun:
    """A Pod from the moment it is bound to the node until its object is gone."""

    def __init__(self, pod: dict[str, Any], address: str, surroundings: Surroundings) -> None:
        self._pod = pod
        self._address = address
        self._around = surroundings
        metadata = pod["metadata"]
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._folder = surroundings.folder / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
        self._folder.mkdir()
        self._started_at = now()
        self._changed = asyncio.Event()
        self._gone = False
        self._ending: asyncio.Task[None] | None = None
        spec = pod["spec"]
        self._init = [self._container(entry, init=True) for entry in spec.get("initContainers", [])]
        self._containers = [self._container(entry, init=False) for entry in spec["containers"]]
        self._publishing = asyncio.create_task(self._publish())
        self._living = asyncio.create_task(self._live())

    def update(self, pod: dict[str, Any]) -> None:
        """Take note of the newest object; a Pod that is being deleted is ended within its grace period."""
        if int(pod["metadata"]["resourceVersion"]) > int(self._pod["metadata"]["resourceVersion"]):
            self._pod = pod  # and not what our own last write has already overtaken
            self._changed.set()  # a readiness gate may have opened
        if "deletionTimestamp" in pod["metadata"] and self._ending is None:
            self._ending = asyncio.create_task(self._end(pod["metadata"].get("deletionGracePeriodSeconds", 30)))

    async def vanish(self) -> None:
        """End it at once; its object is gone, or its node is."""
        self._gone = True
        await self._stop_containers(0)
        for task in (self._publishing, self._living, self._ending):
            if task is not None:
                task.cancel()
        await asyncio.gather(
            *(task for task in (self._publishing, self._living, self._ending) if task), return_exceptions=True
        )

    def _container(self, spec: Mapping[str, Any], *, init: bool) -> Container:
        report = ContainerReport(spec["name"], spec["image"], restarts=self._earlier_restarts(spec["name"], init=init))
        policy = self._pod["spec"].get("restartPolicy", "Always")
        return Container(
            spec,
            report,
            restart_policy="OnFailure" if init and policy == "Always" else policy,
            grace=self._pod["spec"].get("terminationGracePeriodSeconds", 30),
            address=self._address,
            http=self._around.http,
            prepare=lambda: self._prepare(spec),
            changed=self._changed.set,
        )

    def _earlier_restarts(self, name: str, *, init: bool) -> int:
        """Return the restart count to begin with: a container that another life of this node ran is restarted now."""
        statuses = self._pod.get("status", {}).get("initContainerStatuses" if init else "containerStatuses", [])
        for status in statuses:
            if status["name"] == name and status.get("containerID"):
                return status["restartCount"] + 1
        return 0

    async def _live(self) -> None:
        try:
            await self._run_containers()
        except Exception:
            logger.exception("%s is no longer looked after", self._path)
            raise

    async def _run_containers(self) -> None:
        self._changed.set()
        for container in self._init:
            await container.run()
            if self._ending is not None or not container.report.succeeded:
                break
        else:
            await asyncio.gather(*(container.run() for container in self._containers))
        self._changed.set()

    async def _end(self, grace: float) -> None:
        await self._stop_containers(grace)
        await asyncio.gather(self._living, return_exceptions=True)
        self._changed.set()
        metadata = self._pod["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        while not self._gone:
            try:
                await self._around.api.delete(self._path, options)
            except (ApiError, OSError, aiohttp.ClientError) as error:
                if isinstance(error, ApiError) and error.status in {404, 409}:
                    return
                await asyncio.sleep(_RETRY)
            else:
                return

    async def _stop_containers(self, grace: float) -> None:
        await asyncio.gather(*(container.stop(grace) for container in (*self._init, *self._containers)))

    async def _publish(self) -> None:
        """Write the status whenever it has changed, and again until the API server has taken it."""
        published: dict[str, Any] | None = None
        while True:
            await self._changed.wait()
            self._changed.clear()
            status = pod_status(
                self._pod,
                self._address,
                self._started_at,
                [container.report for container in self._init],
                [container.report for container in self._containers],
            )
            if status == published:
                continue
            body = {"metadata": {"uid": self._pod["metadata"]["uid"]}, "status": status}
            try:
                self._pod = await self._around.api.patch(f"{self._path}/status", body)
                published = status
            except (ApiError, OSError, aiohttp.ClientError) as error:
                if isinstance(error, ApiError) and error.status in {404, 409}:  # gone, or another of the same name
                    continue
                logger.debug("status of %s not written yet: %s", self._path, error)
                await asyncio.sleep(_RETRY)
                self._changed.set()

    async def _prepare(self, spec: Mapping[str, Any]) -> Launch:
        self._refuse_unsupported(spec)
        program = self._around.images.program(spec["image"])
        declared = await resolve_environment(spec, self._pod, self._address, self._fetch)
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOSTNAME": self._pod["metadata"]["name"], **declared}
        command = [expand(word, environment) for word in spec.get("command", [])]
        args = [expand(word, environment) for word in spec.get("args", [])]
        words = self._around.images.command(program, command, args)
        if find_program(words[0], environment) is None:
            raise ContainerConfigError(
                "CreateContainerError", f'exec: "{words[0]}": executable file not found in $PATH'
            )
        return Launch(tuple(words), environment, self._folder, self._folder / f"{spec['name']}.log")

    def _refuse_unsupported(self, spec: Mapping[str, Any]) -> None:
        if spec.get("restartPolicy") == "Always":
            raise _unsupported("sidecar containers")
        if "postStart" in spec.get("lifecycle", {}):
            raise _unsupported("postStart hooks")
        if any("grpc" in spec.get(probe, {}) for probe in ("startupProbe", "livenessProbe", "readinessProbe")):
            raise _unsupported("gRPC probes")
        volumes = {volume["name"]: volume for volume in self._pod["spec"].get("volumes", [])}
        for mount in spec.get("volumeMounts", []):
            volume = volumes[mount["name"]]
            # A process sees this machine's files: an empty folder can be one that is there (/tmp), and the token of
            # the service account is something that most programs never look for.
            harmless = "emptyDir" in volume and Path(mount["mountPath"]).is_dir()
            if not harmless and not mount["name"].startswith("kube-api-access-"):
                raise _unsupported(f"the mount of volume {mount['name']} at {mount['mountPath']}")

    async def _fetch(self, kind: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._around.api.get(f"/api/v1/namespaces/{self._pod['metadata']['namespace']}/{kind}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise ContainerConfigError("CreateContainerConfigError", str(error)) from error
        except (OSError, aiohttp.ClientError) as error:
            raise ContainerConfigError("CreateContainerConfigError", f"API server: {error}") from error


def _unsupported(what: str) -> ContainerConfigError:
    return ContainerConfigError("CreateContainerConfigError", f"the process node does not support {what}")
