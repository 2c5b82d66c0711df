"""Who may hold a message that is longer than a frame: one of a worker at a time (P6).

A link asks when such a message begins to arrive; until it has the turn, it stops reading. The turn stays with the
events of the message until the last of them is handed on. One that was complete before its link could stop has no turn;
it counts as other input does.

One at a time, and not a number of bytes for all: how long a message becomes is known when it ends, and two that had
used up such a number would wait for each other for ever. It costs little: what limits a worker with many long histories
is folding them, one after the other.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.sources.chat_server.link import Link
    from bridge.sources.chat_server.link_ports import LinkOwner
    from bridge.transcript.updates import WaitingEvents


class _Kept:
    """The events of one message, in the hands of `owner`'s shard."""

    def __init__(self, owner: LinkOwner) -> None:
        self.owner = owner


class HistoryTurn:
    """The turn of all links of a worker; first come, first served."""

    def __init__(self) -> None:
        """Start with nobody's turn."""
        self._holder: Link | _Kept | None = None
        self._asking: dict[Link, None] = {}

    def ask(self, link: Link) -> bool:
        """Return whether `link` has the turn; if not, its `turn_given` is called when it has, unless it gives up."""
        if self._holder is None:
            self._holder = link
        if self._holder is not link:
            self._asking[link] = None
        return self._holder is link

    def give_up(self, link: Link) -> None:
        """The link holds no long message any more, and is waiting for no turn."""
        self._asking.pop(link, None)
        if self._holder is link:
            self._next()

    def keep(self, link: Link, owner: LinkOwner, waiting: WaitingEvents) -> bool:
        """Pass the turn from `link` to events that it has read; it ends with their last reference.

        Return whether they have it.
        """
        had = self.ask(link)
        self._asking.pop(link, None)
        if had:
            self._holder = kept = _Kept(owner)
            weakref.finalize(waiting, self._ended, kept).atexit = False
        return had

    def abandon(self, owner: LinkOwner) -> None:
        """The shard of `owner` ends, and with it the events that it holds."""
        if isinstance(self._holder, _Kept) and self._holder.owner is owner:
            self._next()

    def _ended(self, kept: _Kept) -> None:
        if self._holder is kept:
            self._next()

    def _next(self) -> None:
        self._holder = next(iter(self._asking), None)
        if self._holder is not None:
            del self._asking[self._holder]
            self._holder.turn_given()
