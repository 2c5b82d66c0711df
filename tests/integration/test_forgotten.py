"""Kafka has forgotten something, or has grown: each kind of topic, in each way, while the bridge runs or is stopped.

In each cell nothing is lost or written twice without a GAP, a certificate or a reason in `/readyz`, with one
transaction for each shard as with one for each worker. The cells run side by side on one broker, each with topics of
its own; a test waits for its cell. The offsets of the group count as a fifth kind: the group may be deleted, or its
offsets set back or far ahead. While it has members Kafka refuses all of that. The partitions of its own topic are
Kafka's, for all groups: they have no cell.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from bridge.sandbox import LocalBroker
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, all_joined, captured, reasons
from tests.support.kafka_tools import CREATES_TOPICS, alter, create, delete, exists
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.oracle import LedgerComparison
    from tests.support.processes import Simulator

Cell = tuple[str, str, bool, str]
"""Kind of topic, way, whether the bridge was running, `kafka.transactions`."""
SECONDS = 30
CHATS = 4
LATER = 3
KINDS = ("checkpoints", "announcements", "events", "sessions")
WAYS = ("deleted", "emptied", "made again", "more partitions")
TOPICS = (*KINDS, "quarantine", "stored")
RAISED = 6
AT_A_TIME = 5
QUICK = {
    "kafka__client__request_timeout_ms": 2000,
    "kafka__transaction_timeout_seconds": 10,
    "kafka__session_timeout_seconds": 6,
}
MISSING = {"TOPIC_MISSING", "KAFKA_UNAVAILABLE", "NO_PARTITIONS"}
"""Codes while a topic is missing; without that of the announcements the group has no partitions."""
TOLD = {
    "checkpoints": {True: "CHECKPOINTS_LOST", False: "STATE_LOST"},
    "events": dict.fromkeys((True, False), "EVENTS_LOST"),
    "sessions": dict.fromkeys((True, False), "SESSIONS_LOST"),
    "announcements": dict.fromkeys((True, False), "ANNOUNCEMENTS_LOST"),
}
"""Kind of topic -> whether the bridge was running -> the code in /readyz or the log."""


@dataclass
class CellOutcome:
    """What a cell came to. `codes`: all that was in /readyz or the log; `exit_code`: of a worker that refused."""

    found: LedgerComparison | None = None
    codes: set[str] = field(default_factory=set)
    exit_code: int | None = None
    refused: bool = False
    text: str = ""


class DisturbedKafka:
    """One environment whose topics or offsets are disturbed."""

    def __init__(self, broker: str, folder: Path, cell: Cell) -> None:
        kind, way, running, transactions = cell
        self.environment = E2EEnvironment(broker, folder, **QUICK, kafka__transactions=transactions).prepare()
        self.admin = AdminClient({"bootstrap.servers": broker})
        self.kind, self.way, self.running = kind, way, running
        self.outcome = CellOutcome()
        self.group = f"{self.environment.prefix}bridge"

    @property
    def topic(self) -> str:
        return self.environment.topic(self.kind)

    def places(self) -> list[TopicPartition]:
        topic = self.environment.topic("announcements") if self.kind == "group offsets" else self.topic
        return [TopicPartition(topic, partition) for partition in range(PARTITIONS)]

    # --- what is done to Kafka -----------------------------------------------------------------------------------

    def disturb(self) -> None:
        if self.kind == "group offsets":
            self._disturb_group()
        elif self.way == "more partitions":
            self.admin.create_partitions([NewPartitions(self.topic, RAISED)])[self.topic].result(SECONDS)
        elif self.way == "emptied":
            if self.kind == "checkpoints":  # Kafka deletes no records of a topic that is only compacted
                alter(self.environment.broker, self.topic, "cleanup.policy", "delete")
            wait_for(self._emptied, SECONDS, "the broker does not apply the topic's new policy")
            if self.kind == "checkpoints":
                alter(self.environment.broker, self.topic, "cleanup.policy", "compact")
        else:
            delete(self.environment.broker, self.topic)
            wait_for(lambda: not exists(self.environment.broker, self.topic), SECONDS, "the topic is still there")
            if self.way == "made again":
                self.make()

    def _emptied(self) -> bool:
        """Delete all records; False while the broker still has the policy that was altered."""
        ends = [TopicPartition(one.topic, one.partition, -1) for one in self.places()]
        try:
            for done in self.admin.delete_records(ends).values():
                done.result(SECONDS)
        except KafkaException as refused:
            if refused.args[0].code() != KafkaError.POLICY_VIOLATION:
                raise
            return False
        return True

    def make(self) -> None:
        policy = "compact" if self.kind == "checkpoints" else "delete"
        create(self.environment.broker, NewTopic(self.topic, PARTITIONS, 1, config={"cleanup.policy": policy}))

    def _disturb_group(self) -> None:
        offset = {"emptied": 0, "made again": 1_000}.get(self.way)
        try:
            if offset is None:
                self.admin.delete_consumer_groups([self.group])[self.group].result(SECONDS)
            else:
                at = [TopicPartition(one.topic, one.partition, offset) for one in self.places()]
                wanted = [ConsumerGroupTopicPartitions(self.group, at)]
                done = self.admin.alter_consumer_group_offsets(wanted)[self.group].result(SECONDS)
                self.outcome.refused = any(one.error is not None for one in done.topic_partitions or ())
        except KafkaException:
            self.outcome.refused = True

    # --- the run -------------------------------------------------------------------------------------------------

    def run(self) -> CellOutcome:
        environment = self.environment
        with environment.chats(concurrent_chats=CHATS, events_per_second=40) as chats:
            with environment.bridge() as first:
                wait_for(lambda: all_joined(first, CHATS) and captured(first) > 60, SECONDS, "not captured")
                if self.running:
                    self.disturb()
                    self._afterwards(first, chats)
                    return self.outcome
                first.terminate()
            self.disturb()
            with environment.bridge("worker-2") as second:
                wait_for(lambda: not second.running or bool(second.get("/readyz")[0]), SECONDS, "it does not answer")
                self._afterwards(second, chats)
        return self.outcome

    def _afterwards(self, bridge: Bridge, chats: Simulator) -> None:
        if self.way == "more partitions" and not self.running:
            self.outcome.exit_code = bridge.wait(SECONDS)
            self._listen(bridge)
            return
        if self.way == "deleted" and self.running and self.kind in KINDS:
            wait_for(lambda: self._listen(bridge) & MISSING, SECONDS, self._heard)
            self.make()
        if code := self.expected:
            wait_for(lambda: code in self._listen(bridge), SECONDS, self._heard)
        with self.environment.chats(name="later", concurrent_chats=LATER, events_per_second=30) as later:
            somewhere = self.kind == "announcements" and self.way == "more partitions"  # where nobody reads, perhaps
            wanted = CHATS if somewhere else CHATS + LATER
            wait_for(lambda: all_joined(bridge, wanted), SECONDS, lambda: f"{len(bridge.sessions())}: {self._heard()}")
            self._listen(bridge)
            later.terminate()
            chats.terminate()
            servers = [chats] if somewhere else [chats, later]
            self.outcome.found = self.environment.compare_when_closed(*servers, seconds=SECONDS)
            self._listen(bridge)

    @property
    def expected(self) -> str | None:
        """The code that has to be told."""
        if self.kind == "group offsets":
            return "ANNOUNCEMENTS_LOST" if self.way == "made again" and not self.running else None
        if self.way == "more partitions":
            return "PARTITIONS_CHANGED"
        if self.kind == "announcements" and self.way == "emptied":
            return None  # all of them were taken before: nothing is lost
        return TOLD[self.kind][self.running]

    def _listen(self, bridge: Bridge) -> set[str]:
        outcome = self.outcome
        if bridge.running:
            with suppress(OSError):
                outcome.codes |= {reason.partition(":")[0] for reason in reasons(bridge)}
        outcome.text = bridge.log.read_text(encoding="utf-8")[-2500:]
        return outcome.codes

    def _heard(self) -> str:
        return f"told: {sorted(self.outcome.codes)}; log: {self.outcome.text}"


def name_of(cell: Cell) -> str:
    kind, way, running, transactions = cell
    return f"{kind}, {way}, {'running' if running else 'stopped'}, {transactions}"


CELLS = [
    (kind, way, running, transactions)
    for transactions in ("shard", "worker")
    for kind in (*KINDS, "group offsets")
    for way in (WAYS if kind in KINDS else WAYS[:3])
    for running in (True, False)
]


@pytest.fixture(scope="module")
def cells(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Cell, Future[CellOutcome]]]:
    """Run the cells that are asked for, some at a time."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    names = {item.name for item in items if item.module is request.module}
    wanted = [cell for cell in CELLS if any(f"[{name_of(cell)}]" in name for name in names)]
    folders = {cell: tmp_path_factory.mktemp("cell") for cell in wanted}  # here, because it is not made for threads
    with (
        LocalBroker(overrides=QUICK_TRANSACTION_TIMEOUT | CREATES_TOPICS) as broker,
        ThreadPoolExecutor(AT_A_TIME) as pool,
    ):

        def run(cell: Cell) -> CellOutcome:
            return DisturbedKafka(broker.bootstrap_servers, folders[cell], cell).run()

        started = {cell: pool.submit(run, cell) for cell in wanted}
        yield started
        for one in started.values():
            one.cancel()


@pytest.mark.many_variants(8)
@pytest.mark.parametrize("cell", CELLS, ids=name_of)
@pytest.mark.timeout(300)
def test_nothing_is_lost_or_written_twice_in_silence(cell: Cell, cells: dict[Cell, Future[CellOutcome]]) -> None:
    kind, way, running, _ = cell
    outcome = cells[cell].result()
    if way == "more partitions" and not running:
        assert outcome.exit_code == 3
        assert "topic_prefix" in outcome.text
        assert "kafka.partitions to the existing count" not in outcome.text  # which would give chats two owners
        return
    if kind == "group offsets":
        assert outcome.refused == running
    assert outcome.found is not None
    assert outcome.found.duplicates == []
    assert outcome.found.unexplained == []
    assert outcome.found.unclosed == []
    assert outcome.found.altered == [] or (kind, way) == ("announcements", "more partitions")  # not all are compared
    if kind in {"announcements", "checkpoints", "group offsets"} or (kind == "events" and way == "more partitions"):
        assert outcome.found.explained == []
        assert outcome.found.unordered == []
        assert outcome.found.findings == []
    if kind == "events" and way != "more partitions":
        assert set(outcome.found.gaps) >= {"EVENTS_LOST"}


def test_a_second_group_and_another_number_of_partitions_are_refused_on_the_same_topics(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    environment = E2EEnvironment(own_broker.bootstrap_servers, tmp_path, **QUICK)
    with environment.chats(concurrent_chats=CHATS) as chats, environment.bridge() as first:
        wait_for(lambda: all_joined(first, CHATS) and captured(first) > 60, SECONDS, "not captured")
        with environment.bridge("worker-2", kafka__group="another") as second:
            assert second.wait(SECONDS) == 3
            assert "belong to the group" in second.log.read_text("utf-8")
        first.terminate()
        admin = AdminClient({"bootstrap.servers": environment.broker})
        more = [NewPartitions(environment.topic(kind), RAISED) for kind in TOPICS]
        for done in admin.create_partitions(more).values():
            done.result(SECONDS)
        with environment.bridge("worker-3", kafka__partitions=RAISED) as third:
            assert third.wait(SECONDS) == 3
            said = third.log.read_text("utf-8")
        assert f"written with {PARTITIONS} partitions, not {RAISED}" in said
        assert "another kafka.topic_prefix" in said
        chats.terminate()
