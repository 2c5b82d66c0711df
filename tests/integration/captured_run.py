"""One complete run of bridge and simulator whose records are then read by third-party programs.

It has live chats, a lost link (RESUMED records) and unreadable input (quarantine).
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.simulator.harness.ledger import LedgerChat, read_ledger, visible_to_monitor
from tests.support.oracle import closed_sessions, compare_with_ledger
from tests.support.processes import Bridge, Simulator, wait_for
from tests.support.unique_prefixes import unique_prefix
from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.transcript.events import ChatEvent


TYPES = {
    "chat.transcript.events.v1": TRANSCRIPT_EVENT,
    "chat.transcript.sessions.v1": SESSION_RECORD,
    "chat.transcript.quarantine.v1": QUARANTINED_INPUT,
}
EVENTS, SESSIONS, QUARANTINE = TYPES
UNITS = {"timestamp-millis": timedelta(milliseconds=1), "timestamp-micros": timedelta(microseconds=1)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = {"newParty": "PARTY_JOINED", "message": "MESSAGE", "notice": "NOTICE", "partyLeft": "PARTY_LEFT"}


CHATS = 4
PARTITIONS = 3
INVALID_ANNOUNCEMENT = b"this is no announcement"


@dataclass
class CapturedRun:
    """One finished run: the ledger, and where its records are. `unreadable_inputs`: their number."""

    broker: str
    prefix: str
    ledger: dict[str, LedgerChat]
    resumed: int
    unreadable_inputs: int
    registry: str | None = None
    _messages: dict[str, list[Message]] = field(default_factory=dict)

    @property
    def expected_events(self) -> dict[str, ChatEvent]:
        """Return the events that a silent monitor is sent, by the id of their records."""
        return {
            f"{session_id}:{event.event_id}": event
            for session_id, chat in self.ledger.items()
            for event in chat.events
            if visible_to_monitor(event)
        }

    @property
    def expected(self) -> dict[str, int]:
        """Return the number of records by topic."""
        return {
            EVENTS: len(self.expected_events) + self.resumed,
            SESSIONS: 2 * len(self.ledger),
            QUARANTINE: self.unreadable_inputs,
        }

    def messages(self, topic: str) -> list[Message]:
        """Return all committed records of a topic, read once with Confluent's client."""
        if topic not in self._messages:
            self._messages[topic] = read_messages(self.broker, self.prefix + topic)
        return self._messages[topic]


def read_messages(broker: str, topic: str) -> list[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": "foreign-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    found: list[Message] = []
    ended: set[int] = set()
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])

        def at_end() -> bool:
            for message in consumer.consume(1000, 0.2):
                error, partition = message.error(), message.partition()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    assert partition is not None
                    ended.add(partition)
                else:
                    raise AssertionError(error)
            return len(ended) == PARTITIONS

        wait_for(at_end, 30, f"{topic} could not be read to its end")
    finally:
        consumer.close()
    return found


def value_of(message: Message) -> bytes:
    value = message.value()
    assert value is not None
    return value


def run_and_capture(broker: str, folder: Path, registry: str | None) -> CapturedRun:
    prefix = unique_prefix()
    settings: dict[str, object] = {"kafka__partitions": PARTITIONS}
    values = WrittenValues(registry)
    if registry is not None:
        settings["schema_registry__url"] = registry
    with Bridge(broker, folder / "bridge.log", prefix=prefix, worker="worker-1", **settings) as bridge:
        bridge.wait_ready()
        with Simulator(
            folder / "chat-server.log",
            folder / "ledger.jsonl",
            announce_url=bridge.url,
            concurrent_chats=CHATS,
            events_per_second=60,
            mean_events=100_000,  # no chat ends by itself: one that ends while not joined cannot be captured
            finish=2,
            seed=21,
            passwords=True,
        ) as chats:
            unreadable_inputs = disturb(broker, prefix, bridge, chats)
            wait_for(lambda: bridge.metric("chatbridge_events_total") > 150, 60, "too few events are captured")
            chats.send(signal.SIGTERM)
            chats.summary(60)
        ledger = read_ledger(chats.ledger)
        assert len(ledger) == CHATS
        assert all(chat.closed for chat in ledger.values())
        wait_for(lambda: len(closed_sessions(broker, prefix, values)) == CHATS, 30, "some chats have no certificate")
        resumed = int(bridge.metric("chatbridge_resumptions_total"))
        assert bridge.terminate() == 0
    result = compare_with_ledger(broker, prefix, chats.ledger, values=values)
    assert result.clean, str(result)
    assert result.explained == []
    return CapturedRun(broker, prefix, ledger, resumed, unreadable_inputs, registry)


def disturb(broker: str, prefix: str, bridge: Bridge, chats: Simulator) -> int:
    """Drop every link, send invalid lines and an invalid announcement; return the number of unreadable inputs."""

    def all_joined() -> bool:
        sessions = bridge.sessions()
        return len(sessions) == CHATS and all(session["joined"] for session in sessions)

    wait_for(all_joined, 30, "not every chat is followed")
    assert chats.fault("drop")["connections"] > 0
    wait_for(
        lambda: bridge.metric("chatbridge_resumptions_total") >= CHATS and all_joined(),
        60,
        "some chats are not resumed",
    )
    unreadable_inputs = int(chats.fault("send-raw", text='{"messageName": \n')["connections"]) + 1
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(f"{prefix}chat.capture.announcements.v1", INVALID_ANNOUNCEMENT, b"nobody", partition=0)
    assert producer.flush(20) == 0
    wait_for(
        lambda: bridge.metric("chatbridge_quarantined_total") == unreadable_inputs,
        30,
        "not all are quarantined",
    )
    wait_for(all_joined, 60, "a chat is no longer joined")
    return unreadable_inputs


def device_tokens(captured: CapturedRun) -> dict[str, str]:
    """Return the device token that an event carried, by the id of its record."""
    return {
        name: str(item.value)
        for name, event in captured.expected_events.items()
        for item in event.user_data
        if item.key == "push_notification_deviceid"
    }
