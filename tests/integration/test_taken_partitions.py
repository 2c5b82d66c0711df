"""An installation that never set a number of partitions takes what is there: its workers, and every command."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from confluent_kafka.admin import NewTopic

from bridge.adapters.kafka.partitioner import partition_of
from bridge.cli import main
from bridge.config import Config, load
from bridge.factories import all_topics_of
from tests.integration.e2e_environment import E2EEnvironment, all_joined
from tests.support.kafka_tools import create
from tests.support.plain_consumer import read_plainly
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

THERE: Final = 5
CHATS: Final = 12
DEFAULT: Final = Config().kafka.partitions


def warnings_of(worker: Bridge) -> list[str]:
    return [one["code"] for one in json.loads(worker.get("/readyz")[1])["warnings"]]


class UnsetInstallation:
    """Topics that somebody has made with another number, and commands without any setting of it."""

    def __init__(self, broker: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.environment = E2EEnvironment(broker, folder)
        self.options = ["--bootstrap-servers", broker, "--topic-prefix", self.environment.prefix]
        self._capsys = capsys
        create(broker, NewTopic(self.environment.topic("events"), THERE, 1, config={"cleanup.policy": "delete"}))

    def worker(self) -> Bridge:
        prefix, folder = self.environment.prefix, self.environment.folder
        return Bridge(self.environment.broker, folder / "worker.log", prefix=prefix, worker="worker")

    def said(self, *words: str) -> list[str]:
        """Return the lines of a command that succeeds; it warns of no number."""
        self._capsys.readouterr()
        code = main([*words, *self.options])
        told = self._capsys.readouterr()
        assert code == 0, told.err
        assert "PARTITIONS" not in told.err
        return told.out.splitlines()

    def counts(self) -> set[int]:
        """Return how many partitions the topics have, but for those that have one in every installation."""
        flags = {"kafka.bootstrap_servers": self.environment.broker, "kafka.topic_prefix": self.environment.prefix}
        found = asyncio.run(all_topics_of(load(None, {}, flags)).counts())
        return {count for name, count in found.items() if name != self.environment.topic("audit")}


def test_workers_and_commands_take_the_number_of_partitions_that_is_there(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unset = UnsetInstallation(broker, tmp_path, capsys)
    environment = unset.environment
    with unset.worker() as worker, environment.chats(concurrent_chats=CHATS, events_per_second=60, seed=3) as chats:
        worker.wait_ready()
        assert [one for one in warnings_of(worker) if one.startswith("PARTITIONS")] == []
        assert worker.metric("chatbridge_shards") == THERE
        wait_for(lambda: all_joined(worker, CHATS), 60, "not joined")
        environment.finish(chats)
        found = read_plainly(broker, environment.prefix, chats.ledger)
        assert found.problems == []
        assert found.places == {one: {partition_of(one.encode(), THERE)} for one in found.places}
        chat = next(
            one for one in found.places if partition_of(one.encode(), DEFAULT) != partition_of(one.encode(), THERE)
        )

        unset.said("topics", "apply")  # creates those that only commands write to
        assert unset.said("topics", "plan") == ["all topics are as required"]
        assert unset.counts() == {THERE}
        written = sum(one["sessionId"] == chat for one in environment.records("events"))
        assert len(unset.said("tail", "--from-beginning", "--json", "--chat", chat, "--max", str(written))) == written
        unset.said("verify")
        unset.said("export", str(tmp_path / "one"), "--chat", chat)
        unset.said("verify", str(tmp_path / "one"))
        reason = ("--reason", "a test", "--json")
        [held] = unset.said("hold", chat, *reason)
        assert json.loads(held)["copied"] >= written
        unset.said("release", chat, *reason)
        unset.said("announce", chat, chats.address)
        main(["doctor", *unset.options])
        told = capsys.readouterr().out
        assert f"with all {THERE} shards" in told
        assert "PARTITIONS_TAKEN" not in told
        assert worker.terminate() == 0
