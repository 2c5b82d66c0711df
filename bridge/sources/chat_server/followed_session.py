"""A chat that is to be joined: where, when again, and how often that has failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.errors import Problem
from bridge.sources.chat_server.reconnect_settings import FIRST_PAUSE
from bridge.transcript import input_codes
from bridge.transcript.updates import QuarantinedInput

if TYPE_CHECKING:
    import asyncio

    from bridge.sources.chat_server.link import Link
    from bridge.sources.chat_server.reconnect_settings import ReconnectSettings
    from bridge.sources.chat_server.server_queue import ServerQueue
    from bridge.transcript.updates import TranscriptUpdate

_UNKNOWN_STATUS: Final = Problem(input_codes.UNKNOWN_STATUS, "unknown session status")
_ROUNDS_AFTER_A_JOIN: Final = 2
"""A chat that was joined is looked for twice: its next server restores it when the customer's side asks (D7)."""

_REFUSALS: Final = 2
"""Failed attempts in a row after which a server is not one that drops a chat; after one, it may do both in turns."""

_NOBODY: Final[frozenset[str]] = frozenset()
"""For all chats one object: an empty set takes 230 bytes."""

_UNREADABLE_HISTORIES: Final = 2
"""Histories that are read in vain before a chat is given up."""


@dataclass(slots=True)
class FollowedSession:
    """One chat that is to be joined. `servers` is tried in turn, beginning at `turn`.

    `denied_by` are the servers that said, since it was last joined, that they do not have it; `rounds_left` is how
    often all of them have to say so. `unreadable_histories` counts histories that came and could not be read since it
    was last joined. `unknown_status` is the last word for its state that was not known. `queue` is where it waits for
    its join.

    `asked_at` is the monotonic time at which the last join was sent, `asked_with` the password in it, `joined_at` the
    time of the join that holds.
    `early_losses` counts those that did not hold for long, in a row; `lost_by` is the server of the last of them, which
    is named for it until `refusals_left` attempts there in a row have failed, and `slow_rounds` is the number of rounds
    that had one.
    """

    session_id: str
    servers: tuple[str, ...]
    password: str | None = field(repr=False)
    turn: int = 0
    attempt: int = 0
    denied_by: frozenset[str] = _NOBODY
    rounds_left: int = 1
    unreadable_histories: int = 0
    unknown_status: str | None = None
    asked_at: float = 0.0
    asked_with: str | None = field(default=None, repr=False)
    joined_at: float | None = None
    early_losses: int = 0
    lost_by: str = ""
    refusals_left: int = 0
    slow_rounds: int = 0
    link: Link | None = None
    queue: ServerQueue | None = None
    timer: asyncio.TimerHandle | None = None
    _lost_in_round: bool = False

    @property
    def server(self) -> str:
        """The server that is to be tried now."""
        return self.servers[self.turn % len(self.servers)]

    @property
    def joined_on(self) -> Link | None:
        """The link over which it is watched now."""
        return None if self.joined_at is None else self.link

    def joined(self, now: float) -> None:
        """It is joined; its attempts go on counting until it was watched for a while."""
        self.joined_at = now
        self.rounds_left, self.unreadable_histories = _ROUNDS_AFTER_A_JOIN, 0
        self.denied_by = _NOBODY

    def is_stable(self, now: float, settings: ReconnectSettings) -> bool:
        """Tell whether it has been watched without interruption for long enough."""
        return self.joined_at is not None and now - self.joined_at >= settings.stable_after

    def lost(self, now: float, settings: ReconnectSettings) -> None:
        """Its link, or its place in the chat, is lost: a join that held for a while gives all attempts back."""
        self.link = None
        if self.is_stable(now, settings):
            self.attempt = self.early_losses = self.slow_rounds = 0
            self._lost_in_round = False
        else:
            self.early_losses += 1
            self.lost_by = self.server
            self.refusals_left, self._lost_in_round = _REFUSALS, True
        self.joined_at = None

    def not_taken(self) -> None:
        """Its server cannot be reached, or refuses it: after the second time in a row it is not one that drops it."""
        if self.server == self.lost_by:
            self.refusals_left = max(self.refusals_left - 1, 0)

    def is_dropped(self, times: int, now: float, settings: ReconnectSettings) -> bool:
        """Tell whether `lost_by` takes it again and again, and soon drops it: so many times in a row or more."""
        return self.early_losses >= times and self.refusals_left > 0 and not self.is_stable(now, settings)

    def announced(self, servers: tuple[str, ...], password: str | None) -> None:
        """A newer announcement says where it is: all attempts are available again."""
        self.servers, self.password, self.attempt = servers, password or self.password, 0
        self.unreadable_histories = 0
        self.denied_by = _NOBODY
        if self.lost_by not in servers:
            self.refusals_left = 0

    def denied(self) -> bool:
        """Note that its server does not have it; tell whether all of them have said so often enough.

        A chat that moved is on one of the list (D7), and a server that only could not be reached has said nothing;
        neither has one that was asked before another password was announced.
        """
        if self.asked_with != self.password:
            return False
        self.denied_by |= {self.server}
        if self.denied_by.issuperset(self.servers):
            self.denied_by = _NOBODY
            self.rounds_left -= 1
        return self.rounds_left <= 0

    def odd_status(self, update: TranscriptUpdate) -> QuarantinedInput | None:
        """Return what is to be kept of a word for its state that is not known; None if it was the last such word."""
        word = update.unknown_status
        if word is None or word == self.unknown_status:
            return None
        self.unknown_status = word
        raw = msgspec.json.encode({"sessionStatus": word})
        at = update.observed_at
        return QuarantinedInput(update.server, raw, _UNKNOWN_STATUS, len(raw), self.session_id, observed_at=at)

    def has_unreadable_history(self) -> bool:
        """Note that its history could not be read; tell whether it is pointless to ask for it again.

        It is as long the next time, and is transferred as a whole before anybody knows. A second time is worth it: a
        line may be spoilt once, and another server may say less.
        """
        self.unreadable_histories += 1
        return self.unreadable_histories >= _UNREADABLE_HISTORIES

    def next_try(self, settings: ReconnectSettings) -> float | None:
        """Count an attempt, turn to the next server, and return the seconds to wait; None when all are used up.

        Within a round the next server is asked at once; the first round is followed by a short pause, every later one
        by the delay, which grows with the rounds in which a server took the chat and soon lost it.
        """
        self.attempt += 1
        self.turn += 1
        rounds, within = divmod(self.attempt, len(self.servers))
        if not within and self._lost_in_round:
            self.slow_rounds += 1
            self._lost_in_round = False
        used_up = rounds >= settings.attempts
        if used_up and not settings.keep_trying:
            return None
        if within:
            return 0.0
        if used_up:
            return settings.longest
        return FIRST_PAUSE * settings.delay if rounds == 1 else settings.pause_after(max(self.slow_rounds, 2))

    def most_per_link(self, settings: ReconnectSettings) -> int:
        """Return how many chats may share its link: half as many after each early loss but the first.

        If one chat makes its server drop the link, the others are soon on links that hold.
        """
        return max(settings.per_link >> max(self.early_losses - 1, 0), 1)

    def cancel_timer(self) -> None:
        """Stop waiting for the next attempt."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
