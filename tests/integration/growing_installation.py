"""An installation whose topics get more partitions: two workers that may be killed, and the command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from bridge.cli import main
from bridge.facts import PartitionsAdopted
from tests.integration.e2e_environment import E2EEnvironment, followed
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STARTED_WITH: Final = 4
WORKERS: Final = (1, 2)
_SESSION_SECONDS: Final = 6
_RAISED: Final = re.compile(r"raised .* \((\d+) of (\d+)\)")
_COMMITTED: Final = {"isolation.level": "read_committed", "enable.auto.commit": False}


class RaisedTopic(NamedTuple):
    """What the command says when it has raised a topic: which one it is `of` how many. It is still running."""

    number: int
    of: int
    command: subprocess.Popen[str]


class GrowingInstallation:
    """A context manager: its workers are killed at the end. `former`: numbers that workers and commands name."""

    def __init__(self, environment: E2EEnvironment, *former: int, options: Sequence[str] = ()) -> None:
        """`options` are what commands need beside the place of the topics and the former numbers."""
        self.environment = environment
        environment.settings |= {
            "kafka__partitions": STARTED_WITH,
            "kafka__session_timeout_seconds": _SESSION_SECONDS,
        }
        self._options = options
        self.former: tuple[int, ...] = ()
        self.workers: dict[int, Bridge] = {}
        self._name(*former)

    def __enter__(self) -> Self:
        for number in WORKERS:
            self._start(number)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.kill()

    # --- settings --------------------------------------------------------------------------------------------------

    @property
    def unnamed(self) -> list[str]:
        """The options of a command that knows no former number."""
        place = ("--bootstrap-servers", self.environment.broker, "--topic-prefix", self.environment.prefix)
        return [*place, *self._options]

    @property
    def named(self) -> list[str]:
        """The options of a command that knows all of them."""
        return [*self.unnamed, "--set", f"kafka.partitions_before={list(self.former)}"]

    def _name(self, *former: int) -> None:
        self.former = former
        if former:
            self.environment.settings["kafka__partitions_before"] = f"{list(former)}"

    # --- workers -----------------------------------------------------------------------------------------------------

    def _start(self, number: int) -> Bridge:
        self.workers[number] = self.environment.bridge(f"worker-{number}")
        return self.workers[number]

    def killed(self, number: int) -> Bridge:
        """Kill a worker with SIGKILL, and start it again; return what was started."""
        self.workers[number].kill()
        return self._start(number)

    def rolled(self, *former: int) -> None:
        """Replace one worker after the other by one with these former numbers, which is killed once it is ready."""
        self._name(*former)
        for number in WORKERS:
            assert self.workers[number].terminate() == 0
            for _ in range(2):
                self.killed(number).wait_ready()

    def owner(self, shard: int) -> int | None:
        """Return the worker whose chats are on a shard; None when there are none, or nobody says so."""
        held = {number: {chat["shard"] for chat in followed(worker)} for number, worker in self.workers.items()}
        return next((number for number, shards in held.items() if shard in shards), None)

    def wait_followed(self, chats: int, *servers: Simulator) -> None:
        """Wait until both workers are ready, and one of them has joined each of so many open chats of Chat Servers."""

        def followed_by_one() -> bool:
            wanted = {chat["sessionId"] for server in servers for chat in server.open_chats()}
            joined = [chat["sessionId"] for one in self.workers.values() for chat in followed(one) if chat["joined"]]
            once = sorted(name for name in joined if name in wanted) == sorted(wanted)
            return once and len(wanted) == chats and all(one.ready for one in self.workers.values())

        wait_for(followed_by_one, 90, lambda: f"{chats} chats are not followed: {self._shown()}")

    def wait_shared(self, shards: int) -> None:
        """Wait until both workers are ready, each with some shards, and have so many together."""

        def shared() -> bool:
            owned = [one.metric("chatbridge_shards") for one in self.workers.values()]
            return all(owned) and sum(owned) == shards and all(one.ready for one in self.workers.values())

        wait_for(shared, 60, lambda: f"{shards} shards are not taken: {self._shown()}")

    def _shown(self) -> list[str]:
        return [f"{len(one.sessions())} chats, {one.get('/readyz')[1]!r}" for one in self.workers.values()]

    def adopted(self) -> int:
        """Return how often a shard of a running worker has opened itself again because all topics were raised."""
        logs = [worker.log.read_text("utf-8") for worker in self.workers.values()]
        return sum(log.count(f" {PartitionsAdopted.name()} ") for log in logs)

    def wait_passed_on(self) -> int:
        """Wait until a shard passes on an announcement; return the partition that it went to."""
        topic = self.environment.topic("announcements")
        consumer = Consumer({"bootstrap.servers": self.environment.broker, "group.id": "passed", **_COMMITTED})
        try:
            partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
            consumer.assign([TopicPartition(topic, one, OFFSET_END) for one in partitions])
            found: list[int | None] = []

            def passed_on() -> bool:
                read = [one for one in consumer.consume(100, 0.1) if dict(one.headers() or ()).get("asked")]
                found.extend(one.partition() for one in read)
                return bool(found)

            wait_for(passed_on, 60, "no announcement is passed on")
        finally:
            consumer.close()
        assert found[0] is not None
        return found[0]

    # --- the command -------------------------------------------------------------------------------------------------

    def grow(self, number: int) -> list[str]:
        """Return the words of the command, without options."""
        return ["topics", "grow", "--partitions", str(number)]

    def wait_ready_to_grow(self) -> None:
        """Wait until the command says that all shards are ready."""
        last = self.former[-1]
        words = [*self.grow(last + 1), "--dry-run", *self.named]
        wait_for(lambda: main(words) == 0, 60, "shards are not ready", poll=1)

    def raising(self, number: int) -> Iterator[RaisedTopic]:
        """Raise the topics; each step is given, with the command, which may be killed: it is started until it is done.

        A command that is killed may have raised another topic meanwhile: of that no step is given.
        """
        words = [sys.executable, "-m", "bridge", *self.grow(number), *self.named]
        done = False
        while not done:
            command = subprocess.Popen(
                words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )
            assert command.stdout is not None
            with command, command.stdout:
                for line in command.stdout:
                    done = line == f"all topics have {number} partitions\n"
                    if step := _RAISED.match(line):
                        yield RaisedTopic(int(step[1]), int(step[2]), command)
            assert command.returncode in {0, -signal.SIGKILL}
