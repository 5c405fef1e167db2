"""A Kubernetes control plane without nodes: etcd, API server and controller manager on loopback, gone when it stops."""

import base64
import secrets
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

import yaml

from playground.binaries import Binaries, ensure_binaries
from playground.cluster import Cluster
from playground.ports import free_port
from playground.scratch import ScratchFolder
from playground.tether import tethered

_START_TIMEOUT = 60.0  # seconds
_LOG_LINES = 15

_CONTROLLERS = (
    "deployment-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "statefulset-controller",
)


class ControlPlaneError(Exception):
    """A component did not start; the message ends with what it logged last."""


class ControlPlane:
    """A control plane with RBAC, its data in a temporary folder; ready in about three seconds.

    All of it ends with the process that started it, even a killed one. The API server alone can be stopped and started
    again, on the same port and data, to see what its clients make of that.
    """

    def __init__(self, binaries: Binaries | None = None) -> None:
        self._binaries = binaries
        self._folder: ScratchFolder | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._token = secrets.token_hex(16)
        self._port = self._etcd_port = self._etcd_peer_port = 0

    @property
    def cluster(self) -> Cluster:
        """The running cluster, reached as its administrator."""
        return Cluster(self._path("admin.kubeconfig"), self._programs.kubectl, self._path("."), has_nodes=False)

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Start everything and return when the API is ready and the controllers run.

        Raises `ControlPlaneError`, or `BinariesUnavailableError` when there is nothing to start.
        """
        if self._binaries is None:
            self._binaries = ensure_binaries()
        self._folder = ScratchFolder("control-plane")
        try:
            self._port, self._etcd_port, self._etcd_peer_port = free_port(), free_port(), free_port()
            self._write_credentials()
            self._start_etcd()
            self.start_api_server()
            self._write_kubeconfig()
            self._start_controller_manager()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Kill everything and remove the data. May be called again."""
        # No chance to end in order: the API server takes 20 seconds for it, and nothing here is worth keeping.
        for name in list(self._processes):
            self._kill(name)
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop_api_server(self) -> None:
        """Kill the API server alone: clients find the connection refused."""
        self._kill("kube-apiserver")

    def start_api_server(self) -> None:
        """Start the API server, on the port and data it had before, and return when it is ready."""
        key, folder = str(self._path("service-account.key")), str(self._path("certificates"))
        self._spawn(
            "kube-apiserver",
            self._programs.kube_apiserver,
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={folder}",  # it signs its own certificate there, once
            f"--token-auth-file={self._path('tokens.csv')}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",  # a loopback address may not stand in an Endpoints object
            "--allow-privileged=true",
            "--profiling=false",
        )
        self._await_api()

    def log(self, component: str) -> str:
        """Return what etcd, kube-apiserver or kube-controller-manager has logged."""
        return self._path(f"{component}.log").read_text(errors="replace")

    @property
    def _programs(self) -> Binaries:
        if self._binaries is None:
            raise ControlPlaneError("the control plane has not been started")
        return self._binaries

    def _path(self, name: str) -> Path:
        if self._folder is None:
            raise ControlPlaneError("the control plane is not running")
        return self._folder.path / name

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._etcd_peer_port}"
        self._spawn(
            "etcd",
            self._programs.etcd,
            f"--data-dir={self._path('etcd')}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )

    def _start_controller_manager(self) -> None:
        kubeconfig = str(self._path("admin.kubeconfig"))
        self._spawn(
            "kube-controller-manager",
            self._programs.kube_controller_manager,
            f"--kubeconfig={kubeconfig}",
            "--secure-port=0",
            f"--controllers={','.join(_CONTROLLERS)}",
            f"--root-ca-file={self._path('certificates') / 'apiserver.crt'}",
            f"--service-account-private-key-file={self._path('service-account.key')}",
            "--leader-elect=false",
            "--profiling=false",
        )

    def _write_credentials(self) -> None:
        self._path("tokens.csv").write_text(f'{self._token},admin,admin,"system:masters"\n')
        self._path("service-account.key").write_text(_signing_key())
        self._path("certificates").mkdir()

    def _write_kubeconfig(self) -> None:
        authority = (self._path("certificates") / "apiserver.crt").read_bytes()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "playground",
            "clusters": [
                {
                    "name": "playground",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority-data": base64.b64encode(authority).decode(),
                    },
                }
            ],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "playground", "context": {"cluster": "playground", "user": "admin"}}],
        }
        self._path("admin.kubeconfig").write_text(yaml.safe_dump(config))

    def _spawn(self, name: str, program: Path, *args: str) -> None:
        with self._path(f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                tethered([str(program), *args]),
                cwd=self._path("."),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt at the terminal is for the parent to handle
            )

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()

    def _await_api(self) -> None:
        certificate = self._path("certificates") / "apiserver.crt"
        deadline = time.monotonic() + _START_TIMEOUT
        while not (certificate.exists() and self._is_ready(certificate)):
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise ControlPlaneError(f"{name} ended while starting:\n{self._last_log(name)}")
            if time.monotonic() > deadline:
                raise ControlPlaneError(f"kube-apiserver is not ready:\n{self._last_log('kube-apiserver')}")
            time.sleep(0.05)  # a socket that nobody listens on yet announces nothing to wait for

    def _is_ready(self, certificate: Path) -> bool:
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self._token}"})
        try:
            context = ssl.create_default_context(cafile=str(certificate))
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            )
            with opener.open(request, timeout=2) as response:
                return response.status == 200
        except (urllib.error.URLError, OSError):  # refused, still starting (500), or the certificate half written
            return False

    def _last_log(self, name: str) -> str:
        return "\n".join(self.log(name).splitlines()[-_LOG_LINES:])


def _signing_key() -> str:
    """Return a new P-256 private key as PEM, with which the API server signs service account tokens.

    RFC 5915: an EC private key is a number; the public half may be left out and is computed by who reads it.
    """
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    number = (secrets.randbelow(order - 1) + 1).to_bytes(32, "big")
    curve = bytes.fromhex("a00a06082a8648ce3d030107")  # [0] OBJECT IDENTIFIER prime256v1
    der = b"\x30\x31\x02\x01\x01\x04\x20" + number + curve  # SEQUENCE {1, OCTET STRING number, curve}
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{body}-----END EC PRIVATE KEY-----\n"
