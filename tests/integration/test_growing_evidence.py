"""Partitions that grow with a sealed output and a signed log, on three brokers, and the commands afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from bridge.adapters.kafka.partitioner import partition_of
from bridge.cli import main
from bridge.sandbox.broker import LocalCluster
from tests.evidence.judged_log import SignedLog
from tests.integration.e2e_environment import E2EEnvironment
from tests.integration.growing_installation import STARTED_WITH, GrowingInstallation
from tests.support.kafka_tools import alter
from tests.support.plain_consumer import read_plainly
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AFTER: Final = 8
CHATS: Final = 10
GONE_SECONDS: Final = 60
COMPACTED_WITHIN_MS: Final = "500"
ARCHIVE: Final = "archive"
CLEANER: Final = {"log.cleaner.backoff.ms": "100", "log.initial.task.delay.ms": "100"}


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(nodes=3, overrides=CLEANER) as started:
        yield started


class EvidentInstallation:
    """The environment of an installation that seals its second output and signs, and what its commands say."""

    def __init__(self, cluster: LocalCluster, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.environment = environment = E2EEnvironment(cluster.bootstrap_servers, folder)
        self.archive = f"{environment.prefix}{ARCHIVE}."
        self.log = SignedLog(
            environment.broker,
            environment.prefix,
            folder,
            {"kafka.partitions_before": f"[{STARTED_WITH}]"},
        )
        self.log.new_key()
        (folder / "master").write_text("5a" * 32, "utf-8")
        outputs = [{"name": "default"}, {"name": ARCHIVE, "topic_prefix": self.archive, "sealed": True}]
        settings = {
            "outputs": json.dumps(outputs),
            "sealing.master_key_file": folder / "master",
            **self.log.settings,
        }
        environment.settings |= {**settings, "evidence.anchor_seconds": 1}
        self.options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        self._capsys = capsys

    def said(self, *words: str) -> list[dict[str, Any]]:
        """Return the JSON lines of a command that succeeds."""
        self._capsys.readouterr()
        code = main([*words])
        told = self._capsys.readouterr()
        assert code == 0, told.err
        return [json.loads(line) for line in told.out.splitlines() if line.startswith("{")]


@pytest.mark.timeout(400)
def test_sealed_chats_and_signed_certificates_are_found_wherever_they_are_on_three_brokers(
    cluster: LocalCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evident = EvidentInstallation(cluster, tmp_path, capsys)
    environment = evident.environment
    with GrowingInstallation(environment, STARTED_WITH, options=evident.options) as growing:
        named = growing.named
        with (
            environment.chats(concurrent_chats=CHATS, events_per_second=60, seed=3) as old,
            environment.chats(name="short", concurrent_chats=CHATS, events_per_second=60, mean_events=40) as short,
        ):
            growing.wait_followed(CHATS, old)
            evident.said("topics", "apply", *named)
            for kind in ("checkpoints", "keys"):
                alter(environment.broker, environment.topic(kind), "max.compaction.lag.ms", COMPACTED_WITHIN_MS)
            growing.wait_ready_to_grow()
            for step in growing.raising(AFTER):
                if step.number == 1:
                    step.command.kill()
                    growing.killed(1)
            growing.wait_followed(CHATS, old)
            with environment.chats(name="later", concurrent_chats=CHATS, events_per_second=60, seed=9) as new:
                growing.wait_followed(2 * CHATS, old, new)
                environment.finish(old, short, new)
        log = evident.log
        wait_for(lambda: log.unsaid() == [], 60, lambda: f"no head covers the leaves of {log.unsaid()}", poll=0.5)
        ledgers = [one.ledger for one in (old, short, new)]
        in_clear = read_plainly(environment.broker, environment.prefix, *ledgers)
        found = read_plainly(environment.broker, evident.archive, *ledgers)
        assert in_clear.problems + found.problems == []
        assert found.places == in_clear.places
        judged = log.judge(AFTER)
        assert judged.problems == []
        certified = environment.certificates()
        assert judged.certificates == judged.inclusions >= len(certified) > 0

        at = {one: next(iter(found.places[one])) for one in certified}
        stayed = next(one for one, place in at.items() if place != partition_of(one.encode(), AFTER))
        moved = next(one for one, place in at.items() if place != partition_of(one.encode(), STARTED_WITH))
        sealed = ["--output", ARCHIVE, *named]
        folder = tmp_path / "exported"
        evident.said("verify", *named)
        evident.said("verify", *sealed)
        evident.said("export", str(folder), *sealed)
        evident.said("verify", str(folder), *evident.options)
        unseal = ["unseal", "--reason", "a test", "--chat"]
        for chat in (stayed, moved):
            clear = [one for one in environment.records("events") if one["sessionId"] == chat]
            opened = evident.said(*unseal, chat, *sealed)
            assert [one["message"] for one in opened] == [one["message"] for one in clear]
            evident.said("proof", chat, "--out", str(tmp_path / f"{chat}.proof"), *named)
        erase = ["erase", stayed, moved, "--reason", "a test", "--json", "--wait-seconds", str(GONE_SECONDS)]
        assert [one["outcome"] for one in evident.said(*erase, *named)] == ["ERASED", "ERASED"]
        evident.said("verify", *sealed)
