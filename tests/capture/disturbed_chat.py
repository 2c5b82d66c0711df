"""Inputs whose records no event id recognises: they would be published again if they were folded again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.announcement import Announcement, encode
from bridge.capture.inbox import Announced
from bridge.errors import Problem
from bridge.transcript import input_codes
from bridge.transcript.updates import Damaged, LinkDown, QuarantinedInput
from tests.support.reasons import A_RESET, NO_JSON
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.inbox import Input

ELSEWHERE = "0000ELSEWHERE001"
"""A chat of another partition."""
CONTENT = ["PARTY_JOINED", "MESSAGE"]
DISTURBANCE = ["RESUMED", "MESSAGE", "GAP", "MESSAGE", "MESSAGE"]
QUARANTINED = [
    Problem(input_codes.UNREADABLE_EVENT, "timeShift: expected int"),
    NO_JSON,
    Problem(input_codes.ANNOUNCEMENT, "not an announcement"),
]


def announced(session_id: str, offset: int) -> Announced:
    """Return a record of the announcements partition."""
    told = Announcement(session_id=session_id, host="chat-1", port=4800)
    return Announced(offset, encode(told), session_id.encode(), told, observed_at=1_000_000)


def beginning() -> list[Input]:
    """The chat is announced and joined: CONTENT."""
    return [announced(CHAT, 0), history(joined(1), said(2, "first"))]


def disturbance() -> list[Input]:
    """A rejoin, a damaged event, a text that changes twice, an unreadable line, and announcements that are not for us.

    The events are DISTURBANCE, the quarantine records QUARANTINED; one announcement is forwarded.
    """
    damaged = replace(push(), damaged=[Damaged(b'{"eventId":4,"timeShift":"x"}', QUARANTINED[0].detail, 4)])
    return [
        LinkDown(CHAT, A_RESET, 1_500_000),
        history(joined(1), said(2, "first"), said(3, "second")),
        damaged,
        push(said(3, "second, changed")),
        push(said(3, "second, changed again")),
        QuarantinedInput("chat-1:4800", b"garbage", QUARANTINED[1], 7, followed=(CHAT,), observed_at=2_000_000),
        Announced(1, b"?", None, None, QUARANTINED[2].detail, 2_000_000),
        announced(ELSEWHERE, 2),
    ]
