from __future__ import annotations

from typing import Any

import pytest

from bridge.commands.captured_events import NOT_AWAITED, CapturedEvents, faults

A, B, NEW = "0000CHATA0000001", "0000CHATB0000001", "0000CHATNEW00001"
LEDGER = {(A, 1): "", (A, 2): "hello", (A, 3): "bye", (B, 1): "", (NEW, 1): ""}


def record(chat: str, event_id: int | None, text: str | None = None, **more: Any) -> dict[str, Any]:
    message = None if text is None else {"text": text}
    return {
        "id": f"{chat}:{event_id}", "sessionId": chat, "eventId": event_id, "amends": None, "message": message, **more
    }  # fmt: skip


def captured(*records: dict[str, Any]) -> CapturedEvents:
    found = CapturedEvents()
    for one in records:
        found.note(one)
    return found


FIRST = [record(A, 1), record(A, 2, "hello"), record(B, 1)]


def test_all_that_the_ledger_has_is_no_fault() -> None:
    numbers = captured(*FIRST, record(A, 3, "bye"), record(NEW, 1), record(A, None)).compared(LEDGER, cut=False)
    assert (numbers["chats"], numbers["events"], faults(numbers)) == (3, 5, [])


def test_what_comes_after_a_cut_is_not_waited_for_and_without_one_it_is_missing() -> None:
    numbers = captured(*FIRST).compared(LEDGER, cut=True)
    assert (numbers["chats"], numbers[NOT_AWAITED], faults(numbers)) == (2, 2, [])
    assert captured(*FIRST).compared(LEDGER, cut=False)["missing"] == 2


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize(
    ("records", "fault"),
    [
        ([record(A, 1), record(A, 3, "bye")], "missing"),
        ([*FIRST, record(A, 2, "hello")], "duplicates"),
        ([*FIRST, record(B, 2, "never said")], "invented"),
        ([record(A, 1), record(A, 2, "hallo")], "altered"),
    ],
)
def test_a_fault_before_the_last_event_of_a_chat_is_one_with_and_without_a_cut(
    records: list[dict[str, Any]], fault: str, cut: bool
) -> None:
    assert fault in faults(captured(*records).compared(LEDGER, cut=cut))


def test_an_amendment_is_no_event_of_its_own() -> None:
    numbers = captured(*FIRST, record(A, 2, "changed", id="another", amends="0")).compared(LEDGER, cut=True)
    assert (numbers["altered"], numbers["duplicates"], numbers["events"]) == (0, 0, 3)
