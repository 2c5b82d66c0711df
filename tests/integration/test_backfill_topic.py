"""What `chatbridge backfill` writes lies on the topic as it was read, once, also after an interruption."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from bridge.archive.ucs_xml import write
from bridge.capture.stored_texts import StoredText, StoredTextParts
from bridge.transcript.events import ChatEvent, ChatTranscript, MessageText
from tests.commands.convert_process import ENVIRON, SAMPLES
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

START = "2031-03-04T10:00:00Z"
MANY = 15000


def words(environment: E2EEnvironment, *more: str | Path) -> list[str]:
    flags = ["--bootstrap-servers", environment.broker, "--topic-prefix", environment.prefix]
    return [sys.executable, "-m", "bridge", "backfill", *flags, *map(str, more)]


def backfill(environment: E2EEnvironment, *more: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, the report's lines, and standard error."""
    command = words(environment, "--json", *more)
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=ENVIRON)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def texts_on(environment: E2EEnvironment) -> list[StoredText]:
    """Every stored transcript on the topic, put together as the shards do."""
    consumer = Consumer({"bootstrap.servers": environment.broker, "group.id": "texts", "enable.partition.eof": True})
    topic = f"{environment.prefix}chat.capture.stored.v1"
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    parts = {number: StoredTextParts() for number in range(PARTITIONS)}
    found: list[StoredText] = []
    ended = 0
    while ended < PARTITIONS:
        for message in consumer.consume(1000, 1.0):
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF
                ended += 1
                continue
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            headers: Any = message.headers()
            taken = parts[partition].take(message.key(), headers, message.value(), offset)
            assert taken is None or isinstance(taken, StoredText)
            found += [taken] if taken is not None else []
    consumer.close()
    return found


def long_chat(number: int, texts: int) -> bytes:
    events = [ChatEvent("message", at, "A", at, message_text=MessageText("x" * 1_000)) for at in range(1, texts)]
    return write(ChatTranscript(f"0000LONG{number:08}", START, chat_event_list=events))


def test_each_text_lies_on_the_topic_as_it_was_read(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    long = tmp_path / "long.xml"
    long.write_bytes(long_chat(1, 2_500))  # several records
    state = tmp_path / "backfill.state"
    code, lines, _ = backfill(environment, "--state", state, long, *SAMPLES)
    assert (code, lines[-1]["summary"]["sent"]) == (0, 4)
    texts = texts_on(environment)
    assert sorted(one.text for one in texts) == sorted([long.read_bytes(), *(path.read_bytes() for path in SAMPLES)])
    assert all(one.final for one in texts)
    code, lines, _ = backfill(environment, "--state", state, long, *SAMPLES)
    assert (code, lines[-1]["summary"]["sentBefore"], len(texts_on(environment))) == (0, 4, 4)


def test_an_interrupted_backfill_says_how_to_go_on_and_goes_on(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    archive, state = tmp_path / "archive.xml", tmp_path / "backfill.state"
    archive.write_bytes(b"".join(long_chat(number, 4) for number in range(MANY)))
    command = words(environment, "--state", str(state), archive)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRON) as running:
        wait_for(lambda: state.exists() and state.stat().st_size > 2_000, 60, "nothing was confirmed")
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=30)
    assert running.returncode == 128 + signal.SIGINT
    assert b"the same command goes on from there" in told
    code, lines, _ = backfill(environment, "--state", state, archive)
    summary = lines[-1]["summary"]
    assert (code, summary["sent"] + summary["sentBefore"]) == (0, MANY)
    assert summary["sentBefore"] > 0
    assert summary["sent"] > 0
    assert len({one.session_id for one in texts_on(environment)}) == MANY


def test_a_missing_topic_is_named(broker: str, tmp_path: Path) -> None:
    code, _, told = backfill(E2EEnvironment(broker, tmp_path), *SAMPLES)
    assert code == 3
    assert "there is no topic" in told
