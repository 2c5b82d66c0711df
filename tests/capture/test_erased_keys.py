"""A shard whose transaction with an erasure fails, whatever Kafka forgets meanwhile: the destroyed key stays away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.capture.stored_inputs import ErasureRequested, StoredPlace
from bridge.errors import KafkaUnavailable
from tests.capture.hand_fed_shard import feed, settled, until
from tests.capture.sealed_shard import SealedShard
from tests.capture.test_session_store import NOW, announcement
from tests.capture.virtual_servers import play
from tests.transcript.build import CHAT, history, joined, said

REQUEST = ErasureRequested(CHAT, StoredPlace(8, "ab"), "request-1", NOW)
BEGUN = announcement()


@pytest.mark.parametrize("begins_again", [False, True], ids=["erased", "begins again"])
@pytest.mark.parametrize("checkpoints", ["there", "forgotten"])
@pytest.mark.parametrize("keys", ["there", "forgotten"])
def test_a_destroyed_key_does_not_come_back(keys: str, checkpoints: str, begins_again: bool) -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, [BEGUN, history(joined(1), said(2), over=True)])
            await settled(running)
            destroyed, before = shard.logs.wrapped()[CHAT], len(shard.opened())
            if checkpoints == "forgotten":
                shard.kept.topic.values.clear()
            if keys == "forgotten":
                shard.logs.make_again()
            shard.kept.refuse = 1
            running.stored_received(REQUEST, 100)
            if begins_again:
                feed(running, [replace(BEGUN, offset=BEGUN.offset + 1), history(joined(1), said(2))])
            await settled(running)
        there = shard.logs.wrapped()
        assert (CHAT in there, there.get(CHAT) == destroyed) == (begins_again, False)
        if begins_again:
            del shard.sealed.events[:before]
            assert shard.opened()  # with the key that is there now

    play(scene())


def test_a_plan_that_is_decided_without_its_erasure_takes_the_key_that_is_on_the_topic() -> None:
    async def scene() -> None:
        shard = SealedShard()
        async with shard.running() as running:
            feed(running, [BEGUN, history(joined(1), said(2), over=True)])
            await settled(running)
            key, check = shard.logs.wrapped()[CHAT], running._check_assignment

            async def unknown() -> None:
                raise KafkaUnavailable("scripted: rebalancing")

            running._check_assignment = unknown
            shard.kept.refuse = 1
            running.stored_received(REQUEST, 100)
            feed(running, [replace(BEGUN, offset=BEGUN.offset + 1), history(joined(1), said(2), said(3))])
            await until(lambda: not shard.kept.refuse)
            async with shard.running(owner=2) as other:  # which is to read the request again, and has not
                feed(other, [announcement("0000TEST00000002", offset=BEGUN.offset + 2)])
                await settled(other)
            running._check_assignment = check
            await settled(running)
        assert shard.logs.wrapped()[CHAT] == key
        assert [one["eventId"] for one in shard.opened() if one["sessionId"] == CHAT and one["message"]] == [2, 3]

    play(scene())
