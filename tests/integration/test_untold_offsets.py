"""A coordinator that does not tell what the group has committed: that is not a group that has committed nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.commit import OffsetFetchResponse_v3

from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.log_positions import KafkaShardLogs
from bridge.announcement import Announcement
from bridge.errors import AccessDenied, KafkaUnavailable
from tests.integration.test_member_replaced import Joined
from tests.integration.test_partition_reading import coordinated
from tests.integration.test_transactional_writer import group_offset, play
from tests.support.told_offsets import refused, told_offsets

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection

ANNOUNCED = 40
LOADING = GroupLoadInProgressError.errno
MOVED = NotCoordinatorForGroupError.errno


def test_it_is_an_error_of_a_look(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        questions, topic = asking_client(settings), settings.topics.announcements
        logs = KafkaShardLogs(settings, questions, 1)
        try:
            await coordinated(settings)
            assert await logs.committed() == 0  # the coordinator says that there is none: -1
            answers = told_offsets(monkeypatch)
            answers.append(OffsetFetchResponse_v3(0, [(topic, [(1, 7, "", 0)])], 0))
            assert await logs.committed() == 7
            denied = OffsetFetchResponse_v3(0, [(topic, [(1, -1, "", TopicAuthorizationFailedError.errno)])], 0)
            for answer, error in (
                (refused(LOADING), KafkaUnavailable),
                (refused(MOVED), KafkaUnavailable),
                (refused(GroupAuthorizationFailedError.errno), AccessDenied),
                (denied, AccessDenied),
                (refused(0), KafkaUnavailable),
            ):
                answers.append(answer)
                with pytest.raises(error):
                    await logs.committed()
            assert answers == []
        finally:
            await questions.close()

    play(scenario, broker)


@pytest.mark.parametrize("code", [LOADING, MOVED])
def test_a_member_asks_again_and_neither_begins_at_the_beginning_nor_commits_that(
    broker: str, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        answers, producer = told_offsets(monkeypatch), AnnouncementProducer(settings)
        try:
            await producer.announce(
                [
                    Announcement(session_id=f"0000ONCE{number:08}", host="chat-1", port=4800)
                    for number in range(ANNOUNCED)
                ]
            )
        finally:
            await producer.close()
        async with Joined(settings, "worker-1") as member:
            first = await read(member)
            partition = max(first, key=lambda one: len(first[one]))
            [last] = first[partition][-1:]
            await member.consumer._started().commit({TopicPartition(settings.topics.announcements, partition): last})
            answers.append(refused(code))
            await member.consumer.check_assignment(partition)
            assert (answers, await group_offset(settings, partition)) == ([], last)
            answers.append(refused(code))
            await member.consumer.reread(partition)
            assert (answers, await read(member)) == ([], {partition: [last]})
        answers.append(refused(code))
        async with Joined(settings, "worker-1") as member:
            assert (await read(member))[partition] == [last]
            assert answers == []

    async def read(member: Joined) -> dict[int, list[int]]:
        """Return the offsets of what comes: of nothing more when there was nothing for a second."""
        found: dict[int, list[int]] = {}
        while records := await member.consumer.fetch(frozenset()):
            for record in records:
                found.setdefault(record.partition, []).append(record.offset)
        return found

    play(scenario, broker)
