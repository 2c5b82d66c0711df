"""Keeps the chats of one shard joined: at which server, over which link, and when to try again.

Theory of operation. The shard says `follow` and `forget`; everything between is done here. A followed chat has a list
of servers (`host:port`, best first) and is at any time in one of four places:

    waiting      a timer runs until its next attempt
    queued       it is in the ServerQueue of the server whose turn it is
    on a link    the join was sent; it is joined, or its answer is outstanding
    finished     its end was reported to the shard, which has not yet said `forget`

    follow -> queued -> on a link -> finished (over, or given up)
                 ^          |
                 +- waiting +  (join refused for now, link lost, no link to be had)

There is one ServerQueue per address with one task. The task takes the chats of its queue in order, opens links as they
are needed (`per_link` chats on each) and sends one join at a time, as fast as the JoinRateLimiter allows: the rate is
per server and shared by all shards of all workers (D16).

A failed attempt moves a chat to the next server of its list. Within one round through the list the next server is
asked at once; the first round is followed by a short pause, every later one by the full delay (D15), with jitter.
Chats that lost the same link, or wait for the same unreachable server, share one delay, so that the next attempt is
one connection and not one for each. After `attempts` rounds without success the chat is given up.

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
import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bridge.sources.chat_server.link_facts import JoinAnswered, JoinRefusal, LinkLost, LinkOpened
from bridge.sources.chat_server.server_queue import ELSEWHERE, FIRST_PAUSE, NO_LINK, FollowedSession, ServerQueue
from bridge.transcript.updates import JoinRefused, LinkDown, TranscriptUpdate, Verdict
from bridge.waiting import all_ended

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from bridge.capture.ports import Clock, Deliver
    from bridge.errors import Problem
    from bridge.sources.chat_server.join_rate_limiter import JoinRateLimiter
    from bridge.sources.chat_server.link import Link
    from bridge.sources.chat_server.link_ports import Transports
    from bridge.telemetry import Telemetry
    from bridge.transcript.updates import Update

    MakeLink = Callable[[str, "SessionManager"], Link]

_JITTER: Final = 0.2


@dataclass(slots=True, frozen=True)
class ReconnectSettings:
    """How often to try. `delay` in seconds; D15's template is 15 attempts, 10 s apart."""

    attempts: int = 15
    delay: float = 10.0
    per_link: int = 100


class SessionManager:
    """All chats and links of one shard: the Source for Chat Server. Runs in the event loop; no method blocks."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once in the composition root
        self,
        settings: ReconnectSettings,
        *,
        transports: Transports,
        make_link: MakeLink,
        rate_limiter: JoinRateLimiter,
        clock: Clock,
        rng: random.Random,
        telemetry: Telemetry,
        deliver: Deliver,
    ) -> None:
        """`deliver` takes every update with the number of bytes it came from."""
        self._settings = settings
        self._transports = transports
        self._make_link = make_link
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._rng = rng
        self._telemetry = telemetry
        self._deliver = deliver
        self._sessions: dict[str, FollowedSession] = {}
        self._finished: set[str] = set()
        self._queues: dict[str, ServerQueue] = {}
        self._paused = False
        self._closed = False

    # --- Source --------------------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether reading is paused on all links."""
        return self._paused

    @property
    def connections(self) -> int:
        """Number of open links."""
        return sum(len(queue.links) for queue in self._queues.values())

    def joined_at(self, session_id: str) -> str | None:
        """Return the server at which a chat is joined right now."""
        session = self._sessions.get(session_id)
        return session.link.server if session and session.link and session.link.is_joined(session_id) else None

    def follow(self, session_id: str, places: tuple[str, ...], secret: str | None) -> None:
        """Join a chat, or go where a newer announcement says that it is now."""
        session = self._sessions.get(session_id)
        if session is None:
            if session_id in self._finished:
                return  # the shard, restored from an older state, is about to process its end
            session = self._sessions[session_id] = FollowedSession(session_id, places, secret)
            self._enqueue(session)
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
            self._deliver(LinkDown(session_id, ELSEWHERE, self._clock.now_us()), 0)
            session.link.leave(session_id)
            session.link = None
        session.cancel_timer()
        self._dequeue(session)
        self._enqueue(session)

    def forget(self, session_id: str) -> None:
        """Stop following a chat; leave it with KeepAlive if it is joined (P4)."""
        self._finished.discard(session_id)
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        session.cancel_timer()
        self._dequeue(session)
        if session.link is not None:
            session.link.leave(session_id)

    def pause(self) -> None:
        """Stop reading on all links (P6)."""
        self._paused = True
        for queue in self._queues.values():
            for link in queue.links:
                link.pause()

    def resume(self) -> None:
        """Read again on all links."""
        self._paused = False
        for queue in self._queues.values():
            for link in queue.links:
                link.resume()

    async def close(self, *, leave: bool) -> None:
        """Close all links; with `leave`, leave every chat with KeepAlive first."""
        self._closed = True
        for session_id, session in list(self._sessions.items()):
            if leave:
                self.forget(session_id)
            else:
                session.cancel_timer()
                self._dequeue(session)
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        for task in tasks:
            task.cancel()
        for queue in self._queues.values():
            for link in queue.links:
                link.close()
        await all_ended(tasks)

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
            self._telemetry.emit(JoinRefusal.of(update))
            self._refused(session, update)
            return
        self._deliver(update, size)

    def registered(self, link: Link) -> None:
        """A link is ready: its queue can go on."""
        self._telemetry.emit(LinkOpened(server=link.server, version=link.version, assumed=link.version_assumed))
        queue = self._queues.get(link.server)
        if queue is not None:
            queue.registered.set()

    def ended(self, link: Link, reason: Problem, *, refused: bool) -> None:
        """A link is gone: its chats are not watched and must be joined again."""
        queue = self._queues.get(link.server)
        if queue is not None and link in queue.links:
            queue.links.remove(link)
            queue.registered.set()
            queue.work.set()
        if self._closed:
            return
        self._telemetry.emit(LinkLost.of(link.server, reason, registered=not refused))
        now = self._clock.now_us()
        jitter = self._jitter()
        for session in [session for session in self._sessions.values() if session.link is link]:
            session.link = None
            self._deliver(LinkDown(session.session_id, reason, now), 0)
            self._try_later(session, JoinRefused(session.session_id, 0, reason, Verdict.RETRY, now), jitter)

    # --- inside --------------------------------------------------------------------------------------------------

    def _updated(self, session: FollowedSession, update: TranscriptUpdate) -> None:
        if (odd := session.odd_status(update)) is not None:
            self._deliver(odd, 0)
        if update.snapshot:
            session.joined()
            self._telemetry.emit(JoinAnswered(events=len(update.transcript.chat_event_list)))
        if update.over:
            session.cancel_timer()
            del self._sessions[session.session_id]
            self._finished.add(session.session_id)

    def _enqueue(self, session: FollowedSession) -> None:
        session.timer = None
        if self._closed or session.queue is not None:
            return
        queue = self._queues.get(session.server)
        if queue is None:
            queue = self._queues[session.server] = ServerQueue(session.server)
        if queue.task is None or queue.task.done():
            queue.task = asyncio.get_running_loop().create_task(self._work(queue), name=f"queue {session.server}")
        session.queue = queue
        queue.sessions[session.session_id] = session
        self._rate_limiter.waiting += 1
        queue.work.set()

    def _dequeue(self, session: FollowedSession) -> None:
        if session.queue is not None:
            del session.queue.sessions[session.session_id]
            session.queue = None
            self._rate_limiter.waiting -= 1

    async def _work(self, queue: ServerQueue) -> None:
        """Join the chats of one queue, in order, as fast as the rate limit allows."""
        while True:
            if not queue.sessions:
                rest = queue.not_before - self._clock.monotonic()
                if not queue.links and rest <= 0:
                    del self._queues[queue.server]  # nothing is left that would have to be remembered
                    return
                queue.work.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if queue.links else rest):
                        await queue.work.wait()
                continue
            link = next((link for link in queue.links if link.ready and link.load < self._settings.per_link), None)
            if link is None:
                link = await self._open(queue)
                if link is None:
                    self._all_failed(queue, NO_LINK)
                    continue
            await self._rate_limiter.take(queue.server)
            if not queue.sessions or not link.ready:
                continue
            session = next(iter(queue.sessions.values()))
            self._dequeue(session)
            session.link = link
            link.join(session.session_id, session.password)

    async def _open(self, queue: ServerQueue) -> Link | None:
        """Open one more link and wait until it is registered; None when that fails."""
        wait = queue.not_before - self._clock.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        link = self._make_link(queue.server, self)
        queue.registered.clear()
        queue.links.append(link)
        try:
            await self._transports.connect(queue.server, lambda: link)
        except OSError as error:
            if link in queue.links:
                queue.links.remove(link)
            self._telemetry.emit(LinkLost.not_made(queue.server, error))
            return None
        while not link.ready and link in queue.links:
            queue.registered.clear()
            await queue.registered.wait()
        return link if link.ready else None

    def _all_failed(self, queue: ServerQueue, reason: Problem) -> None:
        """No link could be had: every chat of the queue has spent an attempt, and all share one delay."""
        queue.not_before = self._clock.monotonic() + FIRST_PAUSE * self._settings.delay
        jitter = self._jitter()
        for session in list(queue.sessions.values()):
            self._dequeue(session)
            refusal = JoinRefused(session.session_id, 0, reason, Verdict.RETRY, self._clock.now_us())
            self._try_later(session, refusal, jitter)

    def _refused(self, session: FollowedSession, refusal: JoinRefused) -> None:
        pointless = refusal.unreadable and session.has_unreadable_history()
        if pointless or (refusal.verdict is not Verdict.RETRY and session.denied()):
            self._give_up(session, refusal)
        else:
            self._try_later(session, refusal, self._jitter())

    def _jitter(self) -> float:
        return 1.0 + _JITTER * (2.0 * self._rng.random() - 1.0)

    def _try_later(self, session: FollowedSession, refusal: JoinRefused, jitter: float) -> None:
        pause = session.next_try(self._settings.delay) * jitter
        if session.attempt >= self._settings.attempts * len(session.servers):
            self._give_up(session, refusal)
            return
        session.cancel_timer()
        session.timer = asyncio.get_running_loop().call_later(pause, self._enqueue, session)

    def _give_up(self, session: FollowedSession, refusal: JoinRefused) -> None:
        session.cancel_timer()
        del self._sessions[session.session_id]
        self._finished.add(session.session_id)
        verdict = refusal.verdict if refusal.verdict is Verdict.GONE else Verdict.NEVER
        at = refusal.observed_at or self._clock.now_us()
        self._deliver(replace(refusal, verdict=verdict, observed_at=at), 0)
