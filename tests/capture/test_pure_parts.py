"""Inbox, pacing and the rate limit of joins: the decisions that need neither Kafka nor a socket."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from bridge.capture.inbox import Announced, Inbox, PassedOver
from bridge.capture.pacing import REST, EventRate, earlier, linger, wait_before
from bridge.sources.chat_server.join_rate_limiter import TokenBucket


def announced(offset: int) -> Announced:
    return Announced(offset, b"{}", None, None)


class Gate:
    """Counts how often reading was paused and resumed."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def inbox(self, limit: int) -> Inbox:
        return Inbox(limit, lambda: self.calls.append("pause"), lambda: self.calls.append("resume"))


def test_a_full_inbox_pauses_reading_and_takes_all_the_same() -> None:
    gate = Gate()
    inbox = gate.inbox(100)
    for offset in range(15):
        inbox.put(announced(offset), 10, 0.0)
    assert gate.calls == ["pause"]
    assert (len(inbox), inbox.bytes) == (15, 150)


def test_what_a_transaction_holds_counts_until_it_is_committed() -> None:
    gate = Gate()
    inbox = gate.inbox(100)
    for offset in range(10):
        inbox.put(announced(offset), 10, 0.0)
    taken = inbox.take(1_000)
    assert (len(taken), len(inbox), inbox.bytes, inbox.paused) == (10, 0, 100, True)
    inbox.settle()
    assert (inbox.bytes, inbox.paused, gate.calls) == (0, False, ["pause", "resume"])


def test_reading_resumes_only_when_the_inbox_is_half_empty() -> None:
    gate = Gate()
    inbox = gate.inbox(100)
    for offset in range(10):
        inbox.put(announced(offset), 10, 0.0)
    inbox.take(40)
    inbox.settle()
    assert inbox.paused
    inbox.take(10)
    inbox.settle()
    assert not inbox.paused


def test_inputs_come_out_in_order_and_at_least_one_at_a_time() -> None:
    inbox = Gate().inbox(1_000)
    for offset in range(3):
        inbox.put(announced(offset), 500, float(offset))
    assert [one.offset for one in inbox.take(100) if isinstance(one, Announced)] == [0]
    assert inbox.age(5.0) == 5.0  # held, and not committed
    inbox.settle()
    assert inbox.age(5.0) == 4.0
    assert [one.offset for one in inbox.take(1_000) if isinstance(one, Announced)] == [1, 2]


def test_an_arrival_ends_the_wait() -> None:
    asyncio.run(_arrival_ends_the_wait())


async def _arrival_ends_the_wait() -> None:
    inbox = Gate().inbox(1_000)
    waiting = asyncio.ensure_future(inbox.arrival())
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.put(announced(0), 1, 0.0)
    await asyncio.wait_for(waiting, 1)


@pytest.mark.parametrize(
    ("rate", "seconds"), [(0, 0.0), (500, 0.0), (1_000, 0.0), (2_000, 0.05), (3_000, 0.1), (50_000, 0.1)]
)
def test_the_wait_grows_with_the_load_and_is_bounded(rate: float, seconds: float) -> None:
    assert linger(rate, 0.1) == pytest.approx(seconds)


def test_a_transaction_rests_after_the_one_before_it_and_not_longer() -> None:
    assert wait_before(0.0, 0.1, since_commit=0.001, rest=REST) == pytest.approx(REST - 0.001)
    assert wait_before(0.0, 0.1, since_commit=1.0, rest=REST) == 0.0
    assert wait_before(3_000, 0.1, since_commit=0.001, rest=REST) == pytest.approx(0.1)


def test_the_rate_follows_the_load_up_and_down() -> None:
    rate = EventRate(window=1.0)
    for tenth in range(40):
        rate.add(100, tenth / 10)
    assert rate.at(4.0) == pytest.approx(1_000, rel=0.2)
    assert rate.at(10.0) < 200


def busiest_second(times: list[float]) -> int:
    return max(sum(start <= time < start + 1 for time in times) for start in times)


def test_a_bucket_lets_what_is_above_the_rate_through_at_once_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=10, peak=30)
    delays = [bucket.reserve(0.0) for _ in range(50)]
    assert delays[:20] == [0.0] * 20
    assert delays[20:] == pytest.approx([n / 10 for n in range(1, 31)])


def test_no_second_of_a_storm_sees_more_joins_than_the_peak() -> None:
    bucket = TokenBucket(rate=10, peak=30)
    times = [bucket.reserve(0.0) for _ in range(500)]
    assert max(times) == pytest.approx(48.0)
    assert busiest_second(times) <= 30
    assert busiest_second([time for time in times if time > 1]) <= 11


def test_workers_that_share_a_server_ask_together_for_what_one_alone_may_ask_for() -> None:
    buckets = [(TokenBucket(rate=10, peak=30), share) for share in (0.5, 0.25, 0.25)]
    times = [bucket.reserve(0.0, share) for bucket, share in buckets for _ in range(int(500 * share))]
    assert max(times) == pytest.approx(48.0)
    assert busiest_second(times) <= 30


def test_a_share_that_grows_is_used_at_once() -> None:
    bucket = TokenBucket(rate=10, peak=30)
    assert [bucket.reserve(0.0, 0.1) for _ in range(4)] == pytest.approx([0.0, 0.0, 1.0, 2.0])
    assert bucket.reserve(3.0, 1.0) == 0.0
    assert not bucket.full(3.0)
    assert bucket.full(6.0)


@pytest.mark.parametrize("shards", [2, 12, 60])
def test_the_first_looks_of_shards_are_spread_over_half_an_interval(shards: int) -> None:
    found = sorted(earlier(partition) for partition in range(shards))
    between = [later - sooner for sooner, later in pairwise([*found, 0.5])]
    assert found[0] == 0
    assert min(between) > 0.1 / shards
    assert max(between) < 1.0 / shards


def test_an_inbox_tells_of_announcements_until_it_is_taken_from() -> None:
    inbox = Inbox(1_000, print, print)
    told: list[bool] = []
    for one in (PassedOver(1, 0), announced(0), PassedOver(2, 0)):
        inbox.put(one, 1, 0.0)
        told.append(inbox.announces)
    inbox.take(2)
    assert [*told, inbox.announces] == [False, True, True, True], "one is left, which may be an announcement"
    inbox.take(1_000)
    assert not inbox.announces
