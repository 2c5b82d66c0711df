"""A worker's consumer failed: the next one takes its place in the group, and what the old one still sent is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

import pytest
from aiokafka.errors import UnknownMemberIdError
from aiokafka.protocol.group import LeaveGroupRequest

from bridge.adapters.kafka.aiokafka_internals import member_id
from bridge.adapters.kafka.announcement_consumer import AnnouncementConsumer
from bridge.adapters.kafka.member_place import MemberPlace
from bridge.errors import PlaceTaken
from tests.integration.test_aiokafka_running_clients import members, until
from tests.integration.test_transactional_writer import play

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection


class Joined:
    """A consumer in its group; `assignments` are all that it was given. As a context manager it leaves at the end."""

    def __init__(self, settings: KafkaConnection, worker: str, session_timeout: float = 30) -> None:
        self.consumer = AnnouncementConsumer(settings, worker_id=worker, session_timeout=session_timeout)
        self.assignments: list[frozenset[int]] = []

    async def __aenter__(self) -> Self:
        await self.consumer.start(self.assigned)
        await until(lambda: self.assignments)
        return self

    async def assigned(self, partitions: frozenset[int]) -> None:
        self.assignments.append(partitions)

    async def __aexit__(self, *_: object) -> None:
        await self.consumer.leave()

    @property
    def id(self) -> str:
        return member_id(self.consumer._started())


async def endless(consumer: AnnouncementConsumer) -> None:
    while True:
        await consumer.fetch(frozenset())


def test_a_member_that_another_process_has_replaced_does_not_replace_it_in_turn(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        async with Joined(settings, "same", session_timeout=6) as first:
            other = replace(settings, place=MemberPlace("another-host"))
            async with Joined(other, "same", session_timeout=6) as second:
                with pytest.raises(PlaceTaken, match="on another-host"):
                    await endless(first.consumer)
                await first.consumer.abandon()
                again = AnnouncementConsumer(settings, worker_id="same", session_timeout=6)
                await again.start(first.assigned)
                with pytest.raises(PlaceTaken):
                    await endless(again)
                await again.abandon()
                assert await members(settings) == [second.id]
            await again.outlast_successor()  # the other one has left

    play(scenario, broker)


def test_an_abandoned_member_can_leave_the_group_all_the_same(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        async with Joined(settings, "worker-1") as failed, Joined(settings, "worker-2") as other:
            await until(lambda: len(failed.assignments) == 2 and all(failed.assignments[-1:] + other.assignments[-1:]))
            everything = failed.assignments[-1] | other.assignments[-1]
            await failed.consumer.abandon()
            await failed.consumer.leave()
            assert await members(settings) == [other.id]
            await until(lambda: other.assignments[-1] == everything)
            assert await failed.consumer.taken_over()

    play(scenario, broker)


def test_a_consumer_takes_the_place_of_one_that_was_abandoned_and_no_partition_moves(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        async with Joined(settings, "worker-1") as failed, Joined(settings, "worker-2") as other:
            await until(lambda: len(failed.assignments) == 2 and all(failed.assignments[-1:] + other.assignments[-1:]))
            former, known = failed.id, list(other.assignments)
            await failed.consumer.abandon()
            assert former in await members(settings), "it has left"
            async with Joined(settings, "worker-1") as successor:
                assert successor.assignments == failed.assignments[-1:]
                assert sorted(await members(settings)) == sorted([successor.id, other.id])
                # What the former one may have had on its way: it names a member that is none any more.
                coordinator = successor.consumer._started()._coordinator
                answer = await coordinator._send_req(LeaveGroupRequest(settings.group, former))
                assert answer.error_code == UnknownMemberIdError.errno
                for partition in successor.assignments[-1]:
                    await successor.consumer.check_assignment(partition)
                assert other.assignments == known, "partitions moved"

    play(scenario, broker)
