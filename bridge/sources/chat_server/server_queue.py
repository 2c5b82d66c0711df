"""Chats that are to be joined, and the queues in which they wait: one per Chat Server address."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.errors import Problem
from bridge.transcript import input_codes, link_codes
from bridge.transcript.updates import QuarantinedInput

if TYPE_CHECKING:
    from bridge.sources.chat_server.link import Link
    from bridge.transcript.updates import TranscriptUpdate

ELSEWHERE: Final = Problem(link_codes.ANNOUNCED_ELSEWHERE, "announced on another server")
NO_LINK: Final = Problem(link_codes.UNREACHABLE, "cannot connect or register")
_UNKNOWN_STATUS: Final = Problem(input_codes.UNKNOWN_STATUS, "unknown session status")
FIRST_PAUSE: Final = 0.05
"""Share of the whole delay that passes after the first round through a list of servers."""
_ROUNDS_AFTER_A_JOIN: Final = 2
"""A chat that was joined is looked for twice: its next server restores it when the customer's side asks (D7)."""

_UNREADABLE_HISTORIES: Final = 2
"""Histories that are read in vain before a chat is given up."""


@dataclass(slots=True)
class FollowedSession:
    """One chat that is to be joined. `servers` is tried in turn, beginning at `turn`.

    `denied_by` are the servers that said, since it was last joined, that they do not have it; `rounds_left` is how
    often all of them have to say so. `unreadable_histories` counts histories that came and could not be read since it
    was last joined. `unknown_status` is the last word for its state that was not known. `queue` is where it waits for
    its join.
    """

    session_id: str
    servers: tuple[str, ...]
    password: str | None
    turn: int = 0
    attempt: int = 0
    denied_by: set[str] = field(default_factory=set)
    rounds_left: int = 1
    unreadable_histories: int = 0
    unknown_status: str | None = None
    link: Link | None = None
    queue: ServerQueue | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def server(self) -> str:
        """The server that is to be tried now."""
        return self.servers[self.turn % len(self.servers)]

    def joined(self) -> None:
        """It is joined: all attempts are available again."""
        self.attempt, self.rounds_left, self.unreadable_histories = 0, _ROUNDS_AFTER_A_JOIN, 0
        self.denied_by.clear()

    def announced(self, servers: tuple[str, ...], password: str | None) -> None:
        """A newer announcement says where it is: all attempts are available again."""
        self.servers, self.password, self.attempt = servers, password or self.password, 0
        self.unreadable_histories = 0
        self.denied_by.clear()

    def denied(self) -> bool:
        """Note that its server does not have it; tell whether all of them have said so often enough.

        A chat that moved is on one of the list (D7), and a server that only could not be reached has said nothing.
        """
        self.denied_by.add(self.server)
        if self.denied_by.issuperset(self.servers):
            self.denied_by.clear()
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

    def next_try(self, delay: float) -> float:
        """Count an attempt, turn to the next server, and return the seconds to wait before it is asked.

        Within a round it is asked at once; the first round is followed by a short pause, every later one by `delay`.
        """
        self.attempt += 1
        self.turn += 1
        rounds, within = divmod(self.attempt, len(self.servers))
        return 0.0 if within else delay * (FIRST_PAUSE if rounds == 1 else 1.0)

    def cancel_timer(self) -> None:
        """Stop waiting for the next attempt."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(slots=True)
class ServerQueue:
    """The chats that wait to be joined at one server, its links, and the task that works through the queue.

    `not_before` is the monotonic time before which no further link is opened.
    """

    server: str
    sessions: OrderedDict[str, FollowedSession] = field(default_factory=OrderedDict)
    links: list[Link] = field(default_factory=list)
    work: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    registered: asyncio.Event = field(default_factory=asyncio.Event)
    not_before: float = 0.0
