"""What is signed is what is committed; what cannot be signed is not committed, and nothing of it is lost."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from bridge.capture.shard_evidence import CHECKPOINT, KEYS, STATEMENT, edge_in
from bridge.capture.shard_recovery import ShardRecovery
from bridge.capture.signing import SigningPreparation
from bridge.errors import SigningFailed
from bridge.evidence.anchors import parsed_tree_head
from bridge.evidence.certificate_signature import check_signature
from bridge.evidence.key_list import parsed_key_list
from bridge.facts import TransactionFailed
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.checkpoint_reader import read_checkpoints
from tests.capture.disturbed_chat import announced
from tests.capture.evidence_topics import ANCHORS, LEAVES, EvidenceTopics, evidence
from tests.capture.hand_fed_shard import feed, hand_fed_shard, settled, until, while_it_runs
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_logs import NAMES, SteadyLogs
from tests.capture.test_commit_answers import KeepingWriter, KeptPartition, kept_partition
from tests.capture.test_session_store import WRITERS, settings
from tests.capture.virtual_servers import VirtualClock, play
from tests.capture.written_topics import SESSIONS
from tests.evidence.signing_keys import ORIGIN, KnownKey, listed
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bridge.capture.ports import Batch
    from bridge.capture.shard import Shard

FIRST, SECOND = KnownKey(1), KnownKey(2)


@dataclass
class ChangingKey:
    """A `Signer` whose key is replaced, or fails."""

    key: KnownKey = FIRST
    fails: bool = False

    async def sign(self, messages: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        await asyncio.sleep(0.5)
        if self.fails:
            raise SigningFailed("scripted: no key")
        return await self.key.sign(messages)


class SigningWriter(KeepingWriter):
    """Keeps what of evidence is committed, too."""

    def __init__(self, kept: KeptPartition, topics: EvidenceTopics) -> None:
        super().__init__(kept)
        self._topics, self._kept_partition = topics, kept

    async def commit(self, batch: Batch) -> None:
        lost = self._kept_partition.lose
        try:
            await super().commit(batch)
        except Exception:
            if lost > self._kept_partition.lose:
                self._topics.write(batch.records)
            raise
        self._topics.write(batch.records)


def codes(shard: Shard) -> list[str]:
    return [one.code for one in shard.problems]


@dataclass
class SigningShard:
    """A shard that signs, fed by hand."""

    signer: ChangingKey = field(default_factory=ChangingKey)
    kept: KeptPartition = field(default_factory=kept_partition)
    topics: EvidenceTopics = field(default_factory=EvidenceTopics)
    told: RecordedFacts = field(default_factory=RecordedFacts)
    keys: list[KnownKey] = field(default_factory=lambda: [FIRST, SECOND])

    @asynccontextmanager
    async def running(self, owner: int = 1, **changes: Any) -> AsyncIterator[Shard]:
        clock, evident = VirtualClock(), evidence(**changes)
        of_shard = settings(owner=owner, partition_of=lambda _: 3, evidence=evident)
        logs = SteadyLogs({**NAMES, "leaves": LEAVES, "anchors": ANCHORS})
        shard = hand_fed_shard(
            3,
            lambda _: SigningWriter(self.kept, self.topics),
            clock,
            self.told,
            of_shard,
            preparation=SigningPreparation(evident, (SESSIONS,), self.signer, lambda: listed(self.keys)),
            recovery=ShardRecovery(3, logs, of_shard, partitions=2, interval=30.0, clock=clock, telemetry=self.told),
        )
        async with while_it_runs(shard):
            yield shard

    def check(self, *keys: KnownKey) -> None:
        """Check all signatures, and that the tree is that of the certificates."""
        public = [key.public for key in keys]
        for payload, record in self.topics.sessions:
            check_signature(payload, record["signature"], public)
        for note in (*self.topics.notes(CHECKPOINT), *self.topics.notes(STATEMENT)):
            assert note.signed_by([one.named(ORIGIN) for one in public])
        marker, _ = read_checkpoints(
            WRITERS, [(key, value) for key, value in self.kept.topic.values.items() if key == MARKER_KEY]
        )
        assert marker is not None
        assert marker.tree is not None
        assert edge_in(marker.tree) == self.topics.tree()


def test_every_signature_covers_the_record_that_is_committed() -> None:
    async def scene() -> None:
        shard = SigningShard()
        async with shard.running() as running:
            feed(running, [announced(CHAT, 0), history(joined(1), said(2))])
            await settled(running)
            feed(running, [push(said(3), over=True)])
            await settled(running)
            feed(running, [push(said(4))])  # after its end: a certificate that supersedes the first one
            await settled(running)
        assert [record["state"] for _, record in shard.topics.sessions] == ["OPENED", "CLOSED", "CLOSED"]
        shard.check(FIRST)
        heads = [parsed_tree_head(note.text) for note in shard.topics.notes(CHECKPOINT)]
        assert [one.origin for one in heads] == [ORIGIN] * len(heads)
        assert heads

    play(scene())


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
def test_what_is_decided_again_is_signed_again_and_has_one_leaf(lost: bool) -> None:
    async def scene() -> None:
        shard = SigningShard()
        async with shard.running() as running:
            feed(running, [announced(CHAT, 0), history(joined(1), said(2))])
            await settled(running)
            shard.kept.lose, shard.kept.refuse = int(lost), int(not lost)
            feed(running, [push(said(3), over=True)])
            await settled(running)
        assert shard.told.count(TransactionFailed) == 1
        assert list(shard.topics.leaves) == ["3/0"]
        shard.check(FIRST)

    play(scene())


def test_without_a_key_nothing_is_committed_and_afterwards_all_of_it_is() -> None:
    async def scene() -> None:
        shard = SigningShard()
        async with shard.running() as running:
            feed(running, [announced(CHAT, 0), history(joined(1), said(2))])
            await settled(running)
            shard.signer.fails, before = True, len(shard.kept.events)
            feed(running, [push(said(3), over=True)])
            await until(lambda: shard.told.count(TransactionFailed) > 1)
            assert codes(running) == [SigningFailed.code]
            assert (len(shard.kept.events), shard.topics.leaves) == (before, {})
            shard.signer.fails = False
            await settled(running)
            assert codes(running) == []
        assert len(shard.kept.events) == before + 1
        assert list(shard.topics.leaves) == ["3/0"]
        shard.check(FIRST)

    play(scene())


def test_another_owner_with_another_key_goes_on_with_the_same_tree() -> None:
    async def scene() -> None:
        shard = SigningShard()
        async with shard.running(owner=1, lists_keys=True) as running:
            feed(running, [announced("a", 0), announced("b", 1)])
            feed(running, [announced(CHAT, 2), history(joined(1), said(2, "x"), over=True)])
            await settled(running)
        shard.signer.key = SECOND
        async with shard.running(owner=2, lists_keys=True) as running:
            feed(running, [push(said(3), over=True)])
            await settled(running)
        assert list(shard.topics.leaves) == ["3/0", "3/1"]
        keys = [record["signature"]["keyId"] for _, record in shard.topics.sessions if record["certificate"]]
        assert keys == [FIRST.public.key_id, SECOND.public.key_id]
        shard.check(FIRST, SECOND)
        lists = [value.decode() for kind, value in shard.topics.anchors if kind == KEYS]
        assert [[one.key for one in parsed_key_list(text)] for text in lists] == [[FIRST.public, SECOND.public]] * 2

    play(scene())


def test_a_list_of_keys_is_written_again_when_it_has_changed_and_by_each_owner() -> None:
    async def scene() -> None:
        shard = SigningShard()
        for owner in (1, 2):
            async with shard.running(owner=owner, lists_keys=True, anchor_records=1) as running:
                feed(running, [announced(CHAT, owner), history(joined(1), said(owner * 10 + 1))])
                await settled(running)
                feed(running, [push(said(owner * 10 + 2))])
                await settled(running)
                shard.keys = [FIRST, SECOND, KnownKey(owner + 2)]
                feed(running, [push(said(owner * 10 + 3))])
                await settled(running)
        lists = [parsed_key_list(value.decode()) for kind, value in shard.topics.anchors if kind == KEYS]
        third, fourth = KnownKey(3).public, KnownKey(4).public
        assert [one[-1].key for one in lists] == [SECOND.public, third, third, fourth]
        assert len(shard.topics.notes(CHECKPOINT)) == 6

    play(scene())
