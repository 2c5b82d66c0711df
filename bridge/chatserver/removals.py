"""Whether the server has ended our part in a chat that goes on: errors that answer nothing, and our own partyLeft.

No public source says what an error looks like that is no answer, and an EventError has no attribute for a chat
(protocol facts 1.5). It is about the chat that it names, or whose join had its reference: whatever its code, the chat
is joined again. Without a chat, and without any reference, "logged out" (D18) is about the whole connection. Any
other such error may be the refusal of a join by a server that gives no references: it is kept as data, and the
time-out of the join decides. Its description is not kept: it is free text, and may quote a password.

A partyLeft of our own user id says the same, if the registration told the id. It is also among the last events of a
chat that is closed: only if no Over follows within OVER_FOLLOWS is it a removal.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.transcript.events import PARTY_LEFT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.chatserver.messages import EventError
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.updates import TranscriptUpdate

OVER_FOLLOWS: Final = 2.0
"""Seconds after our own partyLeft within which the Over of a chat that is closed is expected."""


def without_text(error: EventError) -> EventError:
    """Return the error without its description."""
    return msgspec.structs.replace(error, description="")


class Removals:
    """The chats of one connection whose transcripts say that we left, and did not ask to."""

    def __init__(self) -> None:
        """Start without chats, and without an own user id."""
        self._user_id = ""
        self._due: dict[str, float] = {}

    def registered(self, user_id: str) -> None:
        """Our parties on this connection have this user id; empty when the server does not say it."""
        self._user_id = user_id

    @property
    def next_due(self) -> float:
        """When `due` has something to tell; infinite when it never will."""
        return next(iter(self._due.values())) if self._due else inf

    def listening_again(self, now: float) -> None:
        """Nothing was read until `now`: the Over may only be about to arrive."""
        self._due = dict.fromkeys(self._due, now + OVER_FOLLOWS)

    def seen(self, update: TranscriptUpdate, now: float) -> None:
        """Look at events that were pushed for a chat that is joined."""
        if self._user_id and (
            self._is_ours(update.transcript.chat_event_list)
            or (update.waiting is not None and self._is_ours(update.waiting.each()))
        ):
            self._due.setdefault(update.session_id, now + OVER_FOLLOWS)

    def _is_ours(self, events: Iterable[ChatEvent]) -> bool:
        """Tell whether one of the events is our own partyLeft."""
        for event in events:  # noqa: SIM110 - for each message that is pushed: a generator would cost more than this
            if event.event_type == PARTY_LEFT and event.user_id == self._user_id:
                return True
        return False

    def settled(self, session_id: str) -> None:
        """The chat is over, or left, or joined again: its partyLeft means nothing any more."""
        self._due.pop(session_id, None)

    def due(self, now: float) -> list[str]:
        """Take the chats from which we were removed, and which are not over."""
        removed = [session_id for session_id, at in self._due.items() if now >= at]
        for session_id in removed:
            del self._due[session_id]
        return removed
