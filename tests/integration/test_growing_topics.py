"""Partitions that are raised while chats are captured, with a worker and the command killed after each of its steps."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.partitioner import partition_of
from bridge.cli import main
from bridge.records.avro import TRANSCRIPT_EVENT
from tests.integration.e2e_environment import FIGURES, SCHEMAS, E2EEnvironment
from tests.integration.growing_installation import STARTED_WITH, WORKERS, GrowingInstallation
from tests.support.oracle import read_all
from tests.support.processes import wait_for
from tests.support.written_values import unframed

if TYPE_CHECKING:
    from pathlib import Path

AFTER = 8
CHATS = 12
STEPS = 6


def places_of_chats(environment: E2EEnvironment) -> dict[str, set[int]]:
    """Return the partitions on which there are events of each chat, as a plain consumer reads them."""
    places: dict[str, set[int]] = defaultdict(set)
    for partition, _, value in read_all(environment.broker, environment.topic("events")):
        record = SCHEMAS.decode(TRANSCRIPT_EVENT, unframed(value), environment.values.writer_of(value))
        places[record["sessionId"]].add(partition)
    return places


def raised_step_by_step(growing: GrowingInstallation) -> None:
    """Raise the topics; after each step the command is killed, and a worker."""
    for step in growing.raising(AFTER):
        step.command.kill()
        # The first one waits from its first start on: only the second one captures until the last step but one.
        first = growing.killed(2 if step.number >= step.of - 1 else 1)
        if step.number == 1:
            wait_for(lambda: b"PARTITIONS_RISING" in first.get("/readyz")[1], 20, "no start that waits")  # noqa: B023


@pytest.mark.timeout(300)
def test_topics_grow_under_traffic_with_workers_and_the_command_killed_after_each_step(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    environment = E2EEnvironment(broker, tmp_path)
    with GrowingInstallation(environment, STARTED_WITH) as growing:
        grow, unnamed, named = growing.grow(AFTER), growing.unnamed, growing.named
        with environment.chats(concurrent_chats=CHATS, events_per_second=50, seed=3) as old:
            growing.wait_followed(CHATS, old)
            assert main([*grow, *unnamed]) == 2
            assert "kafka.partitions_before" in capsys.readouterr().err
            growing.wait_ready_to_grow()
            before = places_of_chats(environment)
            raised_step_by_step(growing)
            growing.killed(2)
            with environment.chats(name="later", concurrent_chats=CHATS, events_per_second=50, seed=9) as new:
                growing.wait_followed(2 * CHATS, old, new)
                result = environment.finish(old, new)
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
    assert main(["verify", *unnamed]) == 1
    assert "belongs on partition" in capsys.readouterr().out
    assert main(["tail", "--from-beginning", "--max", "1", "--chat", stayed[0], *named]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    FIGURES.info("all in %.0f s; %s", time.monotonic() - began, result)


def test_new_partitions_are_taken_although_the_leader_of_the_group_was_killed_and_came_back(
    broker: str, tmp_path: Path
) -> None:
    """A process that comes back as a static member is not told that it leads the group, if it does."""
    environment = E2EEnvironment(broker, tmp_path)
    with GrowingInstallation(environment, STARTED_WITH) as growing:
        growing.wait_shared(STARTED_WITH)
        for number in WORKERS:
            growing.killed(number)
            growing.wait_shared(STARTED_WITH)
        growing.wait_ready_to_grow()
        assert [step.number for step in growing.raising(AFTER)][-1] == STEPS
        growing.wait_shared(AFTER)
