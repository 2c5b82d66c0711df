"""Who lets whom wait: the response times of human agents, and the longest silence of a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.transcript.events import CLIENT
from bridge.transcript.response_times import TimeSketch

if TYPE_CHECKING:
    from bridge.transcript.summary_members import ChatMember


class TalkTimes:
    """Follows the utterances of customers, bots and human agents that a customer sees. All times in seconds.

    A turn begins with a customer's utterance and ends with the next one of a bot or a human agent. Its clock runs
    while a human agent is there to answer it.
    """

    def __init__(self) -> None:
        """Begin before the first event."""
        self.responses = TimeSketch()
        self.first_spoken: int | None = None
        self.longest_silence: int | None = None
        self._customers: set[int] = set()
        self._silent_since = 0
        self._turn = False
        self._clock: int | None = None

    def customer_joined(self, place: int, at: int) -> None:
        """Take a customer in; the silence begins with the first of those who are there."""
        if not self._customers:
            self._silent_since = at
        self._customers.add(place)

    def customer_left(self, place: int, at: int) -> None:
        """Take a customer out; with the last one silence and turn end."""
        if place in self._customers:
            self._customers.remove(place)
            if not self._customers:
                self._heard(at)
                self._turn, self._clock = False, None

    def agents_changed(self, at: int, *, before: bool, now: bool) -> None:
        """Start or stop the clock of an open turn; `before` and `now` say whether a human agent serves."""
        if now and not before:
            self._clock = at if self._turn else None
        elif not now:
            self._clock = None

    def uttered(self, member: ChatMember, at: int, *, served: bool) -> None:
        """Take an utterance; `served` says whether a human agent serves the customer."""
        if self._customers:
            self._heard(at)
            self._silent_since = at
        if member.role == CLIENT:
            if not self._turn:
                self._turn, self._clock = True, at if served else None
            return
        if member.human:
            if self.first_spoken is None:
                self.first_spoken = at
            if self._clock is not None:
                self.responses.add(max(at - self._clock, 0))
        self._turn, self._clock = False, None

    def ended(self, at: int) -> None:
        """Take the time of the last event."""
        if self._customers:
            self._heard(at)

    def _heard(self, at: int) -> None:
        self.longest_silence = max(self.longest_silence or 0, at - self._silent_since)
