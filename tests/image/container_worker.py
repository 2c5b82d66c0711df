"""A worker that runs in a container of the image, as the pod of deploy/kubernetes does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from bridge.sandbox.process import free_ports
from tests.support.processes import Bridge, Process
from tests.support.secured_broker import PASSWORD, USER, SecuredBroker

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from tests.image.image_engine import ImageEngine
    from tests.image.rendered_pod import RenderedPod

TOKEN: Final = "a-token-of-the-tests"
MEMORY: Final = 256 << 20
"""Bytes that a worker may use, swap included."""
_FILES_OF_THE_LIMIT: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where the second and the first version of control groups say the limit, seen from inside."""


class ContainerWorker(Bridge):
    """The pod's container on this machine's network; what differs from a cluster comes from the environment.

    `user` replaces the pod's. SIGTERM goes to podman, which passes it on to the container, and ends with its exit code.
    """

    def __init__(
        self,
        engine: ImageEngine,
        pod: RenderedPod,
        broker: SecuredBroker,
        folder: Path,
        *,
        prefix: str,
        worker: str,
        user: int | None = None,
        **settings: object,
    ) -> None:
        self.prefix = prefix
        self.name = f"{prefix}{worker}"
        self.bootstrap_servers = broker.address("SECURED")
        self.port, probes_port = free_ports(2)
        self.headers = {"Authorization": f"Bearer {TOKEN}"}
        self._engine = engine
        self._pod = pod
        here = {
            "kafka__bootstrap_servers": self.bootstrap_servers,
            "kafka__client__sasl_plain_username": USER,
            "kafka__topic_prefix": prefix,
            "kafka__group": f"{prefix}bridge",
            "kafka__replication_factor": 1,
            "http__host": "127.0.0.1",
            "http__port": self.port,
            "http__probes_host": "127.0.0.1",
            "http__probes_port": probes_port,
            "log__format": "text",
            **settings,
        }
        self._variables = pod.environment(worker) | {
            f"CHATBRIDGE_{name.upper()}": str(value) for name, value in here.items()
        }
        self._options = pod.options(folder / worker, _secrets(pod, broker), user)
        Process.__init__(self, list(pod.args), folder / f"{worker}.log")

    def command(self, words: list[str]) -> list[str]:
        variables = [word for name, value in self._variables.items() for word in ("--env", f"{name}={value}")]
        memory = str(MEMORY)
        options = [*self._options, "--memory", memory, "--memory-swap", memory, *variables]
        storage = [f"{name}={value}" for name, value in self._engine.environment.items()]
        return ["env", *storage, *self._engine.run_command(self.name, *options, args=tuple(words))]

    def kill(self) -> None:
        if self.running:
            self._engine.podman("kill", self.name)
        super().kill()

    def inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the container."""
        return self._engine.tried("exec", self.name, *words)

    def memory_limit(self) -> str:
        """Return the bytes that the kernel lets the container use, as the kernel says it: MEMORY."""
        return self.inside("cat", *_FILES_OF_THE_LIMIT).stdout.strip()

    def writable(self, *folders: str) -> list[str]:
        """Return the folders where root is not refused a new file because of a read-only file system."""
        said = {each: self._engine.tried("exec", "--user", "0", self.name, "touch", f"{each}/file") for each in folders}
        return [each for each, done in said.items() if "Read-only file system" not in done.stderr]


def _secrets(pod: RenderedPod, broker: SecuredBroker) -> dict[str, bytes]:
    """Return file -> content of every secret that the pod's settings name."""
    found: dict[str, bytes] = {}
    for files in pod.configuration.values():
        for text in files.values():
            for path in _paths(yaml.safe_load(text)):
                name = path.rpartition("/")[2]
                content = {"kafka-ca.pem": broker.authority.file.read_bytes(), "kafka-password": PASSWORD.encode()}
                found[name] = content.get(
                    name, TOKEN.encode() if name == "http-token" else b"another-" + TOKEN.encode()
                )
    return found


def _paths(settings: Mapping[str, Any]) -> list[str]:
    paths: list[str] = []
    for value in settings.values():
        if isinstance(value, dict):
            paths += _paths(value)
        elif isinstance(value, str) and value.startswith("/run/secrets/"):
            paths.append(value)
    return paths
