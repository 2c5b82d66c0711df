"""Partitions that grow twice under load; after each step of it a worker or the command ends by SIGKILL.

At the end a plain consumer compares all records with the ledgers of the Chat Servers: each event once, in order, and
each chat on one partition, wherever it was announced and by whom.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

import pytest

from bridge.adapters.kafka.partitioner import partition_of
from bridge.cli import main
from tests.integration.e2e_environment import FIGURES, E2EEnvironment, closed_at
from tests.integration.growing_installation import STARTED_WITH, GrowingInstallation
from tests.support.plain_consumer import read_plainly
from tests.support.processes import Simulator, wait_for

if TYPE_CHECKING:
    from pathlib import Path

SECOND, THIRD = 8, 12
LONG: Final = 16
LOAD_OF_LONG: Final = {"concurrent_chats": LONG, "events_per_second": 150, "seed": 3}
LOAD_OF_SHORT: Final = {"concurrent_chats": 40, "events_per_second": 350, "mean_events": 200, "seed": 9}
AGAIN: Final = 20


class LoadedInstallation:
    """A growing installation and its Chat Servers: `open_chats` stay open until the end, `short` ones come and go."""

    def __init__(self, growing: GrowingInstallation, open_chats: Simulator, short: Simulator) -> None:
        self.growing = growing
        self.open_chats = open_chats
        self.short = short

    def settled(self) -> None:
        self.growing.wait_followed(LONG, self.open_chats)

    def settings_replaced(self, *former: int) -> None:
        """Replace the workers, one after the other; the shards say then that they are ready for a raise."""
        self.growing.rolled(*former)
        self.settled()
        self.growing.wait_ready_to_grow()

    def raised_before_any_shard_knows(self, number: int) -> None:
        """Raise the topics; the command and a worker are killed between two of them, the other worker after the last.

        That one has all shards, and stands still during the last step: when it is killed, none of them has seen it.
        """
        for step in self.growing.raising(number):
            if step.number < step.of - 2:
                step.command.kill()
                self.growing.killed(1)
            elif step.number < step.of:
                self.growing.workers[2].send(signal.SIGSTOP)
            else:
                assert self.growing.adopted() == 0
                self.growing.killed(2)
                step.command.kill()

    def raised_and_known_to_some_shards(self, number: int) -> None:
        """Raise the topics; the command and a worker are killed after the first, the other when some shards know."""
        for step in self.growing.raising(number):
            step.command.kill()
            if step.number == 1:
                self.growing.killed(1)
        wait_for(self.growing.adopted, 60, "no shard has seen that the topics were raised", poll=0.01)
        FIGURES.info("%d of %d shards go by %d", self.growing.adopted(), self.growing.former[-1], number)
        self.growing.killed(2)

    def killed_when_an_announcement_is_passed_on(self) -> None:
        """Kill the worker to whose shard one was passed on."""
        shard = self.growing.wait_passed_on()
        self.growing.killed(self.growing.owner(shard) or 1)

    def announced_again(self) -> None:
        """Announce open chats again, and closed ones that would be elsewhere if they were new."""
        first, last = self.growing.former[0], self.growing.former[-1]
        certified = self.growing.environment.certificates().keys() & closed_at(self.short.ledger).keys()
        elsewhere = [one for one in certified if partition_of(one.encode(), first) != partition_of(one.encode(), last)]
        assert len(elsewhere) >= AGAIN
        for server, chats in ((self.short, elsewhere[:AGAIN]), (self.open_chats, self._open())):
            host, _, port = server.address.rpartition(":")
            told = [{"sessionId": one, "host": host, "port": int(port)} for one in chats]
            assert self.growing.workers[1].post("/v1/sessions", told)[0] == 202

    def _open(self) -> list[str]:
        return [one["sessionId"] for one in self.open_chats.open_chats()]

    def all_taken(self) -> None:
        """Wait until no shard has an announcement that it has not taken."""
        workers = self.growing.workers.values()
        wait_for(
            lambda: not any(one.metric("chatbridge_announcement_lag") for one in workers), 60, "announcements wait"
        )


@pytest.mark.timeout(400)
def test_topics_grow_twice_under_load_with_a_kill_after_each_step(broker: str, tmp_path: Path) -> None:
    began = time.monotonic()
    environment = E2EEnvironment(broker, tmp_path, kafka__transactions="worker")
    with (
        GrowingInstallation(environment) as growing,
        environment.chats(name="open", **LOAD_OF_LONG) as open_chats,
        environment.chats(name="short", **LOAD_OF_SHORT) as short,
    ):
        loaded = LoadedInstallation(growing, open_chats, short)
        loaded.settled()
        loaded.settings_replaced(STARTED_WITH)
        loaded.raised_before_any_shard_knows(SECOND)
        loaded.settled()
        loaded.killed_when_an_announcement_is_passed_on()
        loaded.settled()
        loaded.settings_replaced(STARTED_WITH, SECOND)
        loaded.announced_again()
        loaded.raised_and_known_to_some_shards(THIRD)
        loaded.settled()
        loaded.killed_when_an_announcement_is_passed_on()
        loaded.settled()
        loaded.announced_again()
        loaded.all_taken()
        result = environment.finish(open_chats, short)
    found = read_plainly(broker, environment.prefix, open_chats.ledger, short.ledger)
    FIGURES.info("%.0f s; %s; %d lack events", time.monotonic() - began, result, len(found.lacking))
    assert found.problems == []
    assert sorted(found.lacking & closed_at(open_chats.ledger).keys()) == []
    assert len(found.lacking) < len(found.places) / 2
    used = {place for places in found.places.values() for place in places}
    assert used & set(range(STARTED_WITH, SECOND))
    assert used & set(range(SECOND, THIRD))
    assert main(["verify", *growing.named]) == 0
