from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.errors import Problem
from bridge.overview.health_summary import (
    BAD,
    FEW_CHATS_JOINED,
    NO_CHAT_JOINED,
    OK,
    OVERVIEW_CODES,
    SHARDS_UNOWNED,
    WARNING,
    health_of,
)
from bridge.overview.sample_history import Levels, SampleHistory
from bridge.overview.shard_owners import OPEN, STABLE, GroupView, OwnShard, ShardOwner, shards_of

if TYPE_CHECKING:
    from bridge.overview.worker_report import Health

THIS = ShardOwner("worker-1", "host-1")
OWN = {0: OwnShard(OPEN, 3)}
KAFKA = Problem("KAFKA_UNAVAILABLE", "no broker answers")
REPLICA = Problem("ONE_REPLICA", "events has one replica")


def health(
    joined: int,
    waiting: int = 0,
    *,
    reasons: tuple[Problem, ...] = (),
    warnings: tuple[Problem, ...] = (),
    partitions: int = 1,
    group: GroupView | None = None,
) -> Health:
    levels = Levels(oldest_uncommitted=0.0, joined=joined, waiting=waiting, given_up=5, over=9)
    shards = shards_of(partitions, OWN, THIS, group or GroupView(state=STABLE, at=0.0), 0.0)
    figures = SampleHistory(0.0).figures(levels)
    return health_of(reasons, warnings, figures, shards, {KAFKA.code: "Look at Kafka."})


def told(health: Health) -> tuple[str, str, list[str], list[str]]:
    return health.level, health.title, [one.code for one in health.reasons], [one.code for one in health.warnings]


def test_a_worker_that_captures_is_well() -> None:
    assert told(health(9, 1)) == (OK, "Ready: captures 9 of 10 chats", [], [])
    assert told(health(1)) == (OK, "Ready: captures 1 of 1 chat", [], [])


def test_a_worker_without_chats_is_well() -> None:
    assert told(health(0)) == (OK, "Ready: no chats at present", [], [])


@pytest.mark.parametrize("warnings", [(), (REPLICA,)])
def test_a_ready_worker_with_chats_of_which_none_is_joined_is_not_shown_as_well(warnings: tuple[Problem, ...]) -> None:
    found = health(0, 12, warnings=warnings)
    assert found.level == BAD
    assert found.title == "Ready, but captures nothing"
    assert found.ready
    [reason] = found.reasons
    assert (reason.code, reason.detail) == (NO_CHAT_JOINED, "none of 12 chats is joined")
    assert reason.next_step == OVERVIEW_CODES[NO_CHAT_JOINED][1]


def test_a_worker_with_half_of_its_chats_is_well_and_with_fewer_is_not_quite() -> None:
    assert told(health(5, 5))[0] == OK
    assert told(health(4, 5)) == (WARNING, "Ready, with warnings: captures 4 of 9 chats", [], [FEW_CHATS_JOINED])


def test_reasons_come_with_what_to_do() -> None:
    found = health(3, reasons=(KAFKA, Problem("NEW_CODE", "something")))
    assert told(found) == (BAD, "Not ready", [KAFKA.code, "NEW_CODE"], [])
    assert not found.ready
    assert [one.next_step for one in found.reasons] == ["Look at Kafka.", ""]


def test_both_reasons_are_told_when_a_worker_is_not_ready_and_has_no_chat_joined() -> None:
    assert told(health(0, 4, reasons=(KAFKA,))) == (BAD, "Not ready", [KAFKA.code, NO_CHAT_JOINED], [])


def test_a_warning_does_not_make_it_unready() -> None:
    found = health(3, warnings=(REPLICA,))
    assert told(found) == (WARNING, "Ready, with warnings: captures 3 of 3 chats", [], [REPLICA.code])
    assert found.ready


def test_shards_without_a_worker_are_a_warning_when_the_group_says_so() -> None:
    assert told(health(3, partitions=4))[3] == [SHARDS_UNOWNED]
    assert health(3, partitions=4).warnings[0].detail == "3 shards of 4 without a worker"
    assert told(health(3, partitions=4, group=GroupView(unknown_because="no right")))[3] == []
    assert told(health(3, partitions=4, group=GroupView(state="PreparingRebalance", at=0.0)))[3] == []
