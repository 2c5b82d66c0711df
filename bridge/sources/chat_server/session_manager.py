"""Keeps the chats of one shard joined: at which server, over which link, and when to try again.

Theory of operation. The shard says `follow` and `forget`; everything between is done here. A followed chat has a list
of servers (`host:port`, best first) and is at any time in one of four places:

    waiting      a timer runs until its next attempt
    queued       it is in the ServerQueue of the server whose turn it is (`join_queues.py` joins it)
    on a link    the join was sent; it is joined, or its answer is outstanding
    finished     its end was reported to the shard, which has not yet said `forget`

    follow -> queued -> on a link -> finished (over, or given up)
                 ^          |
                 +- waiting +  (join refused for now, link lost, logged out, no link to be had)

A failed attempt moves a chat to the next server of its list. Within one round through the list the next server is
asked at once; the first round is followed by a short pause, every later one by the full delay (D15), with jitter.
Chats that lost the same link, or wait for the same unreachable server, share one delay, so that the next attempt is
one connection and not one for each. After `attempts` rounds without success the chat is given up, or asked for once a
minute (`keep_trying`).

An answer to a join is not yet success: a server may answer and drop, each time. The attempts count anew when the chat
was watched for `stable_after` without interruption. Until then they go on, and the pauses grow to a minute: an attempt
that is answered costs the server a party and a history, one that finds nobody costs nothing, and keeps D15's pace.
Chats that were lost together are joined in smaller and smaller groups, so that one that a server cannot serve does not
take the others with it.

A server that answers "no such session" is not asked again in that round; when every server of the list has answered
so, the chat is given up at once. A chat that was joined before is looked for twice, because its backup server
restores it only when the customer's side asks for it (D7). A chat whose history cannot be read (mostly, because it is
longer than a line may be) is given up after the second time: each attempt costs the whole history. A word for the
state of a chat that is not known goes to the quarantine, once; it decides nothing and costs the chat nothing.

What a link delivers of a chat that is not on it any more is passed on as well: its last events may come one by one
after the Over that finished it. A chat that was left is none of those; the link drops what arrives for it. If the chat
is followed elsewhere meanwhile, such an update brings its events and does not end it.

Whatever ends a join is reported to the shard as an update, in the order in which it happened; the shard decides what
becomes of it. After `close` nothing is reported any more.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.errors import Problem, places
from bridge.sources.chat_server.followed_session import FollowedSession
from bridge.sources.chat_server.join_queues import JoinQueues
from bridge.sources.chat_server.link_facts import JoinAnswered, JoinRefusal, LinkFailed, LinkLost, LinkOpened
from bridge.sources.chat_server.used_places import joined_versions, used_places
from bridge.transcript import link_codes
from bridge.transcript.updates import JoinRefused, LinkDown, TranscriptUpdate, Verdict

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Mapping

    from bridge.capture.ports import Clock, Deliver, Failed, PlaceUse
    from bridge.sources.chat_server.history_turn import HistoryTurn
    from bridge.sources.chat_server.join_rate_limiter import JoinRateLimiter
    from bridge.sources.chat_server.link import Link
    from bridge.sources.chat_server.link_ports import Transports
    from bridge.sources.chat_server.reconnect_settings import ReconnectSettings
    from bridge.telemetry import Telemetry
    from bridge.transcript.updates import Update

    MakeLink = Callable[[str, "SessionManager"], Link]

_JITTER: Final = 0.2
_ELSEWHERE: Final = Problem(link_codes.ANNOUNCED_ELSEWHERE, "announced on another server")

_UNSTABLE: Final = 3
"""Early losses in a row after which a server is named: a restart alone costs one or two."""

_UNREACHABLE: Final = 3
"""Failed attempts in a row after which a server is named: with a delay of 10 s, after some twenty seconds."""


class SessionManager:
    """All chats and links of one shard: the Source for Chat Server. Runs in the event loop; no method blocks."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once in the composition root
        self,
        settings: ReconnectSettings,
        *,
        transports: Transports,
        make_link: MakeLink,
        rate_limiter: JoinRateLimiter,
        history_turn: HistoryTurn,
        clock: Clock,
        rng: random.Random,
        telemetry: Telemetry,
        deliver: Deliver,
        failed: Failed,
    ) -> None:
        """`deliver` takes every update with the number of bytes it came from, `failed` a defect that ended a task."""
        self.history_turn = history_turn
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._telemetry = telemetry
        self._deliver = deliver
        self._sessions: dict[str, FollowedSession] = {}
        self._finished: set[str] = set()
        self._queues = JoinQueues(
            settings,
            transports=transports,
            make_link=lambda server: make_link(server, self),
            rate_limiter=rate_limiter,
            clock=clock,
            telemetry=telemetry,
            not_served=self._not_served,
            failed=failed,
        )
        self._paused = False
        self._closed = False

    # --- Source --------------------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether reading is paused on all links."""
        return self._paused

    @property
    def connections(self) -> int:
        """Number of connections that are open, being opened or being closed."""
        return len(self._queues.links)

    @property
    def followed(self) -> Collection[str]:
        """The ids of all chats that are followed, or ended and not yet forgotten."""
        return self._sessions.keys() | self._finished

    @property
    def unstable(self) -> Mapping[str, int]:
        """Servers in use that answer and soon drop chats or connections, each time -> how often in a row."""
        now = self._clock.monotonic()
        found = dict(self._queues.unstable(now, _UNSTABLE))
        if found:  # seldom, and to look at the place of each chat takes long
            found = {server: found[server] for server in found.keys() & self.places.keys()}
        for session in self._sessions.values():
            if session.is_dropped(_UNSTABLE, now, self._settings):
                found[session.lost_by] = max(session.early_losses, found.get(session.lost_by, 0))
        return found

    @property
    def places(self) -> Mapping[str, PlaceUse]:
        """Servers with links or chats; a chat that is not joined waits at the server whose turn it is."""
        return used_places(self._queues.links, self._sessions.values())

    @property
    def unreachable(self) -> Mapping[str, str]:
        """Servers of which no link can be had, of chats that have no other to wait for -> a sentence why."""
        found = dict(self._queues.unreachable(_UNREACHABLE))
        if not found:
            return found
        waiting = [session.servers for session in self._sessions.values() if session.link is None]
        wanted = {server for servers in waiting if found.keys() >= set(servers) for server in servers}
        return {server: found[server] for server in wanted}

    @property
    def has_link(self) -> bool:
        """Whether a connection of any server is registered now."""
        return self._queues.has_link

    def joined_at(self, session_id: str) -> str | None:
        """Return the server at which a chat is joined right now."""
        session = self._sessions.get(session_id)
        return session.joined_on.server if session and session.joined_on else None

    @property
    def chats_joined(self) -> int:
        """Number of chats that are joined right now."""
        return sum(session.joined_at is not None for session in self._sessions.values())

    def client_versions(self) -> Mapping[int, int]:
        """Return ClientVersion in force -> number of chats that are joined under it right now."""
        return joined_versions(self._sessions.values())

    def follow(self, session_id: str, places: tuple[str, ...], secret: str | None) -> None:
        """Join a chat, or go where a newer announcement says that it is now."""
        session = self._sessions.get(session_id)
        if session is None:
            if session_id in self._finished:
                return  # the shard, restored from an older state, is about to process its end
            session = self._sessions[session_id] = FollowedSession(session_id, places, secret)
            self._queues.add(session)
            return
        if (places, secret or session.password) == (session.servers, session.password):
            return  # announced again, or restored: the attempts under way go on
        here = session.server
        session.announced(places, secret)
        if session.link is not None and here in places:
            session.turn = places.index(here)
            return
        session.turn = 0
        if session.link is not None:
            self._deliver(LinkDown(session_id, _ELSEWHERE, self._clock.now_us()), 0)
            link, session.link, session.joined_at = session.link, None, None  # first: to leave may end the link
            link.leave(session_id)
        session.cancel_timer()
        self._queues.remove(session)
        self._queues.add(session)

    def forget(self, session_id: str) -> None:
        """Stop following a chat; leave it with KeepAlive if it is joined (P4)."""
        self._finished.discard(session_id)
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        session.cancel_timer()
        self._queues.remove(session)
        if session.link is not None:
            session.link.leave(session_id)

    def acknowledge(self, session_id: str) -> None:
        """Let a chat be followed again whose end was delivered; one that is followed stays so."""
        self._finished.discard(session_id)

    def pause(self) -> None:
        """Stop reading on all links (P6)."""
        self._paused = True
        for link in self._queues.links:
            link.pause()

    def resume(self) -> None:
        """Read again on all links."""
        self._paused = False
        for link in self._queues.links:
            link.resume()

    async def close(self, *, leave: bool) -> None:
        """Close all connections; with `leave`, leave every chat with KeepAlive first. See `Source.close`."""
        self._closed = True
        self.history_turn.abandon(self)
        for session_id, session in list(self._sessions.items()):
            if leave:
                self.forget(session_id)
            else:
                session.cancel_timer()
                self._queues.remove(session)
        await self._queues.close()

    # --- LinkOwner -----------------------------------------------------------------------------------------------

    def update_received(self, link: Link, update: Update, size: int) -> None:
        """Pass an update on to the shard, after taking from it what concerns joining."""
        if self._closed:
            return
        if isinstance(update, TranscriptUpdate):
            session = self._sessions.get(update.session_id)
            if session is not None and session.link is link:
                self._updated(session, update)
            elif session is not None:
                update.over = False
        elif isinstance(update, JoinRefused):
            session = self._sessions.get(update.session_id)
            if session is None or session.link is not link:
                return
            session.link = None
            self._telemetry.emit(JoinRefusal.of(update, link.server, self._clock.monotonic() - session.asked_at))
            self._refused(session, update)
            return
        elif isinstance(update, LinkDown):
            session = self._sessions.get(update.session_id)
            if session is not None and session.link is link:
                self._absent(session, update, self._jitter())
            return
        self._deliver(update, size)

    def registered(self, link: Link) -> None:
        """A link is ready: its queue can go on."""
        self._telemetry.emit(LinkOpened(server=link.server, version=link.version, assumed=link.version_assumed))
        self._queues.registered(link)

    def ended(self, link: Link, reason: Problem, *, refused: bool) -> None:
        """A link is gone: its chats are not watched and must be joined again."""
        if not self._closed:
            self._telemetry.emit(LinkLost.of(link.server, reason, registered=not refused))
            now = self._clock.now_us()
            jitter = self._jitter()
            for session in [session for session in self._sessions.values() if session.link is link]:
                self._absent(session, LinkDown(session.session_id, reason, now), jitter)
        self._queues.lost(link, reason)

    def closed(self, link: Link) -> None:
        """The connection of a link is closed."""
        self._queues.closed(link)

    def defect_found(self, link: Link, error: Exception) -> None:
        """What a server sent met a defect of ours: its link ends, and only that."""
        self._telemetry.emit(LinkFailed(server=link.server, error=type(error).__name__, at=places(error)))

    # --- inside --------------------------------------------------------------------------------------------------

    def _updated(self, session: FollowedSession, update: TranscriptUpdate) -> None:
        if (odd := session.odd_status(update)) is not None:
            self._deliver(odd, 0)
        if update.snapshot:
            session.joined(now := self._clock.monotonic())
            self._telemetry.emit(JoinAnswered.of(update, session.server, now - session.asked_at))
        if update.over:
            session.cancel_timer()
            del self._sessions[session.session_id]
            self._finished.add(session.session_id)

    def _absent(self, session: FollowedSession, down: LinkDown, jitter: float) -> None:
        """A chat is no longer watched on its link, and is joined again."""
        session.lost(self._clock.monotonic(), self._settings)
        self._deliver(down, 0)
        refusal = JoinRefused(session.session_id, 0, down.reason, Verdict.RETRY, down.observed_at)
        self._try_later(session, refusal, jitter)

    def _not_served(self, sessions: list[FollowedSession], reason: Problem) -> None:
        """No link could be had: the chats have spent an attempt, and all share one delay."""
        if self._closed:  # to leave the chats may be what ended the last link: nobody looks for them here any more
            return
        jitter = self._jitter()
        for session in sessions:
            session.not_taken()
            refusal = JoinRefused(session.session_id, 0, reason, Verdict.RETRY, self._clock.now_us())
            self._try_later(session, refusal, jitter)

    def _refused(self, session: FollowedSession, refusal: JoinRefused) -> None:
        session.not_taken()
        pointless = refusal.unreadable and session.has_unreadable_history()
        if pointless or (refusal.verdict is not Verdict.RETRY and session.denied()):
            self._give_up(session, refusal)
        else:
            self._try_later(session, refusal, self._jitter())

    def _jitter(self) -> float:
        return 1.0 + _JITTER * (2.0 * self._rng.random() - 1.0)

    def _try_later(self, session: FollowedSession, refusal: JoinRefused, jitter: float) -> None:
        if (pause := session.next_try(self._settings)) is None:
            self._give_up(session, refusal)
            return
        session.cancel_timer()
        session.timer = asyncio.get_running_loop().call_later(pause * jitter, self._queues.add, session)

    def _give_up(self, session: FollowedSession, refusal: JoinRefused) -> None:
        session.cancel_timer()
        del self._sessions[session.session_id]
        self._finished.add(session.session_id)
        verdict = refusal.verdict if refusal.verdict is Verdict.GONE else Verdict.NEVER
        at = refusal.observed_at or self._clock.now_us()
        self._deliver(replace(refusal, verdict=verdict, observed_at=at, asked=(session.servers, session.password)), 0)
