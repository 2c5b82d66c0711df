"""What an erasure lists: the records of a chat that hold text in clear, wherever a chat's text is written to."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer

from bridge.adapters.kafka.partitioner import partition_of
from bridge.capture.erasure_requests import request_record
from bridge.capture.stored_texts import StoredText, records_of
from bridge.cli import main
from bridge.commands import erase
from bridge.commands.erasing_chats import ErasedChat
from bridge.commands.held_chats import FROM
from bridge.commands.remaining_texts import RemainingTexts, remaining_texts
from bridge.config import load
from bridge.records.audit_chain import ERASED
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

CHAT, OTHER = "0000REMAINING001", "0000REMAINING002"
OWN = partition_of(CHAT.encode(), PARTITIONS)
ELSEWHERE = (OWN + 1) % PARTITIONS
Written = tuple[str, int, str, bytes, list[tuple[str, bytes]]]
"""Kind of topic, partition, key, value, headers."""


def announcement(session_id: str, **user_data: str) -> bytes:
    told: dict[str, Any] = {"sessionId": session_id, "host": "chat.example", "port": 4800, "password": "not a text"}
    return json.dumps(told | ({"userData": user_data} if user_data else {})).encode()


def stored_parts() -> list[Written]:
    """Return a stored transcript in two records, one that holds none, and a request to erase."""
    text = StoredText(CHAT, "a file", b"<chatTranscript/>", final=True, read_at=1)
    nothing = StoredText(CHAT, "a file", b"", final=True, read_at=1, missing="DELETED")
    parts = [*records_of(text, 10), *records_of(nothing, 10), request_record("a request")]
    return [("stored", OWN, CHAT, value, headers) for headers, value in parts]


def write(broker: str, environment: E2EEnvironment, records: Iterable[Written]) -> None:
    producer = Producer({"bootstrap.servers": broker})
    for kind, partition, key, value, headers in records:
        producer.produce(environment.topic(kind), value, key.encode(), partition, headers=list(headers))
    assert producer.flush(30) == 0


def test_copies_stored_transcripts_and_announcements_are_listed_as_far_as_they_hold_text(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()

    def copy(kind: str) -> Written:
        return "held", OWN, CHAT, b"cannot be read", [(FROM, f"former.chat.transcript.{kind}.v1-{OWN}@7".encode())]

    told: list[Written] = [
        ("announcements", OWN, CHAT, announcement(CHAT, EmailAddress="jane@example.invalid"), []),
        ("announcements", ELSEWHERE, "a key of their own", announcement(CHAT, note="text"), []),
        ("announcements", OWN, CHAT, b"cannot be read", []),
        ("announcements", OWN, CHAT, announcement(CHAT), []),
        ("announcements", OWN, OTHER, announcement(OTHER, note="text"), []),
        ("announcements", OWN, CHAT, announcement("0000NOBODY000001", note="text"), []),
    ]
    write(broker, environment, [*told, *stored_parts()])
    config = load(None, {}, {"kafka.bootstrap_servers": broker, "kafka.topic_prefix": environment.prefix})
    before_a_hold = asyncio.run(remaining_texts(config, [CHAT]))  # `prepare` makes no topic of held chats
    shared = [
        RemainingTexts(None, "stored", environment.topic("stored"), OWN, 2),
        *sorted(
            [
                RemainingTexts(None, "announcements", environment.topic("announcements"), OWN, 2),
                RemainingTexts(None, "announcements", environment.topic("announcements"), ELSEWHERE, 1),
            ],
            key=lambda one: one.partition,
        ),
    ]
    assert before_a_hold == {CHAT: shared}

    flags = ["--bootstrap-servers", broker, "--topic-prefix", environment.prefix]
    assert main(["topics", "apply", *flags, "--set", f"kafka.partitions={PARTITIONS}"]) == 0
    unknown: Written = ("held", OWN, CHAT, b"of which nobody knows what it is", [])
    write(broker, environment, [copy("events"), copy("quarantine"), copy("sessions"), unknown])
    copies = RemainingTexts(None, "held", environment.topic("held"), OWN, 3)
    left = asyncio.run(remaining_texts(config, [CHAT, OTHER]))
    assert left[CHAT] == [copies, *shared]
    assert [(one.kind, one.partition, one.records) for one in left[OTHER]] == [("announcements", OWN, 1)]

    capsys.readouterr()
    erase.report([ErasedChat(CHAT, ERASED, "a request", remaining=left[CHAT])], as_json=False)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines[0] == f"  3 records of copies of a held chat still hold text: {environment.topic('held')}-{OWN}"
    assert len(lines) == len(left[CHAT])
