"""What is remembered of how a chat was watched, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript.client_versions import withholds_events

if TYPE_CHECKING:
    from bridge.transcript.endings import ChatEnd

_PAIR: Final = 2


class Unwatched(NamedTuple):
    """An interval in which nobody was watching, in us since 1970 UTC; `until` None: it lasts."""

    since: int
    until: int | None
    code: str


@dataclass(slots=True, frozen=True)
class Watch:
    """What is remembered of it. Times in us since 1970 UTC.

    `since_opening`: it holds from the opening of the chat on; False for one that was continued from what does not tell
    it. `history_to` is the highest id of the first history, 0 if that held no event. `unwatched` are the intervals that
    are over. `closing` is the last event that may have ended the chat. `direct_messages` says how many parties were
    seen that can take part in a direct message, at most 2.
    """

    since_opening: bool = True
    joined_at: int | None = None
    history_to: int | None = None
    lowest_version: int | None = None
    highest_version: int | None = None
    visibility: str | None = None
    sources: tuple[str, ...] = ()
    unwatched: tuple[Unwatched, ...] = ()
    unwatched_more: int = 0
    closing: ChatEnd | None = None
    direct_messages: int = 0

    def in_short(self) -> Watch:
        """Return what is kept of a chat that ended a while ago: what may make a hole one that is not expected."""
        if self.history_to is None:
            return self  # never joined, or nothing is known
        if self.direct_messages >= _PAIR and not withholds_events(self.lowest_version):
            return UNKNOWN_WATCH
        return Watch(
            since_opening=False,
            history_to=self.history_to,
            lowest_version=self.lowest_version,
            direct_messages=self.direct_messages,
        )


UNKNOWN_WATCH: Final = Watch(since_opening=False)
"""That of a chat of which nothing is known so far."""
