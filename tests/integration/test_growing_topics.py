"""Partitions that are raised while chats are captured, with a worker and the command killed after each of its steps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.partitioner import partition_of
from bridge.cli import main
from bridge.records.avro import TRANSCRIPT_EVENT
from tests.integration.e2e_environment import FIGURES, SCHEMAS, E2EEnvironment, followed
from tests.support.oracle import read_all
from tests.support.processes import wait_for
from tests.support.written_values import unframed

if TYPE_CHECKING:
    from pathlib import Path

BEFORE, AFTER = 4, 8
STEPS = 6
CHATS = 12
SESSION_SECONDS = 6


def raised_by_one_step(words: list[str]) -> str:
    """Start the command, and kill it with SIGKILL when it has said what it raised; return what it said."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bridge", *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stdout is not None
    with child, child.stdout:
        for line in child.stdout:
            if line.startswith("raised "):
                child.kill()
                return line
    return ""


def places_of_chats(environment: E2EEnvironment) -> dict[str, set[int]]:
    """Return the partitions on which there are events of each chat, as a plain consumer reads them."""
    places: dict[str, set[int]] = defaultdict(set)
    for partition, _, value in read_all(environment.broker, environment.topic("events")):
        record = SCHEMAS.decode(TRANSCRIPT_EVENT, unframed(value), environment.values.writer_of(value))
        places[record["sessionId"]].add(partition)
    return places


class GrowingInstallation:
    """Two workers that may be killed, and the command."""

    def __init__(self, environment: E2EEnvironment) -> None:
        self.environment = environment
        self.workers = [environment.bridge(f"worker-{number}") for number in (1, 2)]
        self.unnamed = ["--bootstrap-servers", environment.broker, "--topic-prefix", environment.prefix]
        self.named = [*self.unnamed, "--set", f"kafka.partitions_before=[{BEFORE}]"]
        self.grow = ["topics", "grow", "--partitions", str(AFTER)]

    def replaced(self, number: int) -> None:
        """Kill a worker with SIGKILL, and start it again."""
        self.workers[number].kill()
        self.workers[number] = self.environment.bridge(f"worker-{number + 1}")

    def wait_followed(self, chats: int) -> None:
        """Wait until both are ready and each chat is joined."""

        def followed_by_one() -> bool:
            seen = [chat["sessionId"] for one in self.workers for chat in followed(one) if chat["joined"]]
            return len(seen) == len(set(seen)) == chats and all(one.ready for one in self.workers)

        wait_for(
            followed_by_one,
            60,
            lambda: f"{chats} chats are not followed: {[len(one.sessions()) for one in self.workers]}",
        )

    def raised_step_by_step(self) -> list[str]:
        """Raise the topics; after each step the command is killed, and a worker. Return the steps."""
        steps: list[str] = []
        while step := raised_by_one_step([*self.grow, *self.named]):
            steps.append(step)
            # The first one waits from its first start on: only the second one captures until the last step but one.
            self.replaced(1 if len(steps) >= STEPS - 1 else 0)
            if len(steps) == 1:
                wait_for(self.first_waits, 20, "no start that waits")
        return steps

    def first_waits(self) -> bool:
        return b"PARTITIONS_RISING" in self.workers[0].get("/readyz")[1]


@pytest.mark.timeout(300)
def test_topics_grow_under_traffic_with_workers_and_the_command_killed_after_each_step(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    environment = E2EEnvironment(
        broker,
        tmp_path,
        kafka__partitions=BEFORE,
        kafka__partitions_before=f"[{BEFORE}]",
        kafka__session_timeout_seconds=SESSION_SECONDS,
    )
    growing = GrowingInstallation(environment)
    grow, named = growing.grow, growing.named
    try:
        with environment.chats(concurrent_chats=CHATS, events_per_second=50, seed=3) as old:
            growing.wait_followed(CHATS)
            assert main([*grow, *growing.unnamed]) == 2
            assert "kafka.partitions_before" in capsys.readouterr().err
            wait_for(lambda: main([*grow, "--dry-run", *named]) == 0, 60, "shards are not ready", poll=1)
            before = places_of_chats(environment)
            steps = growing.raised_step_by_step()
            assert (len(steps), "announcements" in steps[-1]) == (STEPS, True)
            capsys.readouterr()
            assert main([*grow, *named]) == 0
            assert capsys.readouterr().out == f"all topics have {AFTER} partitions\n"
            growing.replaced(1)
            with environment.chats(name="later", concurrent_chats=CHATS, events_per_second=50, seed=9) as new:
                growing.wait_followed(2 * CHATS)
                result = environment.finish(old, new)
    finally:
        for worker in growing.workers:
            worker.kill()
    assert result.explained == []
    places = places_of_chats(environment)
    assert {len(one) for one in places.values()} == {1}
    assert {one: places[one] for one in before} == before
    assert {one: at for one, at in places.items() if one not in before} == {
        one: {partition_of(one.encode(), AFTER)} for one in places if one not in before
    }
    stayed = [one for one in before if places[one] != {partition_of(one.encode(), AFTER)}]
    assert main(["verify", *named]) == 0
    capsys.readouterr()
    assert main(["verify", *growing.unnamed]) == 1
    assert "belongs on partition" in capsys.readouterr().out
    assert main(["tail", "--from-beginning", "--max", "1", "--chat", stayed[0], *named]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    FIGURES.info("all in %.0f s; %s", time.monotonic() - began, result)
