"""A sealed output: its chain goes on with the same key whatever happens, and nothing is published unsealed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.capture.ports import Batch
from bridge.capture.readiness_codes import KEYS_LOST
from bridge.capture.shard_keys import ShardKeys
from bridge.errors import SealingFailed, TopicMissing, VerificationFailed
from bridge.facts import TransactionFailed
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.shard_facts import LogMark
from bridge.sealing.data_keys import name_of_partition, parsed_key_record
from bridge.sealing.opened_records import opened_event, opened_input
from bridge.transcript.updates import QuarantinedInput
from tests.capture.disturbed_chat import ELSEWHERE, announced, beginning, disturbance
from tests.capture.hand_fed_shard import feed, settled, until
from tests.capture.sealed_shard import KEYS, SealedShard
from tests.capture.test_session_store import SCHEMAS
from tests.capture.two_outputs import PARTITION
from tests.capture.virtual_servers import play
from tests.sealing.known_keys import CountedKeys, KnownMaster
from tests.support.reasons import NO_JSON
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.shard import Shard

OF_PARTITION = name_of_partition(PARTITION)


def codes(shard: Shard) -> list[str]:
    return [one.code for one in shard.problems]


def test_the_same_events_are_in_both_outputs_and_one_key_is_on_its_topic() -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, beginning())
            await settled(running)
            feed(running, [push(said(3), over=True)])
            await settled(running)
        shard.check(3)
        assert [one.key.decode() for one in shard.logs.records] == [CHAT]
        assert [one["message"]["text"] for one in shard.opened() if one["message"]] == ["first", "hello"]

    play(scene())


def test_the_key_is_there_before_anything_is_sealed_with_it() -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, [announced(CHAT, 0)])
            await settled(running)
        assert (list(shard.logs.wrapped()), shard.sealed.events) == ([CHAT], [])

    play(scene())


@pytest.mark.parametrize("unmarked", [0, 1], ids=["marked", "not marked yet"])
def test_another_owner_goes_on_with_the_key(unmarked: int) -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, beginning())
            await settled(running)
        made = shard.new_key.made
        shard.logs.unmarked = unmarked  # its transaction is committed, and that is not marked on each partition
        async with shard.running(owner=2) as running:
            feed(running, [push(said(3))])
            await settled(running)
            feed(running, [push(said(4), over=True)])
            await settled(running)
        async with shard.running(owner=3) as running:
            feed(running, [push(said(5))])  # after its end
            await settled(running)
        shard.check(5)
        assert (shard.new_key.made, len(shard.logs.records)) == (made, 1)

    play(scene())


@pytest.mark.parametrize(
    ("refuse", "lose"), [(1, 0), (0, 1), (2, 0), (1, 2)], ids=["refused", "answer lost", "refused twice", "both"]
)
def test_what_is_decided_again_is_sealed_with_the_key_that_is_on_the_topic(refuse: int, lose: int) -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            shard.kept.refuse, shard.kept.lose = refuse, lose
            feed(running, beginning())
            await settled(running)
            feed(running, [push(said(3))])
            await settled(running)
        assert shard.told.count(TransactionFailed) == refuse + lose
        shard.check(3)
        assert len(set(shard.logs.wrapped().values())) == 1
        async with shard.running(owner=2) as running:
            feed(running, [push(said(4))])
            await settled(running)
        shard.check(4)

    play(scene())


def test_whatever_disturbs_a_chat_is_in_both_outputs() -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, beginning())
            await settled(running)
            shard.kept.refuse, shard.kept.lose = 1, 1
            feed(running, disturbance())
            await settled(running)
        shard.check(7)
        clear, sealed = shard.clear.set_aside(), shard.sealed.set_aside()
        assert len(clear) == len(sealed) == 3
        seals = [shard.seal(), shard.seal(OF_PARTITION)]
        assert [opened_input(one["bytes"], seals) for one in sealed] == [one["bytes"] for one in clear]

    play(scene())


def test_quarantined_input_has_the_key_of_its_chat_and_invented_chats_have_none() -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, beginning())
            told = [
                QuarantinedInput("chat-1:4800", b"of the chat", NO_JSON, 11, session_id=CHAT, observed_at=3),
                QuarantinedInput("chat-1:4800", b"of another", NO_JSON, 10, session_id=ELSEWHERE, observed_at=3),
            ]
            feed(running, told)
            await settled(running)
        of_chat, of_another = (one["bytes"] for one in shard.sealed.set_aside())
        assert opened_input(of_chat, [shard.seal()]) == b"of the chat"
        assert opened_input(of_another, [shard.seal(OF_PARTITION)]) == b"of another"
        assert set(shard.logs.wrapped()) == {CHAT, OF_PARTITION}

    play(scene())


def test_without_the_master_key_nothing_is_published_and_nothing_is_lost() -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            shard.master.fails = True
            feed(running, beginning())
            await until(lambda: shard.told.count(TransactionFailed) > 1)
            assert codes(running) == [SealingFailed.code]
            assert (shard.clear.events, shard.sealed.events, shard.logs.records) == ([], [], [])
            shard.master.fails = False
            await settled(running)
        shard.check(2)
        shard.master.fails = True
        async with shard.running(owner=2) as running:
            feed(running, [push(said(3))])  # whose key has to be unwrapped
            await until(lambda: codes(running) == [SealingFailed.code])
            assert len(shard.sealed.events) == 2
            shard.master.fails = False
            await settled(running)
        shard.check(3)

    play(scene())


def test_a_shard_waits_for_a_topic_of_keys_that_is_missing() -> None:
    async def scene() -> None:
        shard = SealedShard()
        shard.logs.missing = True
        running = shard.made()
        task = asyncio.ensure_future(running.run())
        feed(running, beginning())
        await until(lambda: set(codes(running)) == {TopicMissing.code})
        assert (shard.clear.events, shard.sealed.events) == ([], [])
        shard.logs.missing = False
        await settled(running)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        shard.check(2)

    play(scene())


def test_keys_in_memory_are_written_again_when_their_topic_was_made_again() -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, beginning())
            await settled(running)
            before = shard.logs.wrapped()
            shard.logs.make_again()
            await until(lambda: shard.logs.wrapped() == before)
            assert codes(running) == [KEYS_LOST]
            feed(running, [push(said(3))])
            await settled(running)
        async with shard.running(owner=2) as running:
            feed(running, [push(said(4))])
            await settled(running)
        shard.check(4)

    play(scene())


def test_a_chat_whose_key_is_gone_goes_on_with_another_one() -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, beginning())
            await settled(running)
        shard.logs.make_again()
        async with shard.running(owner=2) as running:
            assert codes(running) == [KEYS_LOST]
            feed(running, [push(said(3))])
            await settled(running)
        first, *_, last = shard.sealed.records()
        assert opened_event(last, shard.seal())["message"]["text"] == "hello"
        with pytest.raises(VerificationFailed):
            opened_event(first, shard.seal())
        assert [str(finding) for finding in shard.sealed.findings()] == []

    play(scene())


def test_each_opening_reads_only_what_is_new() -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, beginning())
            await settled(running)
            shard.kept.refuse = 2
            feed(running, [push(said(3))])
            await settled(running)
            assert shard.logs.read_from == [0, 0, 1]

    play(scene())


@pytest.mark.parametrize("committed", [True, False])
def test_a_destroyed_key_seals_nothing_more_and_is_there_again_if_that_was_not_committed(committed: bool) -> None:
    async def scene() -> None:
        shard = SealedShard()
        keys, mark = shard.keys(), LogMark(b"keys 1", 0, 0)
        sealed = keys.seal_of(CHAT).seal("message.text", 1, "first")
        keys.add(first := Batch())
        await keys.wrap(first)
        shard.logs.write(first)
        keys.settled(first, [CHAT])
        second = Batch([keys.forget(CHAT)])
        again = keys.seal_of(CHAT).seal("message.text", 1, "first")  # announced again in the same transaction
        assert again != sealed
        keys.add(second)
        assert [(one.key, one.value) for one in second.on(KEYS)] == [(CHAT.encode(), None), (CHAT.encode(), b"")]
        await keys.wrap(second)
        if committed:
            shard.logs.write(second)
            keys.settled(second, [CHAT])
        await keys.read(shard.logs, replace(mark, end=len(shard.logs.records)))
        keys.undone()
        await keys.ready([push()])
        assert keys.seal_of(CHAT).seal("message.text", 1, "first") == (again if committed else sealed)
        keys.add(third := Batch())
        assert third.records == []

    play(scene())


def test_a_key_that_is_not_needed_any_more_does_not_stay_unwrapped() -> None:
    async def scene() -> None:
        master = KnownMaster()
        keys = ShardKeys(PARTITION, KEYS, master, CountedKeys())
        names = [f"chat-{number}" for number in range(2_000)]
        for name in names:
            keys.seal_of(name)
        keys.add(batch := Batch())
        await keys.wrap(batch)
        keys.settled(batch, names[:10])
        await keys.ready([push()])
        asked = master.calls
        await keys.ready([announced(names[0], 0)])
        assert master.calls == asked
        await keys.ready([announced(names[1_000], 0)])
        assert master.calls == asked + 1
        assert parsed_key_record(names[0], batch.records[0].value or b"").master == "test-1"

    play(scene())


@pytest.mark.parametrize("what", ["altered", "of another record"])
def test_a_sealed_text_that_was_tampered_with_breaks_the_chain(what: str) -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, [announced(CHAT, 0), history(joined(1), said(2, "first"), said(3, "other"))])
            await settled(running)
        texts = [one["message"]["text"] for one in shard.sealed.records() if one["message"]]
        old, other = (text.encode() for text in texts)
        new = other if what == "of another record" else old[:-4] + (b"AAAA" if old[-4:] != b"AAAA" else b"BBBB")
        at = next(index for index, payload in enumerate(shard.sealed.events) if old in payload)
        shard.sealed.events[at] = shard.sealed.events[at].replace(old, new)
        assert any("hash" in str(finding) for finding in shard.sealed.findings())
        with pytest.raises(VerificationFailed):
            opened_event(SCHEMAS.decode(TRANSCRIPT_EVENT, shard.sealed.events[at]), shard.seal())

    play(scene())
