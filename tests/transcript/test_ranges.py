from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge.transcript.ranges import IdRanges

IDS = st.integers(-3, 25)
PAIRS = st.lists(st.tuples(IDS, st.integers(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=6)


def members(pairs: list[tuple[int, int]]) -> set[int]:
    """The plain set that pairs stand for."""
    return {value for low, high in pairs for value in range(low, high + 1)}


class RangesAgainstASet(RuleBasedStateMachine):
    """Whatever is added in whatever order, the ranges say what a plain set says."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges = IdRanges()
        self.model: set[int] = set()

    @rule(value=IDS)
    def add(self, value: int) -> None:
        self.ranges.add(value)
        self.model.add(value)

    @rule(steps=st.lists(st.integers(1, 3), max_size=5))
    def add_rising_ids(self, steps: list[int]) -> None:
        value = max(self.model, default=0)
        for step in steps:
            value += step
            self.add(value)

    @rule(pairs=PAIRS)
    def begin_anew_from_pairs(self, pairs: list[tuple[int, int]]) -> None:
        self.ranges = IdRanges(pairs)
        self.model = members(pairs)

    @rule(low=IDS, high=IDS)
    def missing_between(self, low: int, high: int) -> None:
        holes = self.ranges.missing_between(low, high)
        assert members(holes) == set(range(low, high + 1)) - self.model
        assert holes == IdRanges(holes).pairs()

    @rule(low=IDS, high=IDS)
    def within(self, low: int, high: int) -> None:
        found = self.ranges.within(low, high)
        assert members(found) == self.model & set(range(low, high + 1))
        assert found == IdRanges(found).pairs()

    @invariant()
    def says_what_the_set_says(self) -> None:
        assert list(self.ranges) == sorted(self.model)
        assert len(self.ranges) == len(self.model)
        assert self.ranges.maximum == max(self.model, default=None)
        probes = range(-5, max(self.model, default=0) + 3)
        assert [value in self.ranges for value in probes] == [value in self.model for value in probes]

    @invariant()
    def has_the_fewest_pairs_in_rising_order(self) -> None:
        pairs = self.ranges.pairs()
        assert all(low <= high for low, high in pairs)
        assert all(first[1] + 1 < second[0] for first, second in pairwise(pairs))

    @invariant()
    def equals_whatever_has_the_same_ids(self) -> None:
        assert self.ranges == IdRanges((value, value) for value in self.model)
        beyond = max(self.model, default=0) + 1
        assert self.ranges != IdRanges([*self.ranges.pairs(), (beyond, beyond)])


TestRangesAgainstASet = RangesAgainstASet.TestCase


@given(PAIRS)
def test_pairs_may_come_in_any_order_touch_and_overlap(pairs: list[tuple[int, int]]) -> None:
    assert list(IdRanges(reversed(pairs))) == sorted(members(pairs))


def test_ranges_show_as_a_short_list() -> None:
    assert repr(IdRanges([(1, 5), (7, 7)])) == "1-5,7"
    assert repr(IdRanges()) == ""


def test_ranges_equal_nothing_but_ranges() -> None:
    assert IdRanges() != []
