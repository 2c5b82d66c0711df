from __future__ import annotations

import pytest

from bridge.capture.retention import closed_retention
from bridge.facts import ClosedRetentionExtended

DAY = 86_400.0


@pytest.mark.parametrize(
    ("setting", "events", "announcements", "used"),
    [
        (3 * DAY, 7 * DAY, 3 * DAY, 7 * DAY),
        (30 * DAY, 7 * DAY, 3 * DAY, 30 * DAY),
        (1.0, 2 * DAY, 3 * DAY, 3 * DAY),
        (DAY, None, 3 * DAY, None),
        (30 * DAY, 7 * DAY, None, None),
    ],
)
def test_a_closed_chat_is_remembered_for_the_longest_of_setting_events_and_announcements(
    setting: float, events: float | None, announcements: float | None, used: float | None
) -> None:
    assert closed_retention(setting, (events, announcements)) == used


def test_the_warning_names_what_is_set_what_kafka_keeps_and_what_is_used() -> None:
    told = ClosedRetentionExtended(setting=DAY, events=7 * DAY, announcements=3 * DAY, used=7 * DAY)
    assert told.line() == {"setting": DAY, "events": 7 * DAY, "announcements": 3 * DAY, "used": 7 * DAY}
    ever = ClosedRetentionExtended(setting=DAY, events=None, announcements=DAY, used=None)
    assert ever.line() == {"setting": DAY, "events": "for ever", "announcements": DAY, "used": "for ever"}
