"""Chats that a fold ends although no input is about them: their keys are at hand, also where an output was added."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from bridge.capture.ports import Batch
from bridge.capture.session_store import SessionStore
from bridge.capture.shard_keys import ShardKeys
from bridge.records.shard_facts import LogMark
from bridge.transcript.gap_codes import OUTGROWN, OUTPUT_ADDED, UNFINISHED
from bridge.transcript.updates import JoinRefused, QuarantinedInput, Verdict
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.hand_fed_shard import feed, settled, until
from tests.capture.sealed_shard import KEYS, KeysLog, SealedShard
from tests.capture.stored_documents_of import READ_AT, stored
from tests.capture.test_session_store import NOW, announcement
from tests.capture.two_outputs import MASKED, PARTITION, WHOLE, WrittenOutput, settings_of
from tests.capture.virtual_servers import play
from tests.capture.written_topics import CHECKPOINTS, TOPICS
from tests.sealing.known_keys import CountedKeys, KnownMaster
from tests.support.reasons import A_REFUSAL, NO_JSON
from tests.transcript.build import CHAT, history, joined, said

if TYPE_CHECKING:
    from bridge.capture.inbox import Input
    from bridge.capture.outputs import Output
    from bridge.capture.session_store_settings import SessionStoreSettings

DAY = 86_400_000_000
FEW = 1_050
"""Bytes of a checkpoint's record that the topic takes: less than any chat's."""
REFUSED = JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW)
OPEN_STORED = stored(joined(1), said(2), final=False)
FOLLOWED: list[Input] = [announcement(), history(joined(1), said(2))]


def settings_with(keys: ShardKeys, *outputs: Output, **changes: Any) -> SessionStoreSettings:
    sealed = [replace(one, recording=replace(one.recording, keys=keys)) for one in outputs]
    return settings_of(*sealed, keys=keys, partition_of=lambda _: PARTITION, **changes)


@dataclass
class SealedStore:
    """One shard whose outputs are all sealed, and whose transactions all succeed. It begins with one output."""

    given_up_chats: int = 64
    master: KnownMaster = field(default_factory=KnownMaster)
    log: KeysLog = field(default_factory=KeysLog)
    topic: CompactedTopic = field(default_factory=CompactedTopic)
    new_key: CountedKeys = field(default_factory=CountedKeys)

    def __post_init__(self) -> None:
        self.added, self.masked = WrittenOutput(WHOLE), WrittenOutput(MASKED)
        self.keys = self._keys()
        self.store = SessionStore(PARTITION, self._settings(MASKED))

    def _keys(self) -> ShardKeys:
        return ShardKeys(PARTITION, KEYS, self.master, self.new_key)

    def _settings(self, *outputs: Output, **changes: Any) -> SessionStoreSettings:
        return settings_with(self.keys, *outputs, given_up_chats=self.given_up_chats, **changes)

    async def fold(self, *inputs: Input, now: int = NOW) -> None:
        """Commit a batch, with the steps that a shard takes."""
        await self.keys.ready(inputs, self.store.needing_keys(now))
        plan = self.store.fold(list(inputs), now)
        await self.keys.wrap(plan.batch)
        self.topic.commit(plan)
        self.log.write(plan.batch)
        for one in (self.added, self.masked):
            one.take(plan.batch)
        self.keys.settled(plan.batch, self.store.chats.keys())

    async def restart(self, *outputs: Output, checkpoint_bytes: int = 1_000_000) -> None:
        """Go on from the checkpoints and the keys, with these outputs."""
        self.keys = self._keys()
        await self.keys.read(self.log, LogMark(b"keys 1", 0, len(self.log.records)))
        limits = {**dict.fromkeys(TOPICS.values(), 1_000_000), "audit.events": 9_000, CHECKPOINTS: checkpoint_bytes}
        self.store = self.topic.restored(PARTITION, self._settings(*outputs, limits=limits))

    def ended(self, code: str) -> None:
        """Check that the chat ended with this gap in both outputs, in the added one as one that began before."""
        assert [one["gap"]["code"] for one in self.added.records()] == [OUTPUT_ADDED, code]
        assert self.masked.records()[-1]["gap"]["code"] == code
        for one in (self.added, self.masked):
            assert len(one.certificates()) >= 1
            assert [str(finding) for finding in one.findings()] == []
        assert (list(self.log.wrapped()), len(self.log.records)) == ([CHAT], 1)


def test_a_chat_whose_last_text_never_comes_is_closed_in_an_output_that_was_added() -> None:
    async def scene() -> None:
        shard = SealedStore()
        await shard.fold(*OPEN_STORED)
        await shard.restart(WHOLE, MASKED)
        await shard.fold(now=READ_AT + DAY + 2)
        shard.ended(UNFINISHED)

    play(scene())


@pytest.mark.parametrize("state", ["followed", "stored", "given up", "packed"])
def test_a_chat_that_is_too_large_when_all_is_written_again_is_ended_in_an_output_that_was_added(state: str) -> None:
    async def scene() -> None:
        shard = SealedStore(given_up_chats=0 if state == "packed" else 64)
        await shard.fold(*(OPEN_STORED if state == "stored" else FOLLOWED))
        if state in {"given up", "packed"}:
            await shard.fold(REFUSED)
        await shard.restart(WHOLE, MASKED, checkpoint_bytes=FEW)
        await shard.fold()
        assert shard.store.packed == (1 if state == "packed" else 0)
        shard.store.adopt(())
        await shard.fold()
        shard.ended(OUTGROWN)

    play(scene())


def test_a_chat_that_is_too_large_when_input_makes_it_doubtful_is_ended_in_an_output_that_was_added() -> None:
    async def scene() -> None:
        shard = SealedStore()
        await shard.fold(*FOLLOWED)
        await shard.restart(WHOLE, MASKED, checkpoint_bytes=FEW)
        await shard.fold(QuarantinedInput("chat-1:4800", b"?", NO_JSON, 1, followed=(CHAT,), observed_at=NOW))
        assert [one["gap"]["code"] for one in shard.added.records()] == [OUTPUT_ADDED, OUTGROWN]

    play(scene())


@pytest.mark.parametrize("again", [False, True], ids=["expired", "written again"])
def test_a_chat_that_begins_nowhere_is_ended_without_its_key(again: bool) -> None:
    async def scene() -> None:
        shard = SealedStore()
        await shard.fold(*OPEN_STORED)
        await shard.restart(MASKED, checkpoint_bytes=FEW)
        shard.master.fails = True  # a key that does not open may be that of any chat
        if again:
            shard.store.adopt(())
        await shard.fold(now=READ_AT + 1 if again else READ_AT + DAY + 2)
        assert shard.masked.records()[-1]["gap"]["code"] == (OUTGROWN if again else UNFINISHED)

    play(scene())


@dataclass
class LaterOutput(SealedShard):
    """Both outputs are sealed; what its chat began with is on the topics of one of them."""

    closed_retention_us: int = DAY

    def settings(self, keys: ShardKeys, owner: int = 1) -> SessionStoreSettings:
        return settings_with(keys, WHOLE, MASKED, owner=owner, closed_retention_us=self.closed_retention_us)

    async def begin(self, *inputs: Input) -> None:
        before = SealedStore(log=self.logs)
        await before.fold(*inputs)
        self.sealed, self.kept.topic.values = before.masked, before.topic.values

    def ended(self, code: str) -> None:
        """Check that the chat ended with this gap in the output that was added."""
        assert [one["gap"]["code"] for one in self.clear.records()] == [OUTPUT_ADDED, code]
        assert [str(one) for output in (self.clear, self.sealed) for one in output.findings()] == []


def test_a_shard_closes_a_chat_that_expires_in_an_output_that_was_added() -> None:
    async def scene() -> None:
        shard = LaterOutput(closed_retention_us=1)
        await shard.begin(*OPEN_STORED)
        async with shard.running() as running:
            await until(lambda: bool(shard.clear.certificates()))
            await settled(running)
        shard.ended(UNFINISHED)

    play(scene())


def test_a_shard_that_writes_its_last_plan_again_ends_a_chat_that_is_too_large_then() -> None:
    async def scene() -> None:
        shard = LaterOutput()
        await shard.begin(*FOLLOWED)
        unreadable = QuarantinedInput("chat-1:4800", b"?", NO_JSON, 1, observed_at=NOW)
        async with shard.running() as running:
            feed(running, [unreadable])
            await settled(running)
            shard.kept.limits = {**shard.kept.limits, CHECKPOINTS: FEW}
            shard.kept.topic.values.clear()  # Kafka forgets them, and refuses the next transaction
            shard.kept.refuse = 1
            feed(running, [unreadable])
            await until(lambda: bool(shard.clear.certificates()))
            await settled(running)
        shard.ended(OUTGROWN)

    play(scene())


@pytest.mark.parametrize("written_again", [True, False])
def test_a_key_that_a_plan_destroyed_is_gone_for_what_is_written_again_and_there_for_what_is_decided_again(
    written_again: bool,
) -> None:
    async def scene() -> None:
        log, keys = KeysLog(), ShardKeys(PARTITION, KEYS, KnownMaster(), CountedKeys())
        first, plan, again = Batch(), Batch(), Batch()
        for name in (CHAT, "another"):
            keys.seal_of(name)
        keys.add(first)
        await keys.wrap(first)
        log.write(first)
        keys.settled(first, [CHAT, "another"])
        plan.records += [keys.forget(CHAT), keys.forget("another")]
        sealed = keys.seal_of(CHAT).seal("message.text", 1, "hello")  # it was announced again
        keys.add(plan)
        await keys.read(log, LogMark(b"keys 1", 0, len(log.records)))
        keys.lost()
        if written_again:
            await keys.wrap(plan)
            keys.add(again)
            await keys.wrap(again)
            for one in (plan, again):
                log.write(one)
                keys.settled(one, [CHAT])
            assert list(log.wrapped()) == [CHAT]
            assert keys.seal_of(CHAT).opened("message.text", 1, sealed) == "hello"
        else:
            keys.undone()
            keys.add(again)
            assert [(one.key.decode(), one.value) for one in again.on(KEYS)] == list(log.wrapped().items())
            with pytest.raises(RuntimeError, match="not made ready"):
                keys.seal_of(CHAT)

    play(scene())
