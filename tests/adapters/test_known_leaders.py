"""A partition without a leader is named, instead of being asked about without end."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition

from bridge.adapters.kafka.calls import call, unavailable
from bridge.adapters.kafka.log_ends import know_leaders, without_leader
from bridge.errors import LeaderMissing
from tests.capture.virtual_servers import play

if TYPE_CHECKING:
    from collections.abc import Callable

LED, LEADERLESS = TopicPartition("events", 2), TopicPartition("announcements", 2)


@dataclass
class ElectingClient:
    """A client whose cluster tells of a partition what `leader` returns for the number of answers so far."""

    leader: Callable[[int], int | None]
    answers: int = 0
    _topics: set[str] = field(default_factory=set)

    @property
    def cluster(self) -> Any:
        return SimpleNamespace(leader_for_partition=lambda at: 1 if at == LED else self.leader(self.answers))

    @property
    def asked_for(self) -> set[str]:
        return self._topics

    def set_topics(self, topics: set[str]) -> None:
        self._topics = topics

    async def force_metadata_update(self) -> None:
        self.answers += 1


def known(leader: Callable[[int], int | None]) -> ElectingClient:
    client = ElectingClient(leader)
    play(call(know_leaders(client, [LED, LEADERLESS]), unavailable("cannot look")))
    return client


def test_a_partition_that_has_no_leader_for_a_second_is_named() -> None:
    with pytest.raises(LeaderMissing, match="cannot look: partition 2 of announcements has no leader"):
        known(lambda _: -1)


def test_those_with_a_leader_are_told_apart_from_those_without() -> None:
    assert play(without_leader(ElectingClient(lambda _: -1), [LED, LEADERLESS])) == [LEADERLESS]


def test_a_leader_that_is_elected_meanwhile_is_waited_for() -> None:
    client = known(lambda answers: -1 if answers < 4 else 3)
    assert (client.answers, client.asked_for) == (4, {"events", "announcements"})


def test_what_is_not_known_is_left_to_the_question_for_offsets() -> None:
    assert known(lambda _: None).answers == 1
