"""Whom the next owner of a shard gives the time to remove its claim: only workers that are in the group."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.capture import shard_claims
from bridge.errors import ShardFenced
from tests.capture.claimed_kafka import ClaimedKafka, batch, play, taken
from tests.capture.hand_fed_shard import until

if TYPE_CHECKING:
    from collections.abc import Iterable

ONE, TWO = "one", "two"
SHARD = 0


def claimed(key: str, claimant: str) -> ClaimedKafka:
    """Return a Kafka in which somebody who does nothing any more has claimed the shard."""
    kafka = ClaimedKafka()
    kafka.logs[SHARD].append((key, claimant))
    return kafka


def looks(kafka: ClaimedKafka, name: str) -> int:
    """Let a worker take the shard from who has claimed it; return how often it looked whether the claim was removed."""

    async def takes() -> None:
        before = dict(kafka.epochs)
        [held] = await taken(kafka.worker(name), SHARD)
        assert kafka.in_force(SHARD) == [name]
        assert held.fenced
        assert kafka.epochs != before

    play(takes())
    return sum(shard == SHARD for shard, _ in kafka.reads) - 1  # the first one finds the claim


@pytest.mark.parametrize("members", [[TWO], [TWO, "three"]])
def test_who_has_left_the_group_is_fenced_at_once(members: Iterable[str]) -> None:
    kafka = claimed("/claim/one/1", ONE)
    kafka.group = set(members)
    assert looks(kafka, TWO) == 0
    assert kafka.epochs[ONE] == 1


@pytest.mark.parametrize("members", [{ONE, TWO}, {"three"}, set[str](), None])  # but for the first, nothing is known
def test_who_may_be_in_the_group_is_fenced_when_it_has_had_its_time(
    members: set[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_claims, "GRACE", 0.02)
    kafka = claimed("/claim/one/1", ONE)
    kafka.group = members
    assert looks(kafka, TWO) == shard_claims._LOOKS
    assert kafka.epochs[ONE] == 1


def test_a_claim_of_a_former_process_of_ones_own_is_not_waited_for() -> None:
    kafka = claimed("/claim/two/1", f"{TWO}:2")
    kafka.group = {ONE, TWO}
    assert looks(kafka, TWO) == 0
    assert kafka.epochs[f"{TWO}:2"] == 1


def test_only_who_is_in_the_group_is_waited_for_and_then_all_others_are_fenced() -> None:
    """The claims of several former holders may be there: each took the shard, and was ended before it removed them."""
    kafka = claimed("/claim/three/1", "three")
    kafka.group = {ONE, TWO}

    async def takes() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        kafka.logs[SHARD].append(("/claim/one/1", ONE))
        taking = asyncio.create_task(taken(two, SHARD))
        await until(lambda: TWO in kafka.in_force(SHARD) and len(kafka.reads) > 1)
        kafka.logs[SHARD].append(("/claim/one/1", None))
        await taking
        await taken(one, 1)

    play(takes())
    assert (kafka.epochs["three"], kafka.epochs[ONE]) == (1, 1)  # one's own: it has taken another shard
    assert kafka.in_force(SHARD) == [TWO]


def test_a_worker_that_stops_is_fenced_and_hears_of_it_with_its_next_commit() -> None:
    kafka = ClaimedKafka(group={ONE, TWO})

    async def stops() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        [held] = await taken(one, SHARD)
        kafka.group = {TWO}
        await taken(two, SHARD)
        with pytest.raises(ShardFenced):
            await one.commit(held, batch(SHARD, "a"))

    play(stops())
    assert kafka.committed[SHARD] == []
