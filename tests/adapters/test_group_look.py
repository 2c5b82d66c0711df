"""Who has which shard, from what the group's coordinator says; and when it is asked."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from bridge.adapters.kafka.connection import KafkaConnection
from bridge.adapters.kafka.group_look import INTERVAL_SECONDS, GroupLook, view_of
from bridge.adapters.kafka.group_requests import GroupDescription, GroupMember
from bridge.adapters.kafka.member_place import MemberPlace
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.errors import KafkaUnavailable
from bridge.overview.shard_owners import ShardOwner

TOPIC = TopicNames("").announcements
_AUTHORIZATION_FAILED = 30
_NOT_AVAILABLE = 15


def member(worker: str, host: str, *partitions: int, topic: str = TOPIC) -> GroupMember:
    assignment = ConsumerProtocolMemberAssignment(0, [(topic, list(partitions))], b"").encode()
    metadata = MemberPlace(host).assignor.metadata([topic]).encode()
    return GroupMember(f"{worker}-some-uuid", worker, metadata, assignment)


def group(*members: GroupMember, code: int = 0) -> GroupDescription:
    return GroupDescription(code, "Stable", members, 0)


def test_each_partition_has_the_member_that_it_is_assigned_to() -> None:
    view = view_of(group(member("worker-1", "host-1", 0, 2), member("worker-2", "host-2", 1)), TOPIC, 7.0)
    first, second = ShardOwner("worker-1", "host-1"), ShardOwner("worker-2", "host-2")
    assert (view.state, view.owners, view.at) == ("Stable", {0: first, 2: first, 1: second}, 7.0)


def test_other_topics_and_members_without_an_assignment_count_for_nothing() -> None:
    view = view_of(group(member("a", "h", 0, topic="another"), GroupMember("m", "b", b"")), TOPIC, 7.0)
    assert view.owners == {}


def test_a_member_without_an_instance_id_is_named_by_its_own() -> None:
    known = member("", "host-1", 0)
    assert view_of(group(known), TOPIC, 0.0).owners[0].worker == "-some-uuid"


@pytest.mark.parametrize(
    ("description", "told"),
    [
        (group(code=_AUTHORIZATION_FAILED), "the right Describe on the group is missing"),
        (group(code=_NOT_AVAILABLE), "the group cannot be described: GroupCoordinatorNotAvailableError"),
        (group(GroupMember("m", "a", b"", b"\x00")), "an assignment cannot be read"),
    ],
)
def test_what_the_coordinator_does_not_tell_is_not_known_and_says_why(description: GroupDescription, told: str) -> None:
    with pytest.raises(KafkaUnavailable, match=told):
        view_of(description, TOPIC, 0.0)


class ScriptedLook(GroupLook):
    """A look whose coordinator the test plays."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked = 0
        self.fails = False
        super().__init__(KafkaConnection("127.0.0.1:1", "group", TopicNames("")), lambda: self.now)

    async def _describe(self) -> GroupDescription:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise KafkaUnavailable("no broker answers")
        return group(member("worker-1", "host-1", self.asked))


def test_the_group_is_asked_again_after_fifteen_seconds_however_many_look() -> None:
    async def scene() -> None:
        look = ScriptedLook()
        first, second = await asyncio.gather(look.look(), look.look())
        assert (list(first.owners), second.unknown_because) == ([1], "the group has not been asked yet")
        look.now += INTERVAL_SECONDS - 1
        assert list((await look.look()).owners) == [1]
        look.now += 1
        assert list((await look.look()).owners) == [2]
        assert look.asked == 2

    asyncio.run(scene())


def test_a_failed_attempt_says_why_and_is_not_repeated_at_once() -> None:
    async def scene() -> None:
        look = ScriptedLook()
        await look.look()
        look.fails = True
        look.now += INTERVAL_SECONDS
        for _ in range(3):
            view = await look.look()
            assert (view.unknown_because, view.owners, view.at) == ("no broker answers", {}, 100.0)
        assert look.asked == 2

    asyncio.run(scene())
