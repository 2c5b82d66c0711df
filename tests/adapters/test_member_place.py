"""Who is in a worker's place in its group: itself, a predecessor, a dead process, or a living one."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from bridge.adapters.kafka.connection import KafkaConnection
from bridge.adapters.kafka.group_requests import GroupDescription, GroupMember
from bridge.adapters.kafka.member_place import MemberPlace, SuccessorWatch, host_of
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.errors import WorkerIdInUse
from tests.capture.link_surroundings import FakeClock

WORKER = "worker-1"
OURS, THEIRS = MemberPlace("web-1"), MemberPlace("web-2")
SESSION_SECONDS = 15.0


def member(place: MemberPlace, worker: str = WORKER, member_id: str = "m") -> GroupMember:
    return GroupMember(member_id, worker, place.assignor.metadata(["announcements"]).encode())


def group(*members: GroupMember, state: str = "Stable") -> GroupDescription:
    return GroupDescription(0, state, members, 0)


def watch(clock: FakeClock) -> SuccessorWatch:
    settings = KafkaConnection("127.0.0.1:1", "g", TopicNames(), place=OURS)
    return SuccessorWatch(settings, WORKER, SESSION_SECONDS, clock.monotonic)


def test_a_place_is_free_when_nobody_or_this_process_or_other_workers_are_in_the_group() -> None:
    assert OURS.occupant(WORKER, group()) is None
    assert OURS.occupant(WORKER, group(member(OURS), member(THEIRS, "worker-2"))) is None
    assert OURS.occupant(WORKER, group(member(THEIRS))) == member(THEIRS)


def test_a_process_knows_the_ids_under_which_it_has_joined_also_while_the_group_rebalances() -> None:
    place, without = MemberPlace("web-1"), GroupMember("known", WORKER, b"")
    assert place.occupant(WORKER, group(without, state="PreparingRebalance")) == without
    place.joined("known")
    assert place.occupant(WORKER, group(without, state="PreparingRebalance")) is None


def test_processes_of_one_host_are_told_apart() -> None:
    twin = MemberPlace("web-1")
    assert OURS.occupant(WORKER, group(member(twin))) == member(twin)


def test_what_is_added_to_the_metadata_does_not_disturb_the_assignor() -> None:
    for owned in ([], [TopicPartition("announcements", 3)]):
        metadata = StickyPartitionAssignor._metadata(["announcements"], owned or None, 7)
        state = {"member_assignment": owned or None, "generation": 7}
        named: Any = type("RememberingAssignor", (OURS.assignor,), state)
        read = StickyPartitionAssignor.parse_member_metadata(named.metadata(["announcements"]))
        expected = StickyPartitionAssignor.parse_member_metadata(metadata)
        assert (read.partitions, read.subscription) == (expected.partitions, expected.subscription)


def assigned(partitions: int, *places: MemberPlace) -> dict[str, Any]:
    """Return what the first of these, as the leader of their group, assigns to each."""
    topic, cluster = "announcements", ClusterMetadata()
    cluster._partitions = {topic: dict.fromkeys(range(partitions))}
    members = {str(number): place.assignor.metadata([topic]) for number, place in enumerate(places)}
    found: dict[str, Any] = places[0].assignor.assign(cluster, members)
    return found


def test_each_member_hears_of_how_many_partitions_an_assignment_was_made() -> None:
    leader, other = MemberPlace("web-1"), MemberPlace("web-2")
    made = assigned(5, leader, other)
    assert sorted(len(one.partitions()) for one in made.values()) == [2, 3]
    for place, one in zip((leader, other), made.values(), strict=True):
        place.assignor.on_assignment(ConsumerProtocolMemberAssignment.decode(one.encode()))
        assert place.covered == 5


def test_of_an_assignment_by_a_former_version_that_is_not_known() -> None:
    place = MemberPlace("web-1")
    place.covered = 5
    place.assignor.on_assignment(ConsumerProtocolMemberAssignment(0, [("announcements", [0, 1])], b""))
    assert place.covered == 0


def test_a_member_that_knows_more_partitions_sends_something_else_and_still_who_it_is() -> None:
    place = MemberPlace("web-1")
    before = member(place)
    place.known = 8
    assert member(place).metadata != before.metadata
    assert host_of(member(place)) == "web-1"
    assert place.occupant(WORKER, group(member(place))) is None
    assert sum(len(one.partitions()) for one in assigned(8, place, THEIRS).values()) == 8


def test_a_member_that_outlives_the_session_time_out_lives_and_is_named_with_its_host() -> None:
    clock = FakeClock()
    look = watch(clock)
    assert not look.decided(group(member(THEIRS)))
    clock.seconds += SESSION_SECONDS
    assert not look.decided(group(member(THEIRS)))
    clock.seconds += 6
    with pytest.raises(WorkerIdInUse, match="worker_id worker-1 runs on web-2 ") as caught:
        look.decided(group(member(THEIRS)))
    assert caught.value.exit_code == 3
    assert not caught.value.retryable


def test_a_dead_process_goes_away_and_the_place_is_free() -> None:
    clock = FakeClock()
    look = watch(clock)
    assert not look.decided(group(member(THEIRS)))
    clock.seconds += SESSION_SECONDS
    assert look.decided(group())


def test_a_member_that_joins_anew_is_given_the_whole_time_again() -> None:
    clock = FakeClock()
    look = watch(clock)
    for member_id in ("first", "second", "third"):
        assert not look.decided(group(member(THEIRS, member_id=member_id)))
        clock.seconds += SESSION_SECONDS + 6


def test_while_the_group_rebalances_nothing_is_told_by_who_is_there() -> None:
    clock = FakeClock()
    look = watch(clock)
    for _ in range(5):
        assert not look.decided(group(member(THEIRS), state="PreparingRebalance"))
        clock.seconds += SESSION_SECONDS + 6


def test_a_member_that_says_nothing_of_its_host_is_no_error() -> None:
    assert host_of(GroupMember("m", WORKER, b"")) == "a host that it does not name"
