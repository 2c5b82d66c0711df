"""How a chat was watched: joins, intervals in which nobody was in it, versions in force, what may have ended it.

Nobody says when a worker dies: then an interval begins when the chat was last known to be watched (NOT_TOLD).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.transcript.endings import closing_by
from bridge.transcript.entries import UCS
from bridge.transcript.events import PARTY_LEFT
from bridge.transcript.link_codes import AWAY_CODES
from bridge.transcript.watch import Unwatched

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.parties import Parties
    from bridge.transcript.updates import TranscriptUpdate
    from bridge.transcript.watch import Watch

MAX_INTERVALS: Final = 32
"""Intervals of one chat that are remembered; of those that come after them only the number."""

NOT_TOLD: Final = "NOT_TOLD"

UNWATCHED_CODES: Final = {
    **AWAY_CODES,
    NOT_TOLD: (
        "Nobody said when it began: `from` is the last time at which the chat is known to have been watched.",
        "Look at what became of the worker at that time: it was killed, or handed the shard over.",
    ),
}
"""Code of an interval in which nobody was watching -> why it began, and what to do."""


class Watching:
    """A Watch as it is used. `changes` is raised with every change of it.

    `away` is the interval that is not over yet; `seen_at` is the time of the chat's last checkpoint, in us since 1970
    UTC, None before the first: a worker that dies leaves no later sign.
    """

    __slots__ = ("away", "changes", "seen_at", "watch")

    def __init__(self, watch: Watch, away: Unwatched | None, seen_at: int | None) -> None:
        """Go on from what was remembered."""
        self.watch = watch
        self.away = away
        self.seen_at = seen_at
        self.changes = 0

    def intervals(self) -> list[Unwatched]:
        """Return all intervals that are remembered."""
        return [*self.watch.unwatched, *([self.away] if self.away is not None else [])]

    # --- what happens --------------------------------------------------------------------------------------------

    def take(self, update: TranscriptUpdate) -> None:
        """Take note of the source, the version in force and our party's visibility."""
        watch, version = self.watch, None if update.source == UCS else update.version
        if (
            update.source in watch.sources
            and (version is None or version in (watch.lowest_version, watch.highest_version))
            and (update.visibility is None or update.visibility == watch.visibility)
        ):
            return
        versions = [one for one in (version, watch.lowest_version, watch.highest_version) if one is not None]
        self._set(
            replace(
                watch,
                sources=tuple(sorted({*watch.sources, update.source})),
                lowest_version=min(versions, default=None),
                highest_version=max(versions, default=None),
                visibility=update.visibility or watch.visibility,
            )
        )

    def first_history(self, update: TranscriptUpdate) -> None:
        """Take note of a history, or a part of one, of a chat of which no history was seen to the end yet."""
        if update.source == UCS:
            return
        self.away, watch = None, self.watch
        joined_at = update.observed_at if watch.joined_at is None else watch.joined_at
        highest = max([watch.history_to or 0, *update.told_ids])
        if (joined_at, highest) != (watch.joined_at, watch.history_to):
            self._set(replace(watch, joined_at=joined_at, history_to=highest))

    def resumed(self, at: int) -> None:
        """Take note of a further history, which came `at`."""
        away, watch = self.away or self._not_told(at), self.watch
        self.away = None
        if len(watch.unwatched) < MAX_INTERVALS:
            self._set(replace(watch, unwatched=(*watch.unwatched, away._replace(until=at))))
        else:
            self._set(replace(watch, unwatched_more=watch.unwatched_more + 1))

    def lost(self, since: int, code: str) -> int:
        """Begin an interval; one that is not over yet goes on. Return when it begins, or `since` if that is later."""
        if self.away is None:
            self.away = Unwatched(since, None, code)
            self.changes += 1
        return max(since, self.away.since)

    def given_up(self, at: int) -> None:
        """Take note that nobody will watch the chat any more, as of `at`."""
        if self.away is None:
            self.away = self._not_told(at)
            self.changes += 1

    def _not_told(self, at: int) -> Unwatched:
        """Return an interval that is found `at`; what waited is older than the checkpoints written meanwhile."""
        return Unwatched(at if self.seen_at is None else min(at, self.seen_at), None, NOT_TOLD)

    def told(self, event: ChatEvent, parties: Parties) -> None:
        """Take note of an event that may end the chat, or of one that shows that no former event did."""
        closing = self.watch.closing
        if closing is None:
            if event.reason is None and event.notice_text is None:
                return
        elif event.event_id < closing.event_id:
            return
        new = closing_by(event, parties)
        if new is None and event.event_type == PARTY_LEFT:
            return  # others leave with the one who ended it
        if new != closing:
            self._set(replace(self.watch, closing=new))

    def count_parties(self, able: int) -> None:
        """Take note of how many parties are known that can take part in a direct message."""
        if min(able, 2) > self.watch.direct_messages:
            self._set(replace(self.watch, direct_messages=min(able, 2)))

    def _set(self, watch: Watch) -> None:
        self.watch = watch
        self.changes += 1
