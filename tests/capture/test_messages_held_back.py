"""A shard whose messages wait for what completes a number: what is recorded, when, and what becomes of what waits."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.capture.inbox import Inbox
from bridge.facts import BatchCommitted
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.transcript.updates import LinkDown
from tests.capture.disturbed_chat import announced
from tests.capture.hand_fed_shard import feed, hand_fed_shard, settled, until
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.test_commit_answers import KeepingWriter, kept_partition
from tests.capture.test_session_store import PREFIX, SCHEMAS, decoded, settings
from tests.capture.two_outputs import CARD_RULE, RecordedOutputs
from tests.capture.virtual_servers import VirtualClock, play
from tests.capture.written_topics import output, written_to
from tests.support.reasons import A_RESET
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.capture.inbox import Input
    from bridge.capture.shard import Shard
    from bridge.transcript.updates import TranscriptUpdate
    from tests.capture.test_commit_answers import KeptPartition

SECONDS: Final = 8.0
FIRST, SECOND = "it is 4111 1111", "1111 1111, that is all"
MASKED: Final = ["it is *********", "*********, that is all"]
MANY_WORDS: Final = "and here is what I had to say besides: when will it be delivered, please, and by whom?"


def masking(owner: int) -> Any:
    """Return settings of a shard with one output, which masks cards."""
    return settings(owner=owner, **written_to(output(Recording(SCHEMAS, Redactor([CARD_RULE])), PREFIX)))


@asynccontextmanager
async def running(kept: KeptPartition, told: RecordedFacts, owner: int = 1) -> AsyncIterator[Shard]:
    """Run a shard that was told of the chat, and give it once that is committed."""
    shard = hand_fed_shard(3, lambda _: KeepingWriter(kept), VirtualClock(), told, masking(owner), hold_back=SECONDS)
    task = asyncio.ensure_future(shard.run())
    try:
        await settled(shard)
        if not kept.events:
            feed(shard, [announced(CHAT, 0), history(joined(1))])
            await settled(shard)
        yield shard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def texts(kept: KeptPartition) -> list[str]:
    return [one["message"]["text"] for one in decoded(TRANSCRIPT_EVENT, kept.events) if one["message"]]


def earlier(kept: KeptPartition) -> list[list[str]]:
    return [one["earlier"] for record in decoded(TRANSCRIPT_EVENT, kept.events) for one in record["redactions"]]


@pytest.mark.parametrize(("refuse", "lose"), [(0, 0), (2, 0), (0, 1)], ids=["in order", "failed", "answer lost"])
def test_both_parts_are_masked_once_when_the_second_one_comes_in_time(refuse: int, lose: int) -> None:
    async def scene() -> None:
        kept, told = kept_partition(), RecordedFacts()
        async with running(kept, told) as shard:
            feed(shard, [push(said(2, FIRST))])
            await asyncio.sleep(SECONDS / 2)
            assert (texts(kept), shard.uncommitted) == ([], 1)
            assert shard.buffer_bytes > 0
            assert shard.oldest_uncommitted(VirtualClock().monotonic()) == pytest.approx(SECONDS / 2)
            kept.refuse, kept.lose = refuse, lose
            feed(shard, [push(said(3, SECOND)), push(said(4, MANY_WORDS))])
            await settled(shard)
        assert (texts(kept), earlier(kept)) == ([*MASKED, MANY_WORDS], [[], []])
        assert told.kinds() == {"PARTY_JOINED": 1, "MESSAGE": 3}
        ages = [one for fact in told.facts if isinstance(fact, BatchCommitted) for one in fact.ages]
        assert [count for age, count in ages if age >= SECONDS / 2] == [1]

    play(scene())


def test_a_first_part_that_has_waited_is_published_and_what_completes_it_later_names_it() -> None:
    async def scene() -> None:
        kept = kept_partition()
        async with running(kept, RecordedFacts()) as shard:
            began = VirtualClock().monotonic()
            feed(shard, [push(said(2, FIRST))])
            await settled(shard)
            assert VirtualClock().monotonic() - began == pytest.approx(SECONDS, abs=1.0)
            assert texts(kept) == [FIRST]
            feed(shard, [push(said(3, SECOND)), push(said(4, MANY_WORDS))])
            await settled(shard)
        assert (texts(kept), earlier(kept)) == ([FIRST, MASKED[1], MANY_WORDS], [[f"{CHAT}:2"]])

    play(scene())


@pytest.mark.parametrize("way_out", ["hand_over", "over"])
def test_nothing_waits_when_the_shard_is_handed_over_or_the_chat_ends(way_out: str) -> None:
    async def scene() -> None:
        kept = kept_partition()
        async with running(kept, RecordedFacts()) as shard:
            feed(shard, [push(said(2, FIRST))])
            await asyncio.sleep(1.0)
            began = VirtualClock().monotonic()
            if way_out == "hand_over":
                shard.hand_over()
            else:
                feed(shard, [push(over=True)])
            await settled(shard)
            assert VirtualClock().monotonic() - began < 1.0
            assert texts(kept) == [FIRST]

    play(scene())


def test_parts_that_are_let_through_together_are_masked_all_the_same() -> None:
    async def scene() -> None:
        kept = kept_partition()
        async with running(kept, RecordedFacts()) as shard:
            feed(shard, [push(said(2, FIRST)), push(said(3, "1111 1111"))])
            await asyncio.sleep(1.0)
            assert texts(kept) == []
            shard.hand_over()
            await settled(shard)
            assert texts(kept) == [MASKED[0], "*********"]

    play(scene())


def test_what_waits_is_committed_by_a_shard_that_is_drained() -> None:
    async def scene() -> None:
        kept = kept_partition()
        async with running(kept, RecordedFacts()) as shard:
            feed(shard, [push(said(2, FIRST))])
            await asyncio.sleep(1.0)
            await shard.drain()
            assert (texts(kept), shard.drained) == ([FIRST], True)

    play(scene())


def test_what_waited_in_a_process_that_died_is_in_no_checkpoint_and_comes_with_the_history() -> None:
    async def scene() -> None:
        kept = kept_partition()
        async with running(kept, RecordedFacts()) as shard:
            feed(shard, [push(said(2, FIRST))])
            await until(lambda: shard.uncommitted == 1)
        assert not any(b"4111" in value for value in kept.topic.values.values())
        async with running(kept, RecordedFacts(), owner=2) as shard:
            feed(shard, [history(joined(1), said(2, FIRST), said(3, SECOND), said(4, MANY_WORDS))])
            await settled(shard)
        assert texts(kept) == [*MASKED, MANY_WORDS]

    play(scene())


def test_a_number_is_found_again_by_who_takes_over_between_its_parts() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1)))
    shard.take(shard.store.fold([push(said(2, FIRST))], 1, behind=[push(said(3, SECOND))]))
    shard.restart()
    shard.take(shard.store.fold([history(joined(1), said(2, FIRST), said(3, SECOND))], 1, behind=[]))
    shard.take(shard.store.fold([history(joined(1), said(2, f"{FIRST}!"), said(3, SECOND))], 1, behind=[]))
    told = [one["message"]["text"] for one in shard.masked.records() if one["message"]]
    assert told == [*MASKED, f"{MASKED[0]}!"]
    shard.nothing_broken()


@given(
    st.lists(st.sampled_from(["4111 1111", "1111 1111", MANY_WORDS, "4111 1111 1111 1111", "lost"]), max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_whatever_waits_the_records_are_those_of_a_shard_in_which_nothing_does_but_for_what_is_masked(
    told: list[str], takes: list[bool]
) -> None:
    inputs: list[Input] = [
        LinkDown(CHAT, A_RESET, number) if text == "lost" else _history_of(told, number)
        for number, text in enumerate(told)
    ]
    at_once, held = RecordedOutputs(), RecordedOutputs()
    for one in inputs:
        at_once.fold(one)
    inbox = Inbox(1 << 20, lambda: None, lambda: None, SECONDS)
    for number, one in enumerate(inputs):
        inbox.put(one, 100, float(number))
        if takes[number]:
            _commit(held, inbox, float(number))
    _commit(held, inbox, len(inputs) + SECONDS)
    for written, later in ((at_once.whole, held.whole), (at_once.masked, held.masked)):
        assert written.outline() == later.outline()
    assert at_once.whole.events == held.whole.events
    held.nothing_broken()


def _history_of(told: list[str], last: int) -> TranscriptUpdate:
    """Return all messages up to one of them."""
    return history(*(said(number + 1, text) for number, text in enumerate(told[: last + 1]) if text != "lost"))


def _commit(shard: RecordedOutputs, inbox: Inbox, now: float) -> None:
    inbox.release_due(now)
    while len(inbox):
        taken = inbox.take(150)
        shard.take(shard.store.fold(taken, 1, behind=inbox.behind(taken)))
        inbox.settle()
