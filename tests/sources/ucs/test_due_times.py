"""When chats are asked again: in order, at the time that was set last, and without a memory of forgotten ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.ucs.due_times import DueTimes

CHANGES = st.lists(st.tuples(st.sampled_from("ABCD"), st.one_of(st.none(), st.integers(0, 50))), max_size=300)


@given(CHANGES, st.integers(0, 50))
def test_those_whose_time_has_come_are_found_whatever_was_replaced_or_forgotten(
    changes: list[tuple[str, int | None]], now: int
) -> None:
    due, times = DueTimes(), dict[str, int]()
    for one, at in changes:
        if at is not None:
            times[one] = at
            due.set(one, at)
        elif one in times:
            del times[one]
            due.forget(one)
    assert due.first() == min(times.values(), default=None)
    assert sorted(due.until(now, 10)) == sorted(one for one, at in times.items() if at <= now)


def test_what_was_forgotten_takes_up_no_memory_until_its_time_comes() -> None:
    due = DueTimes()
    for number in range(10_000):
        due.set(f"S{number}", 1_000_000)
        if number >= 10:
            due.forget(f"S{number - 10}")
    assert due.kept < 100
    assert due.first() == 1_000_000
