"""Apicurio Registry on this machine: a schema registry with the Confluent-compatible API, all in memory."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bridge.sandbox.jars import ClassArchive, JavaProgram, java
from bridge.sandbox.process import LOOPBACK, GuardedProcess, start_on_free_ports, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

REGISTRY_VARIABLE = "SCHEMA_REGISTRY_URL"

APICURIO = JavaProgram("Apicurio Registry 3.0", "pom-registry.xml", megabytes=105)

_START_SECONDS = 90.0
_END_SECONDS = 30.0
_ANSWER_SECONDS = 5.0
_OK = 200

_OPTIONS = [
    "-Xmx384m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Dapicurio.storage.kind=sql",
    "-Dapicurio.storage.sql.kind=h2",  # in memory unless a URL is set
    "-Dquarkus.http.access-log.enabled=false",
    f"-Dquarkus.http.host={LOOPBACK}",
]


class LocalRegistry:
    """An Apicurio Registry on 127.0.0.1; its schemas are lost when it stops.

    A context manager, or `start()` and `stop()`. All methods block.
    """

    def __init__(self) -> None:
        self._root: Path | None = None
        self._process: GuardedProcess | None = None
        self._recorder: ClassArchive | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The base URL of the Confluent-compatible API."""
        return f"http://{LOOPBACK}:{self.port}/apis/ccompat/v7"

    @property
    def pid(self) -> int:
        """The process id of the registry itself."""
        return self._started.pid

    def start(self) -> None:
        """Download the registry if it is not there yet, start it, and return when it answers.

        Raises:
            EnvironmentFault: no Java, no Maven, no download, or a registry that does not come up.
        """
        program = APICURIO.fetch()
        start_on_free_ports(lambda ports: self._start(program, *ports), self.stop, count=1)

    def stop(self) -> None:
        """End the registry and remove its directory. Safe to repeat."""
        if self._process is not None:
            self._keep_recording(self._process)
            self._process.release()
            self._process = None
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    def pause(self) -> None:
        """Stop it with SIGSTOP: connections stay open and nothing answers."""
        self._started.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a `pause()`."""
        self._started.signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, program: Path, port: int) -> None:
        self._root = root = Path(tempfile.mkdtemp(prefix="chatbridge-registry-"))
        archive = ClassArchive(program, root)
        self._recorder = archive if archive.missing else None
        self.port = port
        (runner,) = program.glob("*-runner.jar")
        command = [
            java(),
            *archive.options(record=archive.missing),
            *_OPTIONS,
            f"-Djava.io.tmpdir={root}",
            f"-Dquarkus.http.port={self.port}",
            "-jar",
            str(runner),
        ]
        log = root / "output.log"
        self._process = GuardedProcess(command, root=root, output=log)
        wait_until(
            self._answers,
            title=f"Apicurio Registry (port {self.port})",
            process=self._process,
            logs=[log],
            timeout_seconds=_START_SECONDS,
        )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=_ANSWER_SECONDS) as response:  # noqa: S310
                return bool(response.status == _OK)
        except (OSError, urllib.error.HTTPError):  # refused, slow, or not ready yet
            return False

    def _keep_recording(self, process: GuardedProcess) -> None:
        # Only an orderly end writes the recording.
        if self._recorder is not None and process.running and process.terminate(_END_SECONDS):
            self._recorder.keep()
        self._recorder = None

    @property
    def _started(self) -> GuardedProcess:
        assert self._process is not None, "start() comes first"  # noqa: S101
        return self._process


@contextmanager
def registry_or_local() -> Iterator[str]:
    """Give the URL of `SCHEMA_REGISTRY_URL`, or of a registry started for the block."""
    if given := os.environ.get(REGISTRY_VARIABLE):
        yield given
        return
    with LocalRegistry() as registry:
        yield registry.url
