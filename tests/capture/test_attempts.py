"""What is told of a shard that could not be opened, and of one whose transaction failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bridge.capture.shard_recovery import ShardRecovery
from bridge.errors import (
    BridgeError,
    KafkaUnavailable,
    PartitionsRaised,
    SealingFailed,
    SigningFailed,
    TopicMismatch,
)
from bridge.facts import KafkaErrorMet, PartitionsAdopted, ShardNotOpened, ShardTaken, TransactionFailed
from tests.capture.scripted_kafka import ScriptedWriter
from tests.capture.virtual_engine import VirtualEngine
from tests.capture.virtual_servers import play

if TYPE_CHECKING:
    from bridge.capture.shard_recovery import Repair

A = "chat-1:4800"
ONE = "0000GONE00000001"
OUTAGE_SECONDS = 60


def test_a_shard_that_cannot_be_read_back_was_not_opened_and_no_transaction_of_it_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def unreadable(_: object) -> list[tuple[str, bytes]]:
        raise KafkaUnavailable("scripted: the partition has no leader")

    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            with monkeypatch.context() as patch:
                patch.setattr(ScriptedWriter, "checkpoints", unreadable)
                await engine.start(0)
                await asyncio.sleep(OUTAGE_SECONDS)
            assert (len(engine.facts(ShardNotOpened)), engine.facts(TransactionFailed)) == (1, [])
            assert len(engine.facts(KafkaErrorMet)) > 1
            await asyncio.sleep(OUTAGE_SECONDS)
            assert len(engine.facts(ShardTaken)) == 1

    play(scene())


@pytest.mark.parametrize(
    ("error", "of_kafka"),
    [
        (KafkaUnavailable("away"), True),
        (TopicMismatch("a limit"), True),
        (SealingFailed("no master key"), False),
        (SigningFailed("no key"), False),
    ],
)
def test_what_is_no_error_of_kafka_is_not_counted_as_one(
    monkeypatch: pytest.MonkeyPatch, error: BridgeError, *, of_kafka: bool
) -> None:
    async def fails(_: object, __: object) -> None:
        raise error

    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            await engine.start(0)
            with monkeypatch.context() as patch:
                patch.setattr(ScriptedWriter, "commit", fails)
                engine.kafka.announce(0, ONE, A)
                await asyncio.sleep(5)
            assert engine.facts(TransactionFailed)
            assert bool(engine.facts(KafkaErrorMet)) == of_kafka

    play(scene())


def test_no_transaction_failed_when_all_topics_were_raised_as_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    raised = True

    async def look(recovery: ShardRecovery, *arguments: Any) -> Repair:
        nonlocal raised
        if raised:
            raised = False
            raise PartitionsRaised("the topics have 24 partitions now, and had 12")
        return await known(recovery, *arguments)

    known = ShardRecovery.look

    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            await engine.start(0)
            monkeypatch.setattr(ShardRecovery, "look", look)
            await asyncio.sleep(OUTAGE_SECONDS)
            assert not raised
            assert engine.facts(PartitionsAdopted) == [PartitionsAdopted(shard=0)]
            assert [engine.facts(kind) for kind in (TransactionFailed, KafkaErrorMet, ShardNotOpened)] == [[], [], []]
            assert len(engine.facts(ShardTaken)) == 2

    play(scene())
