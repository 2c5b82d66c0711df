"""The comparison with tables finds what it is for: a lost, a doubled, a changed and an invented event."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.transcript.events import MESSAGE, ChatEvent, MessageText
from tests.support.stored_tables import TableComparison, compare_chat

STORED = [ChatEvent(MESSAGE, at, "01", at, message_text=MessageText(f"text {at}")) for at in (1, 2)]


def record(event: ChatEvent, text: str | None = None, **more: object) -> dict[str, Any]:
    assert event.message_text is not None
    said = event.message_text.text if text is None else text
    fields = {"kind": "MESSAGE", "timeShift": event.time_shift, "visibility": "ALL", "party": {"userId": "01"}}
    return {**fields, "message": {"text": said}, "notice": None, "amendment": None, **more}


def compared(*records: tuple[int, dict[str, Any]]) -> dict[str, int]:
    captured: dict[int, list[dict[str, Any]]] = {}
    for event_id, one in records:
        captured.setdefault(event_id, []).append(one)
    result = TableComparison()
    compare_chat("S", STORED, captured, result)
    assert result.events == len(STORED)
    return result.defects


ONE, TWO = ((event.event_id, record(event)) for event in STORED)
AMENDMENT: dict[str, Any] = {"amendment": {}}


@pytest.mark.parametrize(
    ("records", "defects"),
    [
        ([ONE, TWO], {}),
        ([ONE], {"missing": 1}),
        ([ONE, ONE, TWO], {"doubled": 1}),
        ([(1, record(STORED[0], "other")), TWO], {"different": 1}),
        ([(1, record(STORED[0], "other")), (1, record(STORED[0], **AMENDMENT)), TWO], {}),
        ([ONE, (1, record(STORED[0], "other", **AMENDMENT)), TWO], {"different": 1}),
        ([(1, record(STORED[0], **AMENDMENT)), TWO], {"missing": 1}),
        ([ONE, TWO, (3, ONE[1])], {"invented": 1}),
    ],
)
def test_each_difference_is_found(records: list[tuple[int, dict[str, Any]]], defects: dict[str, int]) -> None:
    assert compared(*records) == defects
