"""What the members of the consumer group tell about workers."""

from __future__ import annotations

from dataclasses import replace

from bridge.doctor.results.check_result import CheckState
from bridge.doctor.results.group_members import GroupFacts, SeenGroup, SeenMember, group_results

TOPIC = "chat.capture.announcements.v1"
FACTS = GroupFacts("chatbridge", "w1", "here", TOPIC, 3)
FIRST = SeenMember("w1-a", "w1", "here", (TOPIC,))
SECOND = SeenMember("w2-a", "w2", "there", (TOPIC,))


def codes(*looks: SeenGroup, facts: GroupFacts = FACTS) -> list[str]:
    return [line.code for line in group_results(facts, looks)]


def stable(*members: SeenMember) -> SeenGroup:
    return SeenGroup("Stable", members)


def test_a_stable_group_of_workers_is_ok_and_names_them() -> None:
    (line,) = group_results(FACTS, [stable(FIRST, SECOND), stable(FIRST, SECOND)])
    assert line.state is CheckState.OK
    assert "2 members: w1, w2" in line.detail


def test_a_group_without_members_is_a_warning() -> None:
    assert codes(SeenGroup("Dead", ())) == codes(SeenGroup("Empty", ())) == ["GROUP_EMPTY"]


def test_a_group_that_is_not_stable_at_the_last_look_is_a_warning() -> None:
    assert codes(stable(FIRST), SeenGroup("PreparingRebalance", (FIRST,))) == ["GROUP_REBALANCING"]
    assert codes(SeenGroup("PreparingRebalance", (FIRST,)), stable(FIRST)) == ["OK"]


def test_processes_that_replace_each_other_under_one_id_are_a_failure_that_names_it() -> None:
    (line,) = group_results(FACTS, [stable(FIRST), stable(replace(FIRST, member_id="w1-b"))])
    assert (line.code, line.state) == ("WORKER_ID_CHANGES", CheckState.FAILED)
    assert "as w1 within seconds" in line.detail


def test_the_id_of_these_settings_on_another_host_is_a_warning_that_names_the_host() -> None:
    (line,) = group_results(FACTS, [stable(replace(FIRST, host="elsewhere"))])
    assert (line.code, line.state) == ("WORKER_ID_ELSEWHERE", CheckState.WARNING)
    assert "a process on elsewhere" in line.detail
    assert codes(stable(replace(FIRST, host=""))) == ["OK"], "a worker that does not tell its host"


def test_other_software_in_the_group_is_a_failure() -> None:
    dynamic = SeenMember("consumer-1-x", "", "", (TOPIC,))
    other_topic = SeenMember("w9-a", "w9", "there", ("other.chat.capture.announcements.v1",))
    assert codes(stable(FIRST, dynamic)) == ["GROUP_SHARED"]
    assert codes(stable(FIRST, other_topic)) == ["GROUP_SHARED"]


def test_more_workers_than_partitions_are_a_warning() -> None:
    many = [SeenMember(f"w{n}-a", f"w{n}", "there", (TOPIC,)) for n in range(2, 6)]
    (line,) = group_results(FACTS, [stable(*many)])
    assert line.code == "WORKERS_WITHOUT_SHARD"
    assert "1 worker has no shard" in line.detail
    assert codes(stable(*many), facts=replace(FACTS, partitions=None)) == ["OK"]
