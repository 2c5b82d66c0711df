"""Workers of one consumer group, each of which is replaced by one of another version or with other settings."""

from __future__ import annotations

import signal
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from tests.integration.e2e_environment import reasons
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from tests.upgrade.program_version import ProgramVersion

SHARDS: Final = 6
ENDLESS_CHAT: Final = 10**9
FINISH_SECONDS: Final = 5
_END_SECONDS: Final = 60.0
_READY_SECONDS: Final = 60.0
_FOLLOWED_SECONDS: Final = 60.0
_YOUNG_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.2
_MORE_EVENTS: Final = 50
_SETTINGS: Final = {"kafka.partitions": SHARDS, "kafka.session_timeout_seconds": 10}


class RollingWorkers:
    """A context manager: workers and Chat Servers on one topic prefix. What they leave is in `folder`."""

    def __init__(self, bootstrap_servers: str, folder: Path, prefix: str, log: Callable[[str], None]) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.folder = folder
        self.prefix = prefix
        self.workers: dict[int, Bridge] = {}
        self.servers: list[Simulator] = []
        self._log = log
        self._versions: dict[int, str] = {}
        self._over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over = True
        for one in [*self.workers.values(), *self.servers]:
            one.kill()

    # --- starting and replacing --------------------------------------------------------------------------------------

    def start(self, number: int, version: ProgramVersion, registry: str | None) -> None:
        """Start a worker. `registry`: the URL of its registry."""
        assert not self._over, "the run is over"
        settings: dict[str, Any] = {**_SETTINGS, **version.settings}
        if registry is not None:
            settings["schema_registry.url"] = registry
        self._versions[number] = version.name
        self.workers[number] = version.worker_class(
            self.bootstrap_servers,
            self.folder / f"{self.prefix}worker-{number}.log",
            prefix=self.prefix,
            worker=f"worker-{number}",
            **settings,
        )

    def start_server(self, name: str, **flags: object) -> Simulator:
        """Start a Chat Server that announces its chats to Kafka."""
        server = Simulator(
            self.folder / f"{self.prefix}{name}.log",
            self.folder / f"{self.prefix}{name}.jsonl",
            journal=self.folder / f"{self.prefix}{name}.journal",
            kafka=self.bootstrap_servers,
            kafka_topic=f"{self.prefix}chat.capture.announcements.v1",
            passwords=True,
            finish=FINISH_SECONDS,
            **flags,
        )
        self.servers.append(server)
        return server

    def roll(self, version: ProgramVersion, registry: str | None) -> None:
        """Replace one worker after the other: SIGTERM, wait until it has handed over, start its successor."""
        for number in sorted(self.workers):
            begun = time.monotonic()
            self.stop(number)
            handed_over = time.monotonic()
            former = self._versions[number]
            self.start(number, version, registry)
            self.wait_green()
            self._log(
                f"worker-{number}: {former} -> {version.name}: handed over in {handed_over - begun:.1f} s,"
                f" all ready and all chats followed {time.monotonic() - handed_over:.1f} s later"
            )

    def drop_links(self, server: Simulator) -> None:
        """Let a Chat Server reset its connections: its chats are joined again, after an absence that may cost ids."""
        assert server.fault("drop", reset=True)["connections"], "no connection was there"
        self.wait_green()

    def stop(self, *numbers: int) -> None:
        """Send SIGTERM to workers, and wait for their end. Raises AssertionError for an exit code that is not 0."""
        for number in numbers:
            self.workers[number].send(signal.SIGTERM)
        codes = {number: self.workers[number].wait(_END_SECONDS) for number in numbers}
        assert not any(codes.values()), f"exit codes after SIGTERM: {codes}"

    # --- waiting -----------------------------------------------------------------------------------------------------

    def wait_green(self) -> None:
        """Wait until each worker is ready, each chat that is not new is followed, and more events are captured."""
        wait_for(lambda: not self.not_ready(), _READY_SECONDS, lambda: f"not ready: {self.not_ready()}", _POLL_SECONDS)
        wait_for(
            lambda: not self.not_followed(),
            _FOLLOWED_SECONDS,
            lambda: f"not followed: {self.not_followed()[:10]}",
            _POLL_SECONDS,
        )
        if self.servers:
            before = self._captured()
            wait_for(lambda: self._captured() > before + _MORE_EVENTS, 30, "nothing is captured any more")

    def not_ready(self) -> dict[str, list[str]]:
        """Return the reasons of the workers that are not ready."""
        for number, worker in self.workers.items():
            assert worker.running, f"worker-{number} ended: {worker.log.read_text(encoding='utf-8')[-2000:]}"
        return {
            f"worker-{number}": reasons(worker) if worker.get("/readyz")[0] else ["no answer"]
            for number, worker in self.workers.items()
            if not worker.ready
        }

    def not_followed(self) -> list[str]:
        """Return the open chats that no worker reports as joined, or that have no silent monitor."""
        joined = {one["sessionId"] for worker in self.workers.values() for one in worker.sessions() if one["joined"]}
        return [
            chat["sessionId"]
            for server in self.servers
            for chat in server.open_chats()
            if _seconds_old(chat) > _YOUNG_SECONDS and not (chat["monitored"] and chat["sessionId"] in joined)
        ]

    def _captured(self) -> float:
        return sum(worker.metric("chatbridge_events_total") for worker in self.workers.values())

    def finish(self) -> list[dict[str, Any]]:
        """End the chats and the Chat Servers; return their summaries."""
        for server in self.servers:
            server.send(signal.SIGTERM)
        return [server.summary(FINISH_SECONDS + 60) for server in self.servers]


def _seconds_old(chat: dict[str, Any]) -> float:
    return time.time() - datetime.fromisoformat(chat["startAt"]).timestamp()
