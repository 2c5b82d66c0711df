"""Bridge and simulator as child processes, started with command-line flags."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from bridge.sandbox.process import free_ports

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType

POLL_SECONDS = 0.05


def wait_for(
    condition: Callable[[], object], seconds: float, what: str | Callable[[], str], poll: float = POLL_SECONDS
) -> None:
    """Wait until `condition` holds. Raises AssertionError with `what` (called then) after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds:g} s: {what if isinstance(what, str) else what()}"
        time.sleep(poll)


def cpu_seconds_of(pid: int) -> float:
    """Return user and system time of a running process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Process:
    """One child process; stderr goes to `log`.

    `program` are the arguments for Python, `environment` the variables that differ from this process's.
    """

    program: ClassVar[list[str]] = ["-m", "bridge"]
    environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self, words: list[str], log: Path) -> None:
        self.log = log
        with log.open("ab") as sink:
            self._child = subprocess.Popen(
                self.command(words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                env={**os.environ, **self.environment},
            )

    def command(self, words: list[str]) -> list[str]:
        """Return what is started."""
        return [sys.executable, *self.program, *words]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def send(self, which: signal.Signals) -> None:
        if self.running:
            self._child.send_signal(which)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGKILL)
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()

    def terminate(self, seconds: float = 40) -> int:
        """Send SIGTERM and wait; return the exit code."""
        self.send(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float) -> int:
        """Wait for the end; return the exit code."""
        return self._child.wait(seconds)

    def cpu_seconds(self) -> float:
        """Return user and system time so far, all threads."""
        return cpu_seconds_of(self.pid)

    def rss_bytes(self) -> int:
        """Return the resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


class Bridge(Process):
    """`chatbridge run` with settings as flags; HTTP on a free port of 127.0.0.1.

    `before_end` is called with a worker that runs to the end of its `with` block, or is ready when it is terminated.
    """

    before_end: ClassVar[Callable[[Bridge], None] | None] = None
    tls: ssl.SSLContext | None = None
    headers: Mapping[str, str] = MappingProxyType({})  #: of what it is asked

    def __init__(self, bootstrap_servers: str, log: Path, *, prefix: str, worker: str, **settings: object) -> None:
        self.bootstrap_servers = str(settings.get("kafka__bootstrap_servers", bootstrap_servers))
        self.prefix = prefix
        self.stamps = "evidence__timestamp_url" in settings
        self.together = settings.get("kafka__transactions", os.environ.get("CHATBRIDGE_KAFKA__TRANSACTIONS")) != "shard"
        [self.port] = free_ports(1)
        values = {
            "kafka.bootstrap_servers": bootstrap_servers,
            "kafka.topic_prefix": prefix,
            "kafka.group": f"{prefix}bridge",
            "http.port": self.port,
            "worker_id": worker,
            "sources.chat_server.joins_per_second": 1000,
            "sources.chat_server.joins_peak": 1000,
            "sources.chat_server.reconnect_delay_seconds": 1,
            "log.format": "text",
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        words = ["run"]
        for key, value in values.items():
            words += ["--set", f"{key}={value}"]
        super().__init__(words, log)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.running and self.before_end is not None:
                self.before_end()
        finally:
            super().__exit__(kind, error, trace)

    def terminate(self, seconds: float = 40) -> int:
        if self.before_end is not None and self.ready:
            self.before_end()
        return super().terminate(seconds)

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a GET; (0, b"") when there is no answer."""
        try:
            return self.asked(urllib.request.Request(self.url + path, headers=dict(self.headers)), 5)
        except OSError:
            return 0, b""

    def post(self, path: str, value: object) -> tuple[int, bytes]:
        request = urllib.request.Request(self.url + path, json.dumps(value).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        return self.asked(request, 15)

    def asked(self, request: urllib.request.Request, seconds: float) -> tuple[int, bytes]:
        """Return status and body of the answer to a request. Raises OSError without one."""
        try:
            with urllib.request.urlopen(request, timeout=seconds, context=self.tls) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    @property
    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def wait_ready(self, seconds: float = 60) -> Self:
        wait_for(lambda: self.ready or not self.running, seconds, lambda: f"not ready: {self.get('/readyz')[1]!r}")
        assert self.running, self.log.read_text(encoding="utf-8")[-3000:]
        return self

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].decode().splitlines():
            if not line.startswith(name) or line[len(name)] not in " {":
                continue
            if all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def sessions(self) -> list[dict[str, Any]]:
        status, body = self.get("/v1/sessions?limit=10000")
        return list(json.loads(body)["sessions"]) if status == 200 else []


class Simulator(Process):
    """`chatbridge simulate`. `address`, `ucs_http`: host:port of Chat Server, of UCS over HTTP; `control`: a URL."""

    def __init__(self, log: Path, ledger: Path, **flags: object) -> None:
        self.ledger = ledger
        words = ["simulate", "--ledger", str(ledger), "--control-port", "0"]
        for name, value in flags.items():
            flag = "--" + name.replace("_", "-")
            words += [flag] if value is True else [flag, str(value)]
        super().__init__(words, log)
        assert self._child.stdout is not None
        first: Mapping[str, Any] = json.loads(self._child.stdout.readline())
        self.address: str = first["listening"]
        self.seed: int = first["seed"]
        self.control: str = f"http://127.0.0.1:{str(first['control']).rpartition(':')[2]}"
        self.ucs_http: str | None = first.get("ucsHttp")

    def fault(self, name: str, **values: object) -> Any:
        request = urllib.request.Request(f"{self.control}/faults/{name}", json.dumps(values).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.control}/stats", timeout=10) as answer:
            return dict(json.loads(answer.read()))

    def open_chats(self) -> list[dict[str, Any]]:
        """Return the open sessions: `sessionId`, `startAt`, `monitored` and more."""
        with urllib.request.urlopen(f"{self.control}/sessions", timeout=10) as answer:
            return list(json.loads(answer.read()))

    def summary(self, seconds: float) -> dict[str, Any]:
        """Wait for the end; return the summary, the last line of its output."""
        assert self._child.stdout is not None
        self.wait(seconds)
        return dict(json.loads(self._child.stdout.read().splitlines()[-1]))
