"""What a start finds out from the checkpoints of any shard, also while a partition has no leader."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bridge import start_findings
from bridge.capture.stored_marker import StoredMarker
from bridge.config import load
from bridge.errors import CheckpointsOfOthers, LeaderMissing
from bridge.records.shard_facts import ShardFacts
from bridge.records.writer_schemas import WriterSchemas
from bridge.start_findings import check_first_marker

if TYPE_CHECKING:
    from collections.abc import Sequence

OWN, OTHER = (StoredMarker(ShardFacts(group, 3), (3,)) for group in ("chatbridge", "another"))
NO_LEADER = LeaderMissing("a partition has no leader")


def check(monkeypatch: pytest.MonkeyPatch, shards: Sequence[StoredMarker | LeaderMissing | None]) -> list[int]:
    """Check the markers of these shards; return which of them were asked for one."""
    asked: list[int] = []

    async def marker_of(partition: int, _: object) -> StoredMarker | None:
        asked.append(partition)
        found = shards[partition]
        if isinstance(found, LeaderMissing):
            raise found
        return found

    def logs_of(partition: int) -> Any:
        return partition

    monkeypatch.setattr(start_findings, "stored_marker", marker_of)
    config = load(None, {}, {})
    asyncio.run(check_first_marker(config, logs_of, WriterSchemas.shipped(), len(shards)))
    return asked


def test_the_first_marker_that_there_is_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch, [None, OWN, OTHER]) == [0, 1]
    assert check(monkeypatch, [None, None]) == [0, 1]


def test_a_partition_without_a_leader_does_not_hold_up_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch, [NO_LEADER, OWN, OTHER]) == [0, 1]
    with pytest.raises(CheckpointsOfOthers):
        check(monkeypatch, [NO_LEADER, None, OTHER])


def test_without_any_marker_that_can_be_read_the_start_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LeaderMissing):
        check(monkeypatch, [None, NO_LEADER])
