from __future__ import annotations

import random
from itertools import pairwise

import pytest

from bridge.backoff import Backoff


def longest() -> float:
    return 1.0


def shortest() -> float:
    return 0.0


def test_each_delay_is_twice_the_one_before_up_to_the_maximum() -> None:
    backoff = Backoff(longest)
    assert [backoff.next() for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_chance_takes_at_most_half_of_a_delay_away() -> None:
    backoff = Backoff(shortest)
    assert [backoff.next() for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_after_a_reset_it_begins_with_the_first_delay() -> None:
    backoff = Backoff(longest, first=3.0, factor=1.5, maximum=100.0)
    assert [backoff.next(), backoff.next()] == [3.0, 4.5]
    backoff.reset()
    assert backoff.next() == 3.0


@pytest.mark.parametrize("seed", range(20))
def test_two_that_failed_together_do_not_come_back_together(seed: int) -> None:
    one, other = Backoff(random.Random(seed).random), Backoff(random.Random(seed + 1000).random)
    pairs = [(one.next(), other.next()) for _ in range(10)]
    assert all(left != right for left, right in pairs)
    assert all(0.25 <= delay <= 10.0 for pair in pairs for delay in pair)
    assert len({later / earlier for (earlier, _), (later, _) in pairwise(pairs)}) > 1
