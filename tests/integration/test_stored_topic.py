"""Stored transcripts that a plain client writes to their topic are on Kafka once, whatever becomes of the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import Producer

from bridge.archive.ucs_xml import write
from bridge.capture.stored_texts import StoredText, records_of
from bridge.transcript.events import ChatTranscript
from tests.integration.e2e_environment import E2EEnvironment
from tests.support.processes import Process, wait_for
from tests.transcript.build import joined, left, said

if TYPE_CHECKING:
    from pathlib import Path

CHATS = 9
EVENTS = 20
_PART = 2_000
"""Bytes of a record, so that a document takes several."""


def session_id(number: int) -> str:
    return f"0000STORED{number:06}"


def text(number: int, events: int) -> StoredText:
    """Return the transcript as it is stored when so many events are there; with all of them the chat is over."""
    messages = [said(at, f"message {at} of chat {number}, some words") for at in range(2, EVENTS)]
    told = [joined(1), *messages, left(EVENTS)]
    document = write(ChatTranscript(session_id(number), "2031-03-04T10:00:00Z", chat_event_list=told[:events]))
    return StoredText(session_id(number), f"ucs#{number}", document, events == EVENTS, 1_900_000_000_000_000)


class Writer:
    """A plain client of Kafka."""

    def __init__(self, environment: E2EEnvironment) -> None:
        self._topic = environment.topic("stored")
        self._producer = Producer({"bootstrap.servers": environment.broker, "partitioner": "murmur2_random"})

    def write(self, *texts: StoredText) -> None:
        for one in texts:
            for headers, value in records_of(one, _PART):
                self._producer.produce(self._topic, value, one.session_id.encode(), headers=[*headers])
        assert self._producer.flush(30) == 0


def test_each_event_of_a_stored_chat_is_on_kafka_once_although_workers_are_killed(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path, kafka__session_timeout_seconds=6).prepare()
    writer = Writer(environment)
    writer.write(*(text(number, EVENTS // 2) for number in range(CHATS)))
    first = environment.bridge("one")
    try:
        wait_for(lambda: first.metric("chatbridge_events_total") > EVENTS, 60, "nothing is taken from the topic")
        writer.write(*(text(number, EVENTS) for number in range(CHATS // 2)))
        wait_for(lambda: len(environment.certificates()) > 0, 60, "no chat is closed")
    finally:
        first.kill()
    writer.write(*(text(number, EVENTS) for number in range(CHATS)))
    with environment.bridge("two"):
        wait_for(lambda: len(environment.certificates()) == CHATS, 90, "some chats have no certificate")
        writer.write(*(text(number, EVENTS) for number in range(CHATS)), text(CHATS, EVENTS))
        wait_for(lambda: session_id(CHATS) in environment.certificates(), 60, "the last chat has no certificate")
    found = [(record["sessionId"], record["eventId"]) for record in environment.records("events")]
    assert sorted(found) == [(session_id(number), at) for number in range(CHATS + 1) for at in range(1, EVENTS + 1)]
    certificates = environment.certificates().values()
    assert {(one["verdict"], one["archived"], one["supersedes"]) for one in certificates} == {("COMPLETE", True, None)}
    assert environment.records("quarantine") == []
    words = ["verify", "--bootstrap-servers", broker, "--topic-prefix", environment.prefix]
    with Process(words, tmp_path / "verify.log") as verified:
        assert verified.wait(60) == 0
