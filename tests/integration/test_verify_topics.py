"""`verify` and `export` as commands, on a broker: what was tampered with is found, and files say the same as topics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.integration.test_commands import chatbridge
from tests.support.unique_prefixes import unique_prefix
from tests.tampering.tamperings import UNITS, tamper
from tests.tampering.topic_copies import EVENTS, PARTITIONS, SESSIONS, TopicCopies, sound

if TYPE_CHECKING:
    from pathlib import Path

KEPT = {"retention.ms": "-1"}


class OnTopics:
    """Copies that were written to topics of their own."""

    def __init__(self, broker: str, copies: TopicCopies, partitions: int = PARTITIONS) -> None:
        self.prefix = unique_prefix()
        self.words = ("--bootstrap-servers", broker, "--topic-prefix", self.prefix)
        self._admin = AdminClient({"bootstrap.servers": broker})
        shapes = {EVENTS: partitions, SESSIONS: PARTITIONS}
        new = [NewTopic(self.prefix + name, count, 1, config=KEPT) for name, count in shapes.items()]
        for made in self._admin.create_topics(new).values():
            made.result(30)
        producer = Producer({"bootstrap.servers": broker})
        for (topic, partition), log in sorted(copies.logs.items()):
            for one in log:
                producer.produce(
                    self.prefix + topic, one.value, one.key, min(partition, shapes[topic] - 1), headers=[*one.headers]
                )
        assert producer.flush(30) == 0

    def empty(self, topic: str, partition: int, before: int) -> None:
        """Delete records from the beginning of a partition, as retention does."""
        place = TopicPartition(self.prefix + topic, partition, before)
        for deleted in self._admin.delete_records([place]).values():
            deleted.result(30)

    def verify(self, *words: str) -> tuple[int, dict[str, Any]]:
        done = chatbridge("verify", "--json", *words, *self.words)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


def broken(told: dict[str, Any]) -> list[str]:
    return [finding["message"] for finding in told["findings"] if finding["broken"]]


@pytest.fixture(scope="module")
def untouched(broker: str) -> OnTopics:
    return OnTopics(broker, sound())


def test_sound_topics_and_files_that_were_exported_from_them_are_sound(untouched: OnTopics, tmp_path: Path) -> None:
    code, told = untouched.verify()
    assert (code, broken(told), told["chats"], told["records"], told["certificates"]) == (0, [], 12, 75, 12)
    for form in ("jsonl", "avro"):
        folder = str(tmp_path / form)
        exported = chatbridge("export", folder, "--format", form, *untouched.words)
        assert exported.returncode == 0, exported.stderr
        assert "99 records written" in exported.stdout
        again = chatbridge("verify", folder, "--json")
        read = json.loads(again.stdout)
        assert (again.returncode, broken(read), read["chats"], read["records"]) == (0, [], 12, 75)
    refused = chatbridge("export", str(tmp_path / "avro"), "--format", "avro", *untouched.words)
    assert refused.returncode == 3  # nothing is written over


def test_a_window_selects_whole_chats_and_one_without_any_is_nothing_to_verify(untouched: OnTopics) -> None:
    code, told = untouched.verify("--since", "2025-06-15T15:06:00Z", "--until", "2025-06-15T15:07:00Z")
    assert (code, told["chats"], told["records"]) == (0, 12, 75)  # all were opened then
    code, told = untouched.verify("--since", "2025-06-15T15:13:00Z")
    assert (code, told["chats"], told["leftOut"]) == (0, 3, 9)  # those that were closed a second time
    code, told = untouched.verify("--since", "2030-01-01")
    assert (code, told["chats"], told["leftOut"]) == (1, 0, 12)
    assert "nothing to verify" in broken(told)[0]


def test_a_chat_that_is_not_there_is_a_finding(untouched: OnTopics) -> None:
    code, told = untouched.verify("--chat", "0000TYPO00000001")
    assert (code, told["chats"]) == (1, 0)
    assert [finding["sessionId"] for finding in told["findings"] if finding["broken"]] == ["0000TYPO00000001"]


def test_rendered_lines_are_refused(untouched: OnTopics, tmp_path: Path) -> None:
    rendered = chatbridge("tail", "--json", "--from-beginning", "--max", "5", *untouched.words)
    (tmp_path / "tail.jsonl").write_text(rendered.stdout)
    done = chatbridge("verify", str(tmp_path / "tail.jsonl"))
    assert done.returncode == 3
    assert "do not have the bytes that were hashed" in done.stderr


@pytest.mark.parametrize(
    ("unit", "operation", "position", "message"),
    [
        ("record of a closed chat", "changed", "middle", "was altered"),
        ("session record (of a chat that was closed twice)", "removed", "tail", "which none covers"),
        ("partition of both topics", "swapped", "head", "its key belongs on partition"),
        ("events topic", "removed", "tail", "records are missing"),
    ],
)
def test_what_was_tampered_with_is_found(broker: str, unit: str, operation: str, position: str, message: str) -> None:
    code, told = OnTopics(broker, tamper(sound(), UNITS[unit], operation, position)).verify()
    assert code == 1
    assert any(message in each for each in broken(told)), told["findings"]


def test_a_partition_that_was_emptied_although_kafka_keeps_everything_is_found(broker: str) -> None:
    topics = OnTopics(broker, sound())
    topics.empty(EVENTS, 1, 25)
    code, told = topics.verify()
    assert code == 1
    # Of three closed chats, one of which has two certificates.
    assert sum("none of which is on the topic, although" in each for each in broken(told)) == 4


def test_a_topic_that_was_made_again_with_fewer_partitions_is_found(broker: str) -> None:
    code, told = OnTopics(broker, sound(), partitions=2).verify()
    assert code == 1
    assert "has 2 partitions" in broken(told)[0]
