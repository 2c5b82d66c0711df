"""One connection to a Chat Server: transport <-> wire <-> conversation, and what it learns handed on.

No decisions here: the conversation decides, the link moves bytes, stamps times and arms one timer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import msgspec

from bridge.chatserver.conversation import ConnectionSettings, Conversation, Ended, Phase, Registered, UnexpectedMessage
from bridge.chatserver.decoded import Unreadable
from bridge.transcript.updates import JoinRefused, QuarantinedInput, TranscriptUpdate

if TYPE_CHECKING:
    from typing import Protocol

    from bridge.capture.ports import Clock, Wire
    from bridge.transcript.updates import Update

    class LinkOwner(Protocol):
        """Who is told what a link learns."""

        def learnt(self, link: Link, observation: Update, size: int) -> None:
            """Take an observation that came from `size` bytes."""

        def registered(self, link: Link) -> None:
            """The link may be used for joins."""

        def ended(self, link: Link, reason: str, *, refused: bool) -> None:
            """The link is gone; `refused` when it never came to be registered."""


class Link(asyncio.Protocol):
    """One connection. Made by the transport's factory; ends by itself or by `close`."""

    def __init__(
        self, identity: ConnectionSettings, wire: Wire, clock: Clock, owner: LinkOwner, *, paused: bool
    ) -> None:
        """`paused` starts with reading paused, as when the inbox is full."""
        self.server = identity.server
        self._conversation = Conversation(identity)
        self._wire = wire
        self._clock = clock
        self._owner = owner
        self._paused = paused
        self._choked = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._ended = False
        self._was_ready = False

    # --- what the owner does -------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether joins may be asked for."""
        return self._conversation.phase is Phase.READY

    @property
    def load(self) -> int:
        """Chats joined or being joined on it."""
        return self._conversation.load

    @property
    def joined(self) -> frozenset[str]:
        """Chats whose events arrive on it."""
        return self._conversation.joined

    def join(self, session_id: str, password: str | None) -> None:
        """Ask to join a chat silently."""
        self._conversation.join(session_id, password, self._clock.monotonic())
        self._flush()

    def leave(self, session_id: str) -> None:
        """Leave a chat with KeepAlive (P4)."""
        self._conversation.leave(session_id)
        self._flush()

    def pause(self) -> None:
        """Stop reading; TCP pushes back on the server (P6)."""
        self._paused = True
        self._stop_or_go()

    def resume(self) -> None:
        """Read again. The time without reading does not count as silence of the peer."""
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._conversation.listening_again(self._clock.monotonic())
            self._stop_or_go()

    def close(self) -> None:
        """Close after what was written is sent."""
        self._ended = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.close()

    # --- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register at once."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._conversation.opened(self._clock.monotonic())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Decode and hand on."""
        now = self._clock.monotonic()
        for one in self._wire.feed(data):
            if isinstance(one, Unreadable):
                self._set_aside(one)
            else:
                self._conversation.receive(one.message, now, damaged=one.damaged, size=one.size)
                self._hand_on(one.size)
        self._flush()

    def pause_writing(self) -> None:
        """Stop listening to a server that does not: our answers to its pings would fill the memory (P6)."""
        self._choked = True
        self._stop_or_go()

    def resume_writing(self) -> None:
        """It listens again."""
        self._choked = False
        self._stop_or_go()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        self._conversation.closed()
        self._finish("connection reset" if exc is not None else "connection closed by the server")

    # --- inside --------------------------------------------------------------------------------------------------

    def _hand_on(self, size: int) -> None:
        events_received = self._conversation.events_received()
        if not events_received:
            return
        stamp = self._clock.now_us()
        for what in events_received:
            if isinstance(what, TranscriptUpdate):
                what.observed_at = stamp
                self._owner.learnt(self, what, size)
            elif isinstance(what, JoinRefused):
                self._owner.learnt(self, what, size)
            elif isinstance(what, Registered):
                self._was_ready = True
                self._stop_or_go()
                self._owner.registered(self)
            elif isinstance(what, UnexpectedMessage):
                self._owner.learnt(
                    self,
                    QuarantinedInput(
                        self.server,
                        msgspec.json.encode(what.message),
                        what.reason,
                        size,
                        what.session_id,
                        observed_at=stamp,
                    ),
                    size,
                )
            elif isinstance(what, Ended):
                self._finish(what.reason)

    def _stop_or_go(self) -> None:
        """Read or not. A choked link still counts the silence: a server that never listens is given up."""
        stream, reads = self._transport, self._listening and not self._choked
        if stream is not None and not stream.is_closing() and stream.is_reading() != reads:
            (stream.resume_reading if reads else stream.pause_reading)()

    @property
    def _listening(self) -> bool:
        """A pause begins with the first join: who does not hear the answer to a registration waits for ever."""
        return not (self._paused and self._was_ready)

    def _set_aside(self, bad: Unreadable) -> None:
        hint, joined = bad.session_hint, self._conversation.joined
        known = hint in joined
        aside = QuarantinedInput(
            self.server,
            bad.raw,
            bad.reason,
            bad.length,
            session_id=hint if known else None,
            attributed=known,
            followed=() if known else tuple(joined),
            observed_at=self._clock.now_us(),
        )
        self._owner.learnt(self, aside, len(bad.raw))

    def _flush(self) -> None:
        requests = self._conversation.requests()
        if requests and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._wire.encode(request) for request in requests))
        self._arm()

    def _arm(self) -> None:
        """Keep one timer, at or before the time the conversation wants; a timer that comes early is harmless."""
        if self._ended:
            return
        wanted = self._conversation.next_timer
        if wanted is None or (self._timer is not None and self._timer_at <= wanted):
            return
        self._stop_timer()
        delay = max(wanted - self._clock.monotonic(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)
        self._timer_at = wanted

    def _on_timer(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        self._conversation.on_timer(now, listening=self._listening)
        self._hand_on(0)
        self._flush()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _finish(self, reason: str) -> None:
        if self._ended:
            return
        self.close()
        self._owner.ended(self, reason, refused=not self._was_ready)
