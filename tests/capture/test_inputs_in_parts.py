"""An update that is taken in parts: order within its chat, fairness to the others, and what it counts as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.announcement import Announcement
from bridge.capture.inbox import Announced, Inbox, memory_of
from bridge.transcript.events import ChatTranscript
from bridge.transcript.updates import JoinRefused, LinkDown, TranscriptUpdate, Verdict
from tests.support.reasons import A_REFUSAL
from tests.transcript.build import said
from tests.transcript.waiting_events import PART_BYTES, InParts

if TYPE_CHECKING:
    from bridge.capture.inbox import Input

LONG, OTHER = "0000LONG00000001", "0000OTHER0000001"


def numbered(count: int) -> InParts:
    """Events 1 to `count`, one in each part."""
    return InParts([[said(number)] for number in range(1, count + 1)])


def inbox(limit: int = 10**6) -> Inbox:
    return Inbox(limit, lambda: None, lambda: None)


def long(parts: int, *, over: bool = False) -> TranscriptUpdate:
    return TranscriptUpdate(ChatTranscript(LONG), over, snapshot=True, waiting=numbered(parts))


def pushed(session_id: str, event_id: int) -> TranscriptUpdate:
    return TranscriptUpdate(ChatTranscript(session_id, chat_event_list=[said(event_id)]), over=False, snapshot=False)


def announced(session_id: str) -> Announced:
    return Announced(0, b"", None, Announcement(session_id=session_id, host="chat-2", port=4800))


def told(inputs: list[Input]) -> list[tuple[str, list[int]] | str]:
    return [(one.session_id, one.ids) if isinstance(one, TranscriptUpdate) else type(one).__name__ for one in inputs]


def test_what_comes_for_the_chat_is_taken_after_the_last_part_and_what_comes_for_others_is_not_behind_it() -> None:
    queue = inbox()
    queue.put(long(3), 10, 1.0)
    queue.put(pushed(LONG, 9), 10, 2.0)
    queue.put(LinkDown(LONG, A_REFUSAL), 10, 3.0)
    queue.put(pushed(OTHER, 1), 10, 4.0)
    queue.put(pushed(OTHER, 2), 10, 5.0)
    taken = []
    while len(queue):
        taken.append(told(queue.take(memory_of(PART_BYTES) + 20)))
        queue.settle()
    assert taken == [
        [(OTHER, [1]), (OTHER, [2]), (LONG, [1])],
        [(LONG, [2]), (LONG, [3])],
        [(LONG, [9]), "LinkDown"],
    ]


def test_what_came_for_the_chat_before_it_is_taken_before_it() -> None:
    queue = inbox()
    queue.put(pushed(LONG, 1), 10, 1.0)
    queue.put(LinkDown(LONG, A_REFUSAL), 10, 2.0)
    queue.put(long(2), 10, 3.0)
    queue.put(LinkDown(LONG, A_REFUSAL), 10, 4.0)
    queue.put(long(1), 10, 5.0)
    taken: list[object] = []
    while len(queue):
        taken += told(queue.take(1))
        queue.settle()
    assert taken == [(LONG, [1]), "LinkDown", (LONG, [1]), (LONG, [2]), "LinkDown", (LONG, [1])]


def test_an_announcement_of_a_chat_that_was_given_up_does_not_overtake_that() -> None:
    queue = inbox()
    queue.put(long(2), 10, 1.0)
    queue.put(announced(LONG), 10, 2.0)
    queue.put(JoinRefused(LONG, 0, A_REFUSAL, Verdict.NEVER), 10, 3.0)
    queue.put(announced(OTHER), 10, 4.0)
    queue.put(announced(LONG), 10, 5.0)
    queue.put(pushed(OTHER, 1), 10, 6.0)
    taken = []
    while len(queue):
        taken.append(told(queue.take(memory_of(PART_BYTES) + 20)))
        queue.settle()
    assert taken == [
        ["Announced", "Announced", (LONG, [1])],
        [(LONG, [2]), "JoinRefused"],
        ["Announced", (OTHER, [1])],
    ]


def test_two_long_updates_are_taken_in_turn() -> None:
    queue = inbox()
    queue.put(long(2), 10, 1.0)
    second = TranscriptUpdate(ChatTranscript(OTHER), over=False, snapshot=True, waiting=numbered(2))
    queue.put(second, 10, 1.0)
    assert told(queue.take(3 * memory_of(PART_BYTES))) == [(LONG, [1]), (OTHER, [1]), (LONG, [2])]
    assert queue.in_parts
    assert told(queue.take(3 * memory_of(PART_BYTES))) == [(OTHER, [2])]
    assert not queue.in_parts


def test_the_end_of_the_chat_and_nothing_before_it_is_said_by_the_last_part() -> None:
    queue = inbox()
    queue.put(long(3, over=True), 10, 1.0)
    parts = queue.take(10 * memory_of(PART_BYTES))
    assert [part.over for part in parts if isinstance(part, TranscriptUpdate)] == [False, False, True]


def test_a_part_counts_while_a_transaction_holds_it_and_the_rest_is_told_and_pauses_nothing() -> None:
    calls: list[str] = []
    queue = Inbox(3 * PART_BYTES, lambda: calls.append("pause"), lambda: calls.append("resume"))
    queue.put(long(50), 400, 1.0)
    assert (queue.bytes, queue.uncommitted, queue.updates, calls) == (50 * PART_BYTES, 1, 1, [])
    [part] = queue.take(1)
    assert isinstance(part, TranscriptUpdate)
    assert queue.bytes == 49 * PART_BYTES + memory_of(PART_BYTES)
    assert queue.age(5.0) == 4.0
    queue.settle()
    assert (queue.bytes, queue.uncommitted, calls) == (49 * PART_BYTES, 1, [])


def test_one_that_nobody_else_bounds_fills_the_inbox_until_its_last_part() -> None:
    calls: list[str] = []
    queue = Inbox(3 * PART_BYTES, lambda: calls.append("pause"), lambda: calls.append("resume"))
    queue.put(long(4), memory_of(4 * PART_BYTES), 1.0)
    assert calls == ["pause"]
    for expected in (["pause"], ["pause"], ["pause"], ["pause", "resume"]):
        queue.take(1)
        queue.settle()
        assert calls == expected
    assert queue.bytes == 0
