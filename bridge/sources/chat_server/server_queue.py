"""The queue of the chats that wait to be joined at one Chat Server address."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.sources.chat_server.followed_session import FollowedSession
    from bridge.sources.chat_server.link import Link
    from bridge.sources.chat_server.reconnect_settings import ReconnectSettings


@dataclass(slots=True)
class LinkUse:
    """What one link is used for: at most `most` chats. `registered_at` is monotonic; None before the registration.

    `unused`: it had no chats when that was looked at, and none was joined since.
    """

    most: int
    registered_at: float | None = None
    unused: bool = False


@dataclass(slots=True)
class ServerQueue:
    """The chats that wait to be joined at one server, its links, and the task that works through the queue.

    `not_before` is the monotonic time before which no further link is opened. `early_losses` counts, in a row, links
    that were lost soon after their registration; they are remembered until `forgotten_at`. `left_alone`: since the last
    of them it was without chats and links, until one came that it had not dropped. `look_at` is when to look for
    unused links again.
    """

    server: str
    sessions: OrderedDict[str, FollowedSession] = field(default_factory=OrderedDict)
    links: dict[Link, LinkUse] = field(default_factory=dict)
    work: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    registered: asyncio.Event = field(default_factory=asyncio.Event)
    not_before: float = 0.0
    early_losses: int = 0
    left_alone: bool = False
    forgotten_at: float = 0.0
    look_at: float = 0.0

    @property
    def has_link(self) -> bool:
        """Whether any link is registered."""
        return any(use.registered_at is not None for use in self.links.values())

    def has_not_registered(self, link: Link) -> bool:
        """Tell whether this is a link that is not registered yet."""
        return link in self.links and self.links[link].registered_at is None

    def link_for(self, session: FollowedSession, settings: ReconnectSettings) -> Link | None:
        """Return a link that has room for a chat. Chats share one with those that were lost as often as they."""
        most = session.most_per_link(settings)
        return next(
            (one for one, use in self.links.items() if use.most == most and one.ready and one.load < most), None
        )

    def lost(self, link: Link, now: float, settings: ReconnectSettings) -> bool:
        """Note that a link ended; tell whether it ended soon after its registration."""
        use = self.links.pop(link, None)
        if use is None or use.registered_at is None:
            return False
        if now - use.registered_at >= settings.stable_after:
            self.early_losses = 0
            return False
        self.early_losses += 1
        self.left_alone = False
        self.not_before = max(self.not_before, now + settings.pause_after(self.early_losses))
        self.forgotten_at = self.not_before + 2.0 * settings.longest
        return True

    def unused(self, settings: ReconnectSettings) -> list[Link]:
        """Return the links for few chats that had none the last time, and have none now."""
        found = []
        for link, use in self.links.items():
            if use.most < settings.per_link and link.ready and not link.load:
                if use.unused:
                    found.append(link)
                use.unused = True
        return found

    def is_over(self, now: float) -> bool:
        """Tell whether its task has ended, and nothing has to be remembered of its server any more."""
        ended = self.task is None or self.task.done()
        return ended and not self.sessions and not self.links and max(self.not_before, self.forgotten_at) <= now

    def is_stable(self, now: float, settings: ReconnectSettings) -> bool:
        """Tell whether any of its links has been registered for long enough, or nothing failed since it was left alone.

        What was lost before it was left alone makes the pauses longer, but who comes then has lost nothing.
        """
        if self.left_alone:
            return True
        since = [use.registered_at for use in self.links.values() if use.registered_at is not None]
        return any(now - at >= settings.stable_after for at in since)
