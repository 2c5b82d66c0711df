"""Keeps a shard's chats joined: which server, which link, when to try again.

One lane per Chat Server address: a queue of chats to be joined there and the task that works it off, opening links as
they are needed. A chat whose link is lost, or whose join is refused for now, goes to the lane of the next server of
its list after a delay. When all attempts are spent the chat is reported as given up; the shard closes it, saying why.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bridge.sources.chat_server.server_queue import FIRST_PAUSE, FollowedSession, ServerQueue
from bridge.telemetry import JoinAnswered, JoinRefusal, LinkLost, LinkOpened
from bridge.transcript.updates import GIVE_UP, RETRY, JoinRefused, LinkDown, TranscriptUpdate

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from bridge.capture.ports import Clock, Transports
    from bridge.sources.chat_server.join_rate_limiter import JoinRateLimiter
    from bridge.sources.chat_server.link import Link
    from bridge.telemetry import Telemetry
    from bridge.transcript.updates import Update

    MakeLink = Callable[[str, "SessionManager"], Link]
    Deliver = Callable[[Update, int], None]

_JITTER: Final = 0.2


@dataclass(slots=True, frozen=True)
class ReconnectSettings:
    """How hard to try. Delays in seconds; D15's template is 15 attempts, 10 s apart."""

    attempts: int = 15
    delay: float = 10.0
    per_link: int = 100


class SessionManager:
    """All chats and links of one shard. Lives in the event loop's thread; nothing of it blocks."""

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
        """`deliver` takes every observation with the bytes it came from."""
        self._settings = settings
        self._transports = transports
        self._make_link = make_link
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._rng = rng
        self._telemetry = telemetry
        self._deliver = deliver
        self._chats: dict[str, FollowedSession] = {}
        self._ended: set[str] = set()  # chats whose end was delivered, until the shard has heard it
        self._queues: dict[str, ServerQueue] = {}
        self._paused = False
        self._closed = False

    # --- what the shard does -------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether reading is paused on all links."""
        return self._paused

    @property
    def links(self) -> int:
        """How many links are open."""
        return sum(len(server_queue.links) for server_queue in self._queues.values())

    def joined_server(self, session_id: str) -> str | None:
        """Return the server on which a chat is joined right now."""
        chat = self._chats.get(session_id)
        return chat.link.server if chat and chat.link and session_id in chat.link.joined else None

    def follow(self, session_id: str, servers: tuple[str, ...], password: str | None) -> None:
        """Join a chat, or go where a newer announcement says that it is now."""
        chat = self._chats.get(session_id)
        if chat is None:
            if session_id in self._ended:
                return  # the shard, restored from an older state, has its end before it
            chat = self._chats[session_id] = FollowedSession(session_id, servers, password)
            self._enqueue(chat)
            return
        if (servers, password or chat.password) == (chat.servers, chat.password):
            return  # said again, or restored: the attempts under way go on
        here = chat.server
        chat.announced(servers, password)
        if chat.link is not None and here in servers:
            chat.turn = servers.index(here)
            return
        chat.turn = 0
        if chat.link is not None:
            self._deliver(LinkDown(session_id, "announced on another server", self._clock.now_us()), 0)
            chat.link.leave(session_id)
            chat.link = None
        chat.cancel_timer()
        self._unqueue(chat)
        self._enqueue(chat)

    def forget(self, session_id: str) -> None:
        """Stop following a chat; leave it with KeepAlive if it is joined (P4)."""
        self._ended.discard(session_id)
        chat = self._chats.pop(session_id, None)
        if chat is None:
            return
        chat.cancel_timer()
        self._unqueue(chat)
        if chat.link is not None:
            chat.link.leave(session_id)

    def pause(self) -> None:
        """Stop reading on all links (P6)."""
        self._paused = True
        for server_queue in self._queues.values():
            for link in server_queue.links:
                link.pause()

    def resume(self) -> None:
        """Read again on all links."""
        self._paused = False
        for server_queue in self._queues.values():
            for link in server_queue.links:
                link.resume()

    async def close(self, *, leave: bool) -> None:
        """End all links; with `leave`, leave every chat with KeepAlive first. Nothing is delivered any more."""
        self._closed = True
        for session_id, chat in list(self._chats.items()):
            if leave:
                self.forget(session_id)
            else:
                chat.cancel_timer()
                self._unqueue(chat)
        tasks = [server_queue.task for server_queue in self._queues.values() if server_queue.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server_queue in self._queues.values():
            for link in server_queue.links:
                link.close()

    # --- what a link tells (LinkOwner) ---------------------------------------------------------------------------

    def learnt(self, link: Link, observation: Update, size: int) -> None:
        """Pass an observation on to the shard, after taking from it what concerns joining."""
        if self._closed:
            return
        if isinstance(observation, TranscriptUpdate):
            chat = self._chats.get(observation.session_id)
            if chat is None or chat.link is not link:
                return  # left meanwhile: not ours any more
            if observation.snapshot:
                chat.joined()
                self._telemetry.emit(JoinAnswered(events=len(observation.transcript.chat_event_list)))
            if observation.over:
                chat.cancel_timer()
                del self._chats[observation.session_id]
                self._ended.add(observation.session_id)
        elif isinstance(observation, JoinRefused):
            chat = self._chats.get(observation.session_id)
            if chat is None or chat.link is not link:
                return
            chat.link = None
            self._telemetry.emit(JoinRefusal(error_id=observation.error_id, verdict=observation.verdict))
            self._refused(chat, observation)
            return
        self._deliver(observation, size)

    def registered(self, link: Link) -> None:
        """A link is ready: its lane can go on."""
        self._telemetry.emit(LinkOpened(server=link.server))
        server_queue = self._queues.get(link.server)
        if server_queue is not None:
            server_queue.registered.set()

    def ended(self, link: Link, reason: str, *, refused: bool) -> None:
        """A link is gone: its chats are away and must be joined again."""
        server_queue = self._queues.get(link.server)
        if server_queue is not None and link in server_queue.links:
            server_queue.links.remove(link)
            server_queue.registered.set()
            server_queue.work.set()
        if self._closed:
            return
        self._telemetry.emit(LinkLost(server=link.server, reason=reason, registered=not refused))
        now = self._clock.now_us()
        jitter = self._jitter()
        for chat in [chat for chat in self._chats.values() if chat.link is link]:
            chat.link = None
            self._deliver(LinkDown(chat.session_id, reason, now), 0)
            self._try_later(chat, JoinRefused(chat.session_id, 0, reason, RETRY, now), jitter)

    # --- inside --------------------------------------------------------------------------------------------------

    def _enqueue(self, chat: FollowedSession) -> None:
        chat.timer = None
        if self._closed or chat.server_queue is not None:
            return
        server_queue = self._queues.get(chat.server)
        if server_queue is None:
            server_queue = self._queues[chat.server] = ServerQueue(chat.server)
        if server_queue.task is None or server_queue.task.done():
            server_queue.task = asyncio.get_running_loop().create_task(
                self._work(server_queue), name=f"lane {chat.server}"
            )
        chat.server_queue = server_queue
        server_queue.queue[chat.session_id] = chat
        self._rate_limiter.waiting += 1
        server_queue.work.set()

    def _unqueue(self, chat: FollowedSession) -> None:
        if chat.server_queue is not None:
            del chat.server_queue.queue[chat.session_id]
            chat.server_queue = None
            self._rate_limiter.waiting -= 1

    async def _work(self, server_queue: ServerQueue) -> None:
        """Join the chats of one lane, in order, as fast as the budget allows."""
        while True:
            if not server_queue.queue:
                rest = server_queue.not_before - self._clock.monotonic()
                if not server_queue.links and rest <= 0:
                    del self._queues[server_queue.server]  # nothing left that anybody would have to remember
                    return
                server_queue.work.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(server_queue.work.wait(), None if server_queue.links else rest)
                continue
            link = next(
                (link for link in server_queue.links if link.ready and link.load < self._settings.per_link), None
            )
            if link is None:
                link = await self._open(server_queue)
                if link is None:
                    self._all_failed(server_queue, "cannot connect or register")
                    continue
            await self._rate_limiter.take(server_queue.server)
            if not server_queue.queue or not link.ready:
                continue
            chat = next(iter(server_queue.queue.values()))
            self._unqueue(chat)
            chat.link = link
            link.join(chat.session_id, chat.password)

    async def _open(self, server_queue: ServerQueue) -> Link | None:
        """Open one more link and wait until it is registered; None when that fails."""
        wait = server_queue.not_before - self._clock.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        link = self._make_link(server_queue.server, self)
        server_queue.registered.clear()
        server_queue.links.append(link)
        try:
            await self._transports.connect(server_queue.server, lambda: link)
        except OSError as error:
            if link in server_queue.links:
                server_queue.links.remove(link)
            self._telemetry.emit(LinkLost(server=server_queue.server, reason=type(error).__name__, registered=False))
            return None
        while not link.ready and link in server_queue.links:
            server_queue.registered.clear()
            await server_queue.registered.wait()
        return link if link.ready else None

    def _all_failed(self, server_queue: ServerQueue, reason: str) -> None:
        """No link could be had: every chat that waits here has spent an attempt.

        They share one delay, so that the next attempt is one connection for all of them and not one for each.
        """
        server_queue.not_before = self._clock.monotonic() + FIRST_PAUSE * self._settings.delay
        jitter = self._jitter()
        for chat in list(server_queue.queue.values()):
            self._unqueue(chat)
            self._try_later(chat, JoinRefused(chat.session_id, 0, reason, RETRY, self._clock.now_us()), jitter)

    def _refused(self, chat: FollowedSession, refusal: JoinRefused) -> None:
        if refusal.verdict == GIVE_UP and chat.denied():
            self._give_up(chat, refusal)
        else:
            self._try_later(chat, refusal, self._jitter())

    def _jitter(self) -> float:
        return 1.0 + _JITTER * (2.0 * self._rng.random() - 1.0)

    def _try_later(self, chat: FollowedSession, refusal: JoinRefused, jitter: float) -> None:
        pause = chat.next_try(self._settings.delay) * jitter
        if chat.attempt >= self._settings.attempts * len(chat.servers):
            self._give_up(chat, refusal)
            return
        chat.cancel_timer()
        chat.timer = asyncio.get_running_loop().call_later(pause, self._enqueue, chat)

    def _give_up(self, chat: FollowedSession, refusal: JoinRefused) -> None:
        chat.cancel_timer()
        del self._chats[chat.session_id]
        self._ended.add(chat.session_id)
        at = refusal.observed_at or self._clock.now_us()
        self._deliver(replace(refusal, verdict=GIVE_UP, observed_at=at), 0)
