"""A history that takes several transactions, some of which fail, lose their answer, or are another worker's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.capture.chat_facts import ChatClosed
from bridge.facts import BatchCommitted, TransactionFailed
from bridge.records.avro import TRANSCRIPT_EVENT
from tests.capture.disturbed_chat import announced
from tests.capture.hand_fed_shard import feed, settled, until
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.test_commit_answers import KeptPartition, running
from tests.capture.test_session_store import decoded
from tests.capture.virtual_servers import VirtualClock, play
from tests.transcript.build import CHAT, history, push, said
from tests.transcript.waiting_events import InParts

if TYPE_CHECKING:
    from bridge.transcript.updates import TranscriptUpdate

A_TRANSACTION = 2 << 20
PARTS = 5

WITH_HOLES = "COMPLETE_WITH_EXPECTED_HOLES"  # the even ids, which the first history lacks


def long_history(*, over: bool = False) -> TranscriptUpdate:
    """The ids 1, 3, 5 and so on, in parts of two, each of which fills a transaction."""
    parts = [[said(4 * part + 1), said(4 * part + 3)] for part in range(PARTS)]
    return replace(history(over=over), waiting=InParts(parts, A_TRANSACTION))


ALL = [event.event_id for part in range(PARTS) for event in (said(4 * part + 1), said(4 * part + 3))]


def ids(kept: KeptPartition) -> list[int | None]:
    """Event ids on Kafka in order; None for what the bridge itself says."""
    return [record["eventId"] for record in decoded(TRANSCRIPT_EVENT, kept.events)]


@pytest.mark.parametrize("after", range(PARTS))
@pytest.mark.parametrize(("refuse", "lose"), [(0, 0), (1, 0), (0, 1), (2, 1)])
def test_each_event_is_written_once_whichever_transaction_fails(refuse: int, lose: int, after: int) -> None:
    async def scene() -> None:
        kept, told = KeptPartition(ScriptedKafka(VirtualClock())), RecordedFacts()
        async with running(kept, 1, told) as shard:
            feed(shard, [announced(CHAT, 0), long_history(), push(said(20), said(21), over=True)])
            await until(lambda: len(kept.events) >= 2 * after)
            kept.refuse, kept.lose = refuse, lose
            await settled(shard)
            assert ids(kept) == [*ALL, 20, 21]
            assert told.count(TransactionFailed) == refuse + lose
            assert told.count(BatchCommitted) >= PARTS
            assert [fact.verdict for fact in told.facts if isinstance(fact, ChatClosed)] == [WITH_HOLES]

    play(scene())


@pytest.mark.parametrize("after", range(1, PARTS))
def test_the_next_owner_reads_the_history_again_and_writes_the_rest(after: int) -> None:
    async def scene() -> None:
        kept, told = KeptPartition(ScriptedKafka(VirtualClock())), RecordedFacts()
        async with running(kept, 1, told) as shard:
            feed(shard, [announced(CHAT, 0), long_history()])
            await until(lambda: len(kept.events) >= 2 * after)
        assert ids(kept) == ALL[: 2 * after]
        async with running(kept, 2, told) as shard:
            feed(shard, [long_history(over=True)])
            await settled(shard)
        assert ids(kept) == ALL
        assert [fact.verdict for fact in told.facts if isinstance(fact, ChatClosed)] == [WITH_HOLES]

    play(scene())


def test_a_drain_commits_the_rest_of_what_was_handed_over() -> None:
    async def scene() -> None:
        kept = KeptPartition(ScriptedKafka(VirtualClock()))
        async with running(kept, 1, RecordedFacts()) as shard:
            feed(shard, [announced(CHAT, 0), long_history()])
            await until(lambda: len(kept.events) >= 2)
            await shard.drain()
            assert shard.drained
        assert ids(kept) == ALL

    play(scene())
