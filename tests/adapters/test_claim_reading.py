"""What the bridge makes of the bytes of a checkpoint partition that a broker sends it, of damaged ones, too."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import NoError, OffsetOutOfRangeError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from bridge.adapters.kafka.claim_reading import read_claims
from bridge.errors import AccessDenied
from bridge.records.checkpoint_keys import claim_key
from tests.capture.virtual_servers import play

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.capture.worker_ports import ClaimRecord

TOPIC = "checkpoints"
ONE, OTHER = claim_key("worker", "1"), claim_key("worker", "2")
BATCH_BYTES = 1 << 20
OF_CLIENT, EARLIEST = 0, -2


@dataclass
class Log:
    """One partition as a broker has it: batches with the offsets they begin at. `start`: what lies before is deleted.

    `refused`: what each answer about it says.
    """

    batches: list[tuple[int, bytes]]
    end: int
    start: int = 0
    refused: type[Any] = NoError

    def fetched(self, at: int) -> tuple[int, bytes]:
        """Return the code, and the batch that has this offset, whole, as brokers do, with all that come after it."""
        if at < self.start:
            return OffsetOutOfRangeError.errno, b""
        begins = [offset for offset, _ in self.batches if offset <= at]
        return 0, b"".join(content for offset, content in self.batches if offset >= max(begins, default=self.end))


class Broker:
    """The only broker; it answers as a client hears it."""

    def __init__(self, logs: Mapping[int, Log]) -> None:
        self.logs = logs
        self.cluster = SimpleNamespace(leader_for_partition=lambda _: 1, unauthorized_topics=set())
        self._topics = set[str]()

    def set_topics(self, topics: set[str]) -> None:
        assert topics == {TOPIC}

    async def force_metadata_update(self) -> None:
        await asyncio.sleep(0.01)

    async def send(self, _: int, request: Any, **_more: object) -> Any:
        await asyncio.sleep(0.01)
        [(topic, [(partition, asked, *_)])] = request._topics
        log = self.logs[partition]
        code, at, content = log.refused.errno, log.start if asked == EARLIEST else log.end, b""
        if isinstance(request, FetchRequest):
            code, content = log.fetched(asked)
            return SimpleNamespace(API_VERSION=4, topics=[(topic, [(partition, code, log.end, log.end, [], content)])])
        return SimpleNamespace(topics=[(topic, [(partition, code, 0, at)])])


def batch(first: int, *records: tuple[str, bytes | None]) -> tuple[int, bytes]:
    builder = DefaultRecordBatchBuilder(2, OF_CLIENT, 1, 1, 0, 0, BATCH_BYTES)
    for at, (key, value) in enumerate(records):
        builder.append(at, 1_700_000_000_000, key.encode(), value, [])
    content = bytes(builder.build())
    return first, first.to_bytes(8, "big") + content[8:]  # the broker sets the first offset, which no checksum covers


def damaged(one: tuple[int, bytes]) -> tuple[int, bytes]:
    first, content = one
    return first, content[:-1] + bytes((content[-1] ^ 1,))


def read(logs: Mapping[int, Log], since: Mapping[int, int]) -> Mapping[int, tuple[list[ClaimRecord], int]]:
    return play(read_claims(Broker(logs), TOPIC, since))


def test_claims_are_read_from_the_offset_on_and_other_records_are_not_taken_for_some() -> None:
    log = Log([batch(0, (ONE, b"id-1"), ("chat", b"head")), batch(2, (OTHER, b"id-2"), (ONE, None))], end=4)
    assert read({0: log}, {0: 0}) == {0: ([(ONE, "id-1"), (OTHER, "id-2"), (ONE, None)], 4)}
    assert read({0: log}, {0: 3}) == {0: ([(ONE, None)], 4)}
    assert read({0: log}, {0: 4}) == {0: ([], 4)}


def test_what_was_deleted_from_the_beginning_is_passed_over() -> None:
    log = Log([batch(7, (OTHER, b"id-2"))], end=8, start=7)
    assert read({0: log}, {0: 0}) == {0: ([(OTHER, "id-2")], 8)}


@pytest.mark.parametrize("behind_a_claim", [False, True])
def test_a_partition_with_a_damaged_batch_is_left_out_and_the_others_are_read(behind_a_claim: bool) -> None:
    before = [batch(0, (ONE, b"id-1"))] if behind_a_claim else []
    at = len(before)
    logs = {0: Log([*before, damaged(batch(at, (OTHER, b"id-2")))], end=at + 1), 1: Log([batch(0, (ONE, b"id-1"))], 1)}
    assert read(logs, {0: 0, 1: 0}) == {1: ([(ONE, "id-1")], 1)}


def test_a_partition_that_has_no_leader_for_long_is_left_out() -> None:
    class Leaderless(Broker):
        def __init__(self, logs: Mapping[int, Log]) -> None:
            super().__init__(logs)
            self.cluster.leader_for_partition = lambda at: 1 if at.partition else -1

    logs = {partition: Log([batch(0, (ONE, b"id-1"))], end=1) for partition in (0, 1)}
    found = play(read_claims(Leaderless(logs), TOPIC, {0: 0, 1: 0}))
    assert found == {1: ([(ONE, "id-1")], 1)}


def test_a_topic_that_may_not_be_read_is_told() -> None:
    with pytest.raises(AccessDenied):
        read({0: Log([], end=0, refused=TopicAuthorizationFailedError)}, {0: 0})
