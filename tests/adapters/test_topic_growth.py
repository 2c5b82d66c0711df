"""From which number topics are raised, and what is refused before anything is asked of Kafka."""

from __future__ import annotations

import pytest

from bridge.adapters.kafka.topic_growth import number_before
from bridge.errors import UsageError


def test_topics_are_raised_from_the_lowest_number_that_one_of_them_has() -> None:
    assert number_before({"events": 4, "announcements": 4}, 8) == 4
    assert number_before({"events": 8, "announcements": 4}, 8) == 4
    assert number_before({"events": 8, "announcements": 8}, 8) == 8


@pytest.mark.parametrize(
    ("counts", "number", "step"),
    [
        ({"events": 8, "announcements": 8}, 4, "a higher number"),
        ({"events": 8, "announcements": 4}, 6, "--partitions 8 finishes"),
        ({"events": 8, "announcements": 4}, 16, "first --partitions 8"),
    ],
)
def test_a_lower_number_or_another_one_than_that_of_a_raise_that_was_begun_is_refused(
    counts: dict[str, int], number: int, step: str
) -> None:
    with pytest.raises(UsageError) as refused:
        number_before(counts, number)
    assert step in (refused.value.next_step or "")
