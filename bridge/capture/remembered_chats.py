"""Closed chats that are at hand as a whole, about 5 KB each, and which of them are to shrink.

The time of a chat that is over begins when it was closed. Within it, a stored transcript can amend its events. A bulk
read closes chats by the thousand that ended long ago; nobody edits those any more, so only the latest few of them are
kept whole. Chats that were given up have no such time; of them, the latest are at hand.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from bridge.capture.chat import GIVEN_UP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.capture.chat import Chat
    from bridge.capture.stored_settings import StoredSettings

LONG_OVER_US: Final = 60_000_000
"""How long a chat is remembered as a whole that had ended long before: another copy of it may come right after it."""
LONG_OVER_CHATS: Final = 16
"""Most of them per shard."""


class RememberedChats:
    """The ids of these chats of a shard, those that were closed first in front. Bounded (P6)."""

    def __init__(self, settings: StoredSettings, given_up: int) -> None:
        """Begin with none; `given_up` is how many chats that were given up are at hand, at most."""
        self._settings = settings
        self._most_given_up = given_up
        self._recent: dict[str, None] = {}
        self._long_over: dict[str, None] = {}
        self._given_up: dict[str, None] = {}

    def restore(self, chats: Iterable[Chat]) -> None:
        """Take over what checkpoints hold, in any order."""
        for chat in sorted(chats, key=lambda one: one.closed_at or 0):
            self.put(chat)

    def put(self, chat: Chat) -> None:
        """Add a chat that was closed just now, or closed again."""
        self.drop(chat.session_id)
        if chat.state == GIVEN_UP:
            self._given_up[chat.session_id] = None
            return
        ended, closed = chat.ended_at, chat.closed_at or 0
        long_over = ended is not None and ended < closed - self._settings.remembered_us
        (self._long_over if long_over else self._recent)[chat.session_id] = None

    def drop(self, session_id: str) -> None:
        """Take a chat out, if it is there."""
        self._recent.pop(session_id, None)
        self._long_over.pop(session_id, None)
        self._given_up.pop(session_id, None)

    def too_many_given_up(self, most: int) -> list[str]:
        """Return the ids of chats that were given up and need not be at hand, at most so many."""
        surplus = len(self._given_up) - self._most_given_up
        return list(islice(self._given_up, min(surplus, most))) if surplus > 0 else []

    def due(self, chats: Mapping[str, Chat], now: int) -> list[str]:
        """Return the ids of those that are over and to shrink; `now` in us since 1970 UTC. `chats` has all by id."""
        settings = self._settings
        return [
            *_due(self._recent, chats, now - settings.remembered_us, settings.remembered_chats),
            *_due(self._long_over, chats, now - min(settings.remembered_us, LONG_OVER_US), LONG_OVER_CHATS),
        ]


def _due(session_ids: dict[str, None], chats: Mapping[str, Chat], before: int, most: int) -> list[str]:
    found: list[str] = []
    surplus = len(session_ids) - most
    for place, session_id in enumerate(session_ids):
        in_time = (chats[session_id].closed_at or 0) >= before
        if place >= surplus and in_time:
            break
        found.append(session_id)
    return found
