"""A shard that comes back to the worker that had it before another one: what it still holds from before counts no more.

The worker was cut off from Kafka, and learnt nothing of the other one.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from bridge.capture.chat import FOLLOWED, GIVEN_UP, OVER
from bridge.capture.inbox import PassedOver, memory_of
from bridge.capture.stored_inputs import ErasureRequested, StoredPlace
from bridge.errors import KafkaUnavailable
from bridge.facts import ChatsReconciled
from bridge.transcript.updates import JoinRefused, Verdict
from tests.capture.hand_fed_shard import feed, until
from tests.capture.stored_documents_of import stored
from tests.capture.test_inputs_in_parts import LONG, OTHER, announced, inbox, long, pushed, told
from tests.capture.test_session_store import NOW, announcement
from tests.capture.test_stored_door import StoredInstallation, read
from tests.capture.virtual_engine import VirtualEngine, joined_at, state_of
from tests.capture.virtual_servers import play
from tests.support.reasons import A_REFUSAL
from tests.transcript.build import CHAT, history, joined, said
from tests.transcript.waiting_events import PART_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.capture.inbox import Input
    from bridge.capture.worker import Worker

A, B = "chat-1:4800", "chat-2:4800"
ONE = "0000BACK00000001"


class Unreachable:
    """No server can be reached."""

    async def connect(self, *_: object) -> None:
        await asyncio.sleep(0.001)
        raise ConnectionRefusedError


@asynccontextmanager
async def without_servers(worker: Worker) -> AsyncIterator[None]:
    """Cut a worker off from the servers: its connections are lost, and it cannot make any."""
    [shard] = worker.shards
    queues = shard.source._queues  # type: ignore[attr-defined]
    transports, queues._transports = queues._transports, Unreachable()
    for link in queues.links:
        link._transport.drops()
    yield
    queues._transports = transports


@pytest.mark.parametrize("fenced", [True, False])
def test_a_chat_that_it_gave_up_meanwhile_is_followed_again(fenced: bool) -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await engine.start(0), await engine.start()
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            assert joined_at(first, ONE) == A
            engine.member(first).deaf = engine.member(first).cut_off = True
            engine.kafka.refuses[0] = 0 if fenced else 1
            async with without_servers(first):
                await asyncio.sleep(1)
                await engine.member(second).rebalance(0)
                await asyncio.sleep(300)
                assert (joined_at(second, ONE), joined_at(first, ONE)) == (A, None)
            engine.member(first).deaf = engine.member(first).cut_off = False
            await engine.assign((0,), ())
            await asyncio.sleep(10)
            assert (state_of(first, ONE), joined_at(first, ONE)) == (FOLLOWED, A)
            engine.says(A, ONE, 7)
            await asyncio.sleep(2)
            assert (engine.kafka.events(ONE)[-1], engine.kafka.closed()) == (7, [])
            assert engine.facts(ChatsReconciled) == [ChatsReconciled(shard=0, followed=1, forgotten=0)]

    play(scene())


def test_a_chat_that_cannot_be_joined_afterwards_either_is_given_up_after_new_attempts() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await engine.start(0), await engine.start()
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.member(first).deaf = engine.member(first).cut_off = True
            async with without_servers(first):
                await asyncio.sleep(1)
                await engine.member(second).rebalance(0)
                await asyncio.sleep(300)
            engine.servers[A].dies()
            engine.member(first).deaf = engine.member(first).cut_off = False
            await engine.assign((0,), ())
            await asyncio.sleep(60)
            assert engine.kafka.closed() == []
            await asyncio.sleep(200)
            assert engine.kafka.closed() == [ONE]

    play(scene())


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("over", [False, True])
def test_a_chat_that_the_other_one_gave_up_is_followed_again_if_it_is_watched(over: bool, lost: bool) -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await engine.start(0), await engine.start()
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.member(first).deaf = engine.member(first).cut_off = True
            engine.kafka.refuses[0] = 1
            await engine.member(second).rebalance(0)
            async with without_servers(second):
                await asyncio.sleep(300)
                assert (state_of(second, ONE), joined_at(first, ONE)) == (GIVEN_UP, A)
                engine.says(A, ONE, 7)
                if over:
                    engine.says(A, ONE, 8, "Over")
            engine.member(first).deaf = engine.member(first).cut_off = False
            # Until it is known to be committed that the chat is followed, it stays as it is.
            engine.kafka.refuses[0] = 0 if lost else 2
            engine.kafka.loses.update({0} if lost else set())
            await engine.assign((0,), ())
            await asyncio.sleep(60)
            if over:
                assert (state_of(first, ONE), engine.kafka.events(ONE)) == (OVER, ["GAP", 7, 8])
                return
            assert (state_of(first, ONE), joined_at(first, ONE)) == (FOLLOWED, A)
            engine.says(A, ONE, 8)
            await asyncio.sleep(2)
            assert (engine.kafka.events(ONE), len(engine.servers[A].joins)) == (["GAP", 7, "RESUMED", 8], 2)
            assert engine.facts(ChatsReconciled) == [ChatsReconciled(shard=0, followed=1, forgotten=0)]

    play(scene())


def test_a_chat_that_is_joined_while_its_announcement_is_refused_to_a_fenced_producer_is_not_left() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first = await engine.start(0)
            engine.kafka.slow[0] = 3
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            assert joined_at(first, ONE) == A
            engine.kafka.steal(0)
            await asyncio.sleep(20)
            engine.says(A, ONE, 7)
            await asyncio.sleep(10)
            assert (engine.kafka.events(ONE), len(engine.servers[A].joins)) == ([7], 1)
            assert engine.facts(ChatsReconciled) == []

    play(scene())


def test_an_announcement_that_the_other_one_has_folded_does_not_bring_back_what_a_later_one_replaced() -> None:
    async def scene() -> None:
        async with VirtualEngine(A, B) as engine:
            first, second = await engine.start(0), await engine.start()
            [shard] = first.shards

            async def committed() -> int:
                return engine.kafka.offsets[0]

            shard._recovery._logs.committed = committed  # type: ignore[method-assign]
            engine.member(first).cut_off = True
            engine.kafka.refuses[0] = 1
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.member(first).deaf = True
            await engine.member(second).rebalance(0)
            await asyncio.sleep(2)
            engine.kafka.announce(0, ONE, B)
            await asyncio.sleep(2)
            assert joined_at(second, ONE) == B
            engine.member(first).deaf = engine.member(first).cut_off = False
            await engine.assign((0,), ())
            await asyncio.sleep(10)
            assert (joined_at(first, ONE), engine.kafka.offsets[0]) == (B, 2)

    play(scene())


def test_what_a_feeder_had_read_is_dropped_and_it_begins_where_the_other_one_left_off() -> None:
    async def scene() -> None:
        installation = StoredInstallation()
        async with installation.running() as shard:
            check = shard._check_assignment

            async def unknown() -> None:
                raise KafkaUnavailable("scripted: rebalancing")

            shard._check_assignment = unknown
            installation.kept.refuse = 1
            installation.feeders[0].deliver(read(1), 1_000)
            await until(lambda: not installation.kept.refuse)
            installation.feeders[0].deliver(read(2), 1_000)
            async with installation.running(owner=2):
                for number in (1, 2, 3):
                    installation.feeders[1].deliver(read(number), 1_000)
                await until(lambda: len(installation.texts()) == 3)
            shard._check_assignment = check
            await until(lambda: len(installation.feeders[0].starts) > 1)
            assert installation.feeders[0].starts == [{}, {"ucs.bookmark": b"3"}]
            await asyncio.sleep(40)
            assert [text.place for text in installation.texts()] == ["ucs#1", "ucs#2", "ucs#3"]

    play(scene())


def test_a_request_to_erase_that_the_other_one_has_executed_does_not_reach_a_chat_that_has_begun_again() -> None:
    async def scene() -> None:
        installation = StoredInstallation()
        whole: list[Input] = [announcement(), history(joined(1), said(2), over=True)]
        async with installation.running() as shard:
            feed(shard, whole)
            await until(lambda: CHAT in shard.store.chats and not shard.uncommitted)
            check = shard._check_assignment

            async def unknown() -> None:
                raise KafkaUnavailable("scripted: rebalancing")

            shard._check_assignment = unknown
            installation.kept.refuse = 1
            installation.readings[0].deliver(ErasureRequested(CHAT, StoredPlace(8), "request-1", NOW), 0)
            await until(lambda: not installation.kept.refuse)
            [text] = stored(joined(1), said(2), offset=9)
            installation.readings[0].deliver(text, 1_000)
            async with installation.running(owner=2) as other:
                installation.readings[1].deliver(ErasureRequested(CHAT, StoredPlace(8), "request-1", NOW), 0)
                await until(lambda: CHAT not in other.store.chats)
                feed(other, [announcement(offset=1), history(joined(1), said(2), said(3), over=True)])
                await until(lambda: CHAT in other.store.chats and not other.uncommitted)
            shard._check_assignment = check
            await until(lambda: len(installation.readings) > 2)
            assert [one.place for one in installation.readings] == [None, None, StoredPlace(8)]
            await asyncio.sleep(40)
            assert shard.store.chats[CHAT].transcript.delivered.ranges == 1
            assert 3 in shard.store.chats[CHAT].transcript.delivered

    play(scene())


def test_of_all_that_is_queued_only_what_counts_no_more_is_dropped() -> None:
    given_up, refused = (JoinRefused(LONG, 0, A_REFUSAL, one) for one in (Verdict.NEVER, Verdict.RETRY))
    queue = inbox(100)
    gone = JoinRefused(OTHER, 0, A_REFUSAL, Verdict.GONE)
    before: list[Input] = [announced(OTHER), PassedOver(1), PassedOver(2), read(1), pushed(OTHER, 1)]
    for item in (*before, long(2), refused, given_up, gone):
        queue.put(item, 10, 1.0)
    queue.take(memory_of(PART_BYTES))
    assert sorted(queue.overtaken(1)) == [LONG, OTHER]
    taken = queue.held + queue.take(10_000)
    assert told(taken) == ["PassedOver", (OTHER, [1]), (LONG, [1]), (LONG, [2]), "JoinRefused"]
    queue.settle()
    assert (queue.bytes, queue.paused) == (0, False)
