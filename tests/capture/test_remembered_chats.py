"""How many chats that are over are remembered as a whole, and for how long."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.capture.remembered_chats import LONG_OVER_CHATS, LONG_OVER_US
from bridge.capture.stored_settings import StoredSettings
from bridge.transcript.times import parse_start_at
from tests.capture.stored_documents_of import never_announced, stored
from tests.capture.test_session_store import SECOND
from tests.capture.written_topics import STORED
from tests.transcript.build import joined, said

if TYPE_CHECKING:
    from bridge.capture.inbox import Input
    from tests.capture.recorded_shard import RecordedShard

HOUR = 3_600 * SECOND
STARTED = (parse_start_at("2031-03-04T10:00:00Z") or 0) * 1_000
"""When the chats of these tests started, in us since 1970 UTC; their last event comes some seconds later."""


def shard_at(now: int, *, remembered_chats: int = 1_000) -> RecordedShard:
    shard = never_announced()
    shard.settings = replace(shard.settings, stored=StoredSettings(STORED, HOUR, remembered_chats))
    shard.now = now
    return shard.restarted()


def arrived(number: int, now: int, text: str = "hello") -> list[Input]:
    """What a shard gets of the final text of a chat that was read `now`."""
    read = stored(joined(1), said(2, text), offset=number, session_id=f"S{number}")
    return [replace(one, observed_at=now) for one in read]


def amended(shard: RecordedShard, number: int) -> bool:
    """Let the text of a chat change; tell whether that is an amendment."""
    before = len(shard.events)
    shard.fold(*arrived(number, shard.now, "edited"))
    return len(shard.events) > before


@pytest.mark.parametrize(("passed", "remembered"), [(0, True), (LONG_OVER_US + 1, False)])
def test_a_chat_that_ended_long_before_it_was_read_is_soon_forgotten(passed: int, remembered: bool) -> None:
    shard = shard_at(STARTED + 2 * HOUR)
    shard.fold(*arrived(1, shard.now))
    shard.now += passed
    shard.fold()
    assert amended(shard, 1) is remembered
    assert [one["verdict"] for one in shard.certificates()] == ["COMPLETE"] * (1 + remembered)
    assert shard.findings() == []


@pytest.mark.parametrize(("passed", "remembered"), [(HOUR // 2, True), (HOUR + 1, False)])
def test_a_chat_that_ended_just_now_is_remembered_as_long_as_edits_are_looked_for(
    passed: int, remembered: bool
) -> None:
    shard = shard_at(STARTED + HOUR // 2)
    shard.fold(*arrived(1, shard.now))
    shard.now += passed
    shard.fold()
    assert amended(shard, 1) is remembered


def test_a_bulk_read_keeps_a_few_chats_whole_and_forgets_the_first_ones_first() -> None:
    shard = shard_at(STARTED + 2 * HOUR)
    count = 3 * LONG_OVER_CHATS
    for number in range(1, count + 1):
        shard.fold(*arrived(number, shard.now))
    shard.fold()
    assert len(shard.store.chats) == LONG_OVER_CHATS
    assert [amended(shard, number) for number in (1, count - LONG_OVER_CHATS, count)] == [False, False, True]
    assert len(shard.certificates()) == count + 1
    assert shard.findings() == []


def test_no_more_chats_than_that_are_remembered_however_many_end_at_once() -> None:
    shard = shard_at(STARTED, remembered_chats=3)
    for number in range(1, 10):
        shard.fold(*arrived(number, shard.now))
    shard.fold()
    assert set(shard.store.chats) == {"S7", "S8", "S9"}
    shard.restarted().fold()
    assert set(shard.store.chats) == {"S7", "S8", "S9"}
    assert [amended(shard, number) for number in (6, 7)] == [False, True]
