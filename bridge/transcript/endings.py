"""How a chat ended, and by whom: the codes in a certificate, and what of a transcript tells it.

Sources: reason codes of partyLeft, quit-reason-code, and the signs of an end (protocol facts, 4.8 and 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript import gap_codes, link_codes
from bridge.transcript.events import IDLE_CONTROL_CLOSE, PARTY_LEFT, USER_TYPES, find

if TYPE_CHECKING:
    from collections.abc import Collection

    from bridge.transcript.events import ChatEvent
    from bridge.transcript.parties import Parties

CLOSED: Final = "CLOSED"
IDLE: Final = "IDLE"
REMOVED: Final = "REMOVED"
LOST: Final = "LOST"
RESTORED_ELSEWHERE: Final = "RESTORED_ELSEWHERE"
UNKNOWN: Final = "UNKNOWN"

ENDINGS: Final = {
    CLOSED: ("The source said that the chat is over. `endedBy` names who asked for it, if an event tells.", "Nothing."),
    IDLE: ("The source said that the chat is over, after its last events said that it was idle.", "Nothing."),
    REMOVED: (
        "The server ended the bridge's part in the chat, and it could not be joined again. It may have gone on.",
        "Look at who removes silent monitors from chats.",
    ),
    LOST: (
        "The bridge stopped following the chat, for a reason that a GAP names. It may have gone on.",
        "See the code of the GAP.",
    ),
    RESTORED_ELSEWHERE: (
        "The chat was announced at another server, and could not be joined there. It may have gone on.",
        "Check the announcement and that server.",
    ),
    UNKNOWN: (
        "Nobody said how the chat ended: no server has it, it was never joined, or the certificate is one of 0.1.0.",
        "Read the end from the stored transcript.",
    ),
}
"""Code of how a chat ended -> what it means, and what to do."""

CLOSES: Final = frozenset((1, 2))
"""Reason codes of a party that left with the request to close the chat (if no agents; forcedly)."""
STOPPED: Final = 5
INACTIVE: Final = 7
_QUIT_REASON: Final = ("GCTI_SYSTEM", "quit-reason-code")
_OWN_REASONS: Final = frozenset(
    (
        gap_codes.OUT_OF_REACH,
        gap_codes.HISTORY_TOO_LONG,
        gap_codes.STATE_LOST,
        gap_codes.OUTGROWN,
        gap_codes.INTERNAL,
    )
)
"""Codes of what makes the bridge stop following a chat."""


class ChatEnd(NamedTuple):
    """An event that may have ended a chat: how, and by whom. `user_id` None: by the server."""

    event_id: int
    ending: str
    user_id: str | None
    user_type: str | None


def closing_by(event: ChatEvent, parties: Parties) -> ChatEnd | None:
    """Return how an event may have ended its chat; None if it tells nothing of it."""
    notice = event.notice_text
    if notice is not None and notice.notice_type == IDLE_CONTROL_CLOSE:
        return _closing(event, IDLE, event.user_id, parties)
    if event.event_type != PARTY_LEFT:
        return None
    code = None if event.reason is None else event.reason.code
    if code is None:
        told = find(event.event_attributes, *_QUIT_REASON)
        code = int(told) if told in (str(STOPPED), str(INACTIVE)) else None
    if code in CLOSES:
        return _closing(event, CLOSED, event.user_id, parties)
    if code == STOPPED:
        return ChatEnd(event.event_id, CLOSED, None, None)
    if code == INACTIVE:
        return _closing(event, IDLE, event.asker_id or event.user_id, parties)
    return None


def _closing(event: ChatEvent, ending: str, user_id: str, parties: Parties) -> ChatEnd:
    user_type = parties.type_of(user_id)
    return ChatEnd(event.event_id, ending, user_id, user_type if user_type in USER_TYPES else None)


def ending_of(
    *, over: bool, closing: ChatEnd | None, away: str | None, reasons: Collection[str]
) -> tuple[str, str | None, str | None]:
    """Return how a chat ended, by whom, and that party's type.

    `over`: the source said that it is; `away` is the code of the interval that lasts; `reasons` are the certificate's.
    """
    if gap_codes.OUTGROWN in reasons:
        return LOST, None, None
    if over:
        return (CLOSED, None, None) if closing is None else (closing.ending, closing.user_id, closing.user_type)
    if away == link_codes.REMOVED:
        return REMOVED, None, None
    if away == link_codes.ANNOUNCED_ELSEWHERE:
        return RESTORED_ELSEWHERE, None, None
    return LOST if _OWN_REASONS.intersection(reasons) else UNKNOWN, None, None
