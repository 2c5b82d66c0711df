"""The queues of one shard: they open connections, and join the chats that wait for it.

There is one ServerQueue per address with one task. The task takes the chats of its queue in order, opens links as they
are needed (`per_link` chats on each) and sends one join at a time, as fast as the JoinRateLimiter allows: the rate is
per server and shared by all shards of all workers (D16).

A server that registers connections and soon ends them is asked for the next one later and later: after the short
pause, the delay, and twice that each time, up to a minute. When none of its links is left then, the chats that wait
for it have spent an attempt, as if it had been away. A link that held for `stable_after` ends the series.

Links are kept for the chats to come, but for those that were opened for few chats (`most_per_link`).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from bridge.sources.chat_server.link_facts import LinkLost
from bridge.sources.chat_server.reconnect_settings import FIRST_PAUSE
from bridge.sources.chat_server.server_queue import LinkUse, ServerQueue
from bridge.sources.chat_server.unreachable_servers import UnreachableServers
from bridge.waiting import all_ended, uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from bridge.capture.ports import Clock, Failed
    from bridge.errors import Problem
    from bridge.sources.chat_server.followed_session import FollowedSession
    from bridge.sources.chat_server.join_rate_limiter import JoinRateLimiter
    from bridge.sources.chat_server.link import Link
    from bridge.sources.chat_server.link_ports import Transports
    from bridge.sources.chat_server.reconnect_settings import ReconnectSettings
    from bridge.telemetry import Telemetry

    NotServed = Callable[[list[FollowedSession], Problem], None]

_UNUSED_SECONDS: Final = 60.0
"""A link for few chats is closed if it has none for longer; the last events of an ended chat have arrived by then."""


class JoinQueues:
    """All queues and connections of one shard. No method blocks, except `close`."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, passed on by the session manager
        self,
        settings: ReconnectSettings,
        *,
        transports: Transports,
        make_link: Callable[[str], Link],
        rate_limiter: JoinRateLimiter,
        clock: Clock,
        telemetry: Telemetry,
        not_served: NotServed,
        failed: Failed,
    ) -> None:
        """`not_served` takes the chats of a server that could not be joined, and why; `failed` a defect of a task."""
        self._settings = settings
        self._transports = transports
        self._make_link = make_link
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._telemetry = telemetry
        self._not_served = not_served
        self._failed = failed
        self._queues: dict[str, ServerQueue] = {}
        self._links: set[Link] = set()
        self._unreachable = UnreachableServers(settings.longest)
        self._none_open = asyncio.Event()
        self._closed = False

    @property
    def links(self) -> Collection[Link]:
        """All links whose connections are open, being opened or being closed."""
        return tuple(self._links)

    def unstable(self, now: float, least: int) -> Iterator[tuple[str, int]]:
        """Yield servers of which at least `least` links in a row were lost soon after registering, and how many."""
        for queue in self._queues.values():
            if queue.early_losses >= least and not queue.is_over(now) and not queue.is_stable(now, self._settings):
                yield queue.server, queue.early_losses

    @property
    def has_link(self) -> bool:
        """Whether any link is registered."""
        return any(queue.has_link for queue in self._queues.values())

    def unreachable(self, least: int) -> Iterator[tuple[str, str]]:
        """Yield servers of which no link could be had for at least `least` times in a row, and a sentence why."""
        for server, sentence in self._unreachable.named(least):
            queue = self._queues.get(server)
            if queue is None or not queue.has_link:
                yield server, sentence

    def add(self, session: FollowedSession) -> None:
        """Queue a chat at the server whose turn it is; one that is queued stays where it is."""
        session.timer = None
        if self._closed or session.queue is not None:
            return
        queue = self._queues.get(session.server)
        if queue is None:
            self._forget_servers()
            queue = self._queues[session.server] = ServerQueue(session.server)
        if queue.task is None or queue.task.done():
            queue.task = asyncio.get_running_loop().create_task(self._work(queue), name=f"queue {session.server}")
            queue.task.add_done_callback(self._task_ended)
        if not queue.sessions and not queue.links and session.lost_by != session.server:
            queue.left_alone = True
        session.queue = queue
        queue.sessions[session.session_id] = session
        self._rate_limiter.waiting += 1
        queue.work.set()

    def remove(self, session: FollowedSession) -> None:
        """Take a chat out of its queue, if it is in one."""
        if session.queue is not None:
            del session.queue.sessions[session.session_id]
            session.queue = None
            self._rate_limiter.waiting -= 1

    def registered(self, link: Link) -> None:
        """A link is ready: its queue can go on."""
        queue = self._queues.get(link.server)
        if queue is not None and link in queue.links:
            queue.links[link].registered_at = self._clock.monotonic()
            self._unreachable.reached(link.server)
            queue.registered.set()

    def lost(self, link: Link, reason: Problem) -> None:
        """A link has ended; its own chats are no longer on it."""
        queue = self._queues.get(link.server)
        if queue is None:
            return
        now = self._clock.monotonic()
        if queue.has_not_registered(link):
            self._unreachable.failed(link.server, reason, now)
        early = queue.lost(link, now, self._settings)
        queue.registered.set()
        queue.work.set()
        if early and not queue.has_link:
            self._all_failed(queue, reason)

    def closed(self, link: Link) -> None:
        """The connection of a link is closed."""
        self._links.discard(link)
        if not self._links:
            self._none_open.set()

    async def close(self) -> None:
        """End the tasks and close all links. A cancellation is raised when all connections are closed."""
        self._closed = True
        tasks = [queue.task for queue in self._queues.values() if queue.task is not None]
        for task in tasks:
            task.cancel()
        for link in self.links:
            link.close()
        try:
            await all_ended(tasks)
        finally:
            if self._links:
                await uninterrupted(self._none_open.wait())

    # --- inside --------------------------------------------------------------------------------------------------

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._failed(error)

    def _forget_servers(self) -> None:
        """Drop the queues that are over."""
        now = self._clock.monotonic()
        self._unreachable.forget(now)
        for server, queue in list(self._queues.items()):
            if queue.is_over(now):
                del self._queues[server]

    async def _work(self, queue: ServerQueue) -> None:
        """Join the chats of one queue, in order, as fast as the rate limit allows; end without chats and links."""
        while True:
            if not queue.sessions:
                if not queue.links:
                    return  # what is remembered of its losses needs no task
                await self._wait_for_work(queue)
                continue
            if self._rate_limiter.paused:
                await self._rate_limiter.opened()
                continue
            first = next(iter(queue.sessions.values()))
            if queue.link_for(first, self._settings) is None:
                link = await self._open(queue, first.most_per_link(self._settings))
                if link is None:
                    self._all_failed(queue, self._unreachable.reason(queue.server))
                    continue
            await self._rate_limiter.take(queue.server)
            if not queue.sessions or self._rate_limiter.paused:
                continue
            session = next(iter(queue.sessions.values()))
            link = queue.link_for(session, self._settings)
            if link is None:
                continue
            self.remove(session)
            queue.links[link].unused = False
            session.link = link
            session.asked_at = self._clock.monotonic()
            session.asked_with = session.password
            link.join(session.session_id, session.password)

    async def _wait_for_work(self, queue: ServerQueue) -> None:
        """Wait for chats; now and then close the links for few chats, if they have none any more."""
        queue.work.clear()
        if not any(use.most < self._settings.per_link for use in queue.links.values()):
            await queue.work.wait()
            return
        now = self._clock.monotonic()
        if queue.look_at <= now:
            queue.look_at = now + _UNUSED_SECONDS
            for link in queue.unused(self._settings):
                del queue.links[link]
                link.close()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(queue.look_at - now):
                await queue.work.wait()

    async def _open(self, queue: ServerQueue, most: int) -> Link | None:
        """Open one more link, for `most` chats, and wait until it is registered; None when that fails."""
        wait = queue.not_before - self._clock.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        link = self._make_link(queue.server)
        queue.registered.clear()
        queue.links[link] = LinkUse(most)
        self._links.add(link)
        self._none_open.clear()
        connected = False
        try:
            await self._transports.connect(queue.server, lambda: link)
            connected = True
        except OSError as error:
            reason = link.failures.not_made(error)
            self._telemetry.emit(LinkLost.of(queue.server, reason, registered=False))
            self._unreachable.failed(queue.server, reason, self._clock.monotonic())
            return None
        finally:
            if not connected:
                queue.links.pop(link, None)
                link.close()
                # With a connection, too: uvloop closes that of a call that is cancelled in the very turn in which it
                # was made, and tells nobody. Whoever waits for its end would wait for ever.
                self.closed(link)
        while not link.ready and link in queue.links:
            queue.registered.clear()
            await queue.registered.wait()
        return link if link.ready else None

    def _all_failed(self, queue: ServerQueue, reason: Problem) -> None:
        """No link can be had: every chat of the queue has spent an attempt."""
        pause = FIRST_PAUSE * self._settings.delay
        queue.not_before = max(queue.not_before, self._clock.monotonic() + pause)
        sessions = list(queue.sessions.values())
        for session in sessions:
            self.remove(session)
        self._not_served(sessions, reason)
