"""One Kafka node: its directory, its process, and the operations on it (kill, pause, restart)."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

from bridge.errors import EnvironmentFault
from bridge.sandbox.metadata import brokers_known_to
from bridge.sandbox.process import LOOPBACK, GuardedProcess, tail, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bridge.sandbox.jars import ClassArchive

_FORMAT_SECONDS = 60.0
_START_SECONDS = 90.0
_END_SECONDS = 30.0
_ANSWER_SECONDS = 5.0


class Node:
    """One broker of a `LocalCluster`; it can be killed, paused and brought back on the same port and data.

    Args:
        number: its `node.id`.
        root: the cluster's directory.
        ports: the one for clients and the one for the other nodes.
        command: Java with everything up to the main class.
        archive: the classes that Java need not load again.
    """

    def __init__(
        self, number: int, root: Path, ports: tuple[int, int], command: list[str], archive: ClassArchive
    ) -> None:
        self.number = number
        self.port, self.controller_port = ports
        self.directory = root / f"node-{number}"
        self._root = root
        self._command = command
        self._archive = archive
        self._log = self.directory / "server.log"
        self._output = self.directory / "output.log"
        self._properties = self.directory / "server.properties"
        self._process: GuardedProcess | None = None
        self._recording = False

    @property
    def pid(self) -> int:
        """The process id of the broker itself."""
        return self._launched.pid

    @property
    def running(self) -> bool:
        """Whether there is a process, paused or not."""
        return self._process is not None and self._process.running

    def kill(self) -> None:
        """End it with SIGKILL; its data stays for `restart()`."""
        self._launched.kill()

    def pause(self) -> None:
        """Stop it with SIGSTOP: connections stay open and nothing answers."""
        self._launched.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a `pause()`."""
        self._launched.signal(signal.SIGCONT)

    def shut_down(self) -> None:
        """End it in order, with a controlled shutdown; its data stays for `restart()`."""
        if self._launched.terminate(_END_SECONDS) and self._recording:
            self._archive.keep()

    def restart(self) -> None:
        """Bring it back on its port and data, after ending it in order if it runs; return when it answers.

        Raises:
            EnvironmentFault: it does not come up; the message shows the tail of its log.
        """
        if self.running:
            self.shut_down()
        self._launched.release()
        self.launch(record=False)
        self.wait_for_brokers(1)

    def begin_format(self, cluster_id: str, settings: Mapping[str, str]) -> None:
        """Write the configuration and begin to format the storage; `finish_format()` must follow."""
        self.directory.mkdir()
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="ascii")
        self._run(["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties)])

    def finish_format(self) -> None:
        """Wait until the storage is formatted.

        Raises:
            EnvironmentFault: the settings are wrong, or the disk refuses.
        """
        try:
            status = self._launched.wait(_FORMAT_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        if status != 0:
            logs = tail([self._output, self._log])
            raise EnvironmentFault(f"Kafka's storage could not be formatted (exit status {status}).\n{logs}")
        self._launched.release()

    def launch(self, *, record: bool) -> None:
        """Start the broker; `wait_for_brokers()` returns when it can be used."""
        self._recording = record and self._archive.missing
        self._run(["kafka.Kafka", str(self._properties)])

    def wait_for_brokers(self, brokers: int) -> None:
        """Return when the broker answers and reports at least this many brokers as alive, itself included."""
        wait_until(
            lambda: brokers_known_to(LOOPBACK, self.port, _ANSWER_SECONDS) >= brokers,
            title=f"Apache Kafka (node {self.number}, port {self.port})",
            process=self._launched,
            logs=[self._output, self._log],
            timeout_seconds=_START_SECONDS,
        )

    def release(self) -> None:
        """End it and remove its directory. Safe to repeat."""
        if self._process is None:
            return
        if self._recording and self.running:
            self.shut_down()  # only an orderly end writes the recording
        self._process.release()

    def _run(self, arguments: list[str]) -> None:
        options = [*self._archive.options(record=self._recording), f"-Dsandbox.log={self._log}"]
        self._process = GuardedProcess([*self._command, *options, *arguments], root=self._root, output=self._output)

    @property
    def _launched(self) -> GuardedProcess:
        assert self._process is not None, "the cluster launches a node before it shows it"  # noqa: S101
        return self._process
