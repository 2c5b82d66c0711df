"""One connection to a Chat Server: transport <-> wire <-> conversation, with the result passed to its owner.

No decisions here: the conversation decides, the link moves bytes, adds the time and keeps one timer.

A defect of the bridge that a callback of the transport or the timer meets (in decoding, in the conversation, in the
owner) ends this link and no other: the owner is told, and joins its chats again as after any lost link. A peer that
does not read is bounded in two ways: what is unsent may not grow beyond UNSENT_BYTES, and a connection that is closed
is aborted after CLOSING_SECONDS if its last bytes are not taken by then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

import msgspec

from bridge.chatserver.connection_state import ConnectionState
from bridge.chatserver.conversation import Conversation
from bridge.chatserver.conversation_events import Absent, Ended, Registered, UnexpectedMessage
from bridge.chatserver.decoded import Unreadable
from bridge.chatserver.messages import RequestJoin
from bridge.errors import FrameTooLong, Problem
from bridge.sources.chat_server.connection_failures import ConnectionFailures
from bridge.sources.chat_server.link_problems import CANNOT_BE_SENT, DEFECT, DOES_NOT_READ, UNSENT_BYTES
from bridge.transcript.updates import JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.ports import Clock
    from bridge.chatserver.connection_settings import ConnectionSettings
    from bridge.chatserver.messages import Request
    from bridge.sources.chat_server.link_ports import LinkOwner, Wire

CLOSING_SECONDS: Final = 2.0
"""Time for the last bytes, KeepAlive among them, to be taken by the peer."""

_PROGRESS_BYTES: Final = 256 * 1024
"""Bytes of an unfinished message that count as a sign of life: a peer cannot keep a link by single bytes."""

_FAILURES: Final = ConnectionFailures()


class Link(asyncio.Protocol):
    """One connection. Made by the transport's factory; ends by itself or by `close`."""

    def __init__(  # noqa: PLR0913 - its surroundings, and how it starts
        self,
        settings: ConnectionSettings,
        wire: Wire,
        clock: Clock,
        owner: LinkOwner,
        *,
        paused: bool,
        failures: ConnectionFailures = _FAILURES,
    ) -> None:
        """`paused` starts with reading paused, as when the inbox is full. `failures` names why there is no connection.

        `version_assumed` becomes true when the server does not say its ClientVersion: the declared one is in force.
        """
        self.server = settings.server
        self.failures = failures
        self.version_assumed = False
        self._conversation = Conversation(settings)
        self._wire = wire
        self._clock = clock
        self._owner = owner
        self._paused = paused
        self._write_paused = False
        self._waits_for_turn = False
        self._arrived = 0  # of the unfinished message, when it last counted as a sign of life
        self._asks_for_turn = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._abort: asyncio.TimerHandle | None = None
        self._defective = False
        self._ended = False
        self._was_ready = False

    # --- what the owner does -------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the link accepts joins."""
        return self._conversation.state is ConnectionState.READY

    @property
    def connected(self) -> bool:
        """Whether there is a connection, which may be closing."""
        return self._transport is not None

    @property
    def version(self) -> int:
        """The ClientVersion in force on it."""
        return self._conversation.version

    @property
    def load(self) -> int:
        """Number of chats that are joined or being joined on it."""
        return self._conversation.load

    def join(self, session_id: str, password: str | None) -> None:
        """Ask to join a chat silently. The answer is an update; a join that cannot be sent is refused at once."""
        self._conversation.join(session_id, password, self._clock.monotonic())
        self._flush()

    def leave(self, session_id: str) -> None:
        """Leave a chat with KeepAlive (P4)."""
        self._conversation.leave(session_id)
        self._pass_on(0)
        self._flush()

    def pause(self) -> None:
        """Stop reading; TCP pushes back on the server (P6)."""
        self._paused = True
        self._update_reading()

    def resume(self) -> None:
        """Read again. The time without reading does not count as silence of the peer."""
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._conversation.listening_again(self._clock.monotonic())
            self._update_reading()

    def turn_given(self) -> None:
        """Read on: a message longer than a frame may be held now."""
        self._waits_for_turn = False
        if self._transport is not None and not self._transport.is_closing():
            self._conversation.listening_again(self._clock.monotonic())
            self._update_reading()

    def close(self) -> None:
        """Close after what was written is sent, or after CLOSING_SECONDS."""
        self._ended = True
        self._owner.history_turn.give_up(self)
        self._stop_timer()
        if self._transport is not None and self._abort is None:
            self._transport.close()
            self._abort = asyncio.get_running_loop().call_later(CLOSING_SECONDS, self._transport.abort)

    # --- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register at once."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are no subclass of it
        if self._ended:  # closed while it was being connected
            self.close()
            return
        self._contain(self._opened)

    def data_received(self, data: bytes) -> None:
        """Decode what is complete and pass it on."""
        self._contain(self._received, data)

    def pause_writing(self) -> None:
        """Stop reading from a server that does not read: our answers to its pings would fill the memory (P6)."""
        self._write_paused = True
        self._update_reading()

    def resume_writing(self) -> None:
        """The server reads again."""
        self._write_paused = False
        self._update_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        self._transport = None
        self._owner.history_turn.give_up(self)
        if self._abort is not None:
            self._abort.cancel()
        try:
            self._contain(self._lost, self.failures.lost(exc, answered=self._was_ready))
        finally:
            self._owner.closed(self)

    # --- inside --------------------------------------------------------------------------------------------------

    def _contain(self, act: Callable[..., None], *given: object) -> None:
        """Do something that may meet a defect of the bridge: one ends this link. After it, nothing is decoded."""
        if self._defective:
            return
        try:
            act(*given)
        except Exception as error:  # noqa: BLE001 - of whatever class: the other links go on
            self._defective = True
            self._owner.defect_found(self, error)
            self._end(DEFECT)

    def _opened(self) -> None:
        self._conversation.opened(self._clock.monotonic())
        self._flush()

    def _received(self, data: bytes) -> None:
        now = self._clock.monotonic()
        for one in self._wire.feed(data):
            if isinstance(one, Unreadable):
                self._quarantine(one)
            else:
                waiting = one.waiting
                kept = waiting is not None and self._owner.history_turn.keep(self, self._owner, waiting)
                self._conversation.receive(one.message, now, one.damaged, one.size, waiting)
                self._pass_on(one.size, kept=kept)
        if (arrived := self._wire.arrived) or self._asks_for_turn:
            self._part_arrived(arrived, now)
        else:
            self._arrived = 0
        self._flush()

    def _part_arrived(self, arrived: int, now: float) -> None:
        """Note what has arrived of an unfinished message; stop reading a long one until it is its turn (P6)."""
        turn, self._asks_for_turn = self._owner.history_turn, self._wire.long
        if arrived < self._arrived:
            self._arrived = 0
        if arrived - self._arrived >= _PROGRESS_BYTES:
            self._arrived = arrived
            self._conversation.arriving(now)
        if not self._asks_for_turn:
            turn.give_up(self)
        self._waits_for_turn = self._asks_for_turn and not self._ended and not turn.ask(self)
        self._update_reading()

    def _lost(self, reason: Problem) -> None:
        self._conversation.closed()
        self._pass_on(0)
        self._finish(reason)

    def _pass_on(self, size: int, *, kept: bool = False) -> None:
        """Pass on what was learnt from `size` bytes; `kept`: those of an update are bounded without its shard."""
        events = self._conversation.events_received()
        if not events:
            return
        stamp = self._clock.now_us()
        for event in events:
            if isinstance(event, TranscriptUpdate):
                event.observed_at = stamp
                self._owner.update_received(self, event, 0 if kept else size)
            elif isinstance(event, JoinRefused):
                self._owner.update_received(self, event, size)
            elif isinstance(event, Registered):
                self._was_ready = True
                self.version_assumed = event.assumed
                self._update_reading()
                self._owner.registered(self)
            elif isinstance(event, Absent):
                self._owner.update_received(self, LinkDown(event.session_id, event.reason, stamp), size)
            elif isinstance(event, UnexpectedMessage):
                self._unexpected(event, size, stamp)
            elif isinstance(event, Ended):
                self._finish(event.reason)

    def _unexpected(self, event: UnexpectedMessage, size: int, stamp: int) -> None:
        """Pass on what an unexpected message holds, and what of it could not be read."""
        message = msgspec.json.encode(event.message)
        parts = [(message, event.reason, size, event.attributed)]
        parts += [(bad.raw, bad.reason, len(bad.raw), False) for bad in event.damaged]
        for raw, reason, total, attributed in parts:
            quarantined = QuarantinedInput(
                self.server, raw, reason, total, event.session_id, attributed, observed_at=stamp
            )
            self._owner.update_received(self, quarantined, total)

    def _update_reading(self) -> None:
        """Read or not. While writing is paused the silence still counts: a server that never reads is given up."""
        transport, reads = self._transport, self._listening and not self._write_paused
        if transport is not None and not transport.is_closing() and transport.is_reading() != reads:
            (transport.resume_reading if reads else transport.pause_reading)()

    @property
    def _listening(self) -> bool:
        """A pause takes effect after the registration: its answer has to be read, or it would time out."""
        return not self._waits_for_turn and not (self._paused and self._was_ready)

    def _quarantine(self, bad: Unreadable) -> None:
        concern = self._conversation.unreadable(bad.session_hint, bad.reason)
        quarantined = QuarantinedInput(
            self.server,
            bad.raw,
            bad.reason,
            bad.length,
            concern.session_id,
            concern.attributed,
            concern.followed,
            observed_at=self._clock.now_us(),
        )
        self._owner.update_received(self, quarantined, len(bad.raw))
        self._pass_on(0)

    def _flush(self) -> None:
        requests = self._conversation.requests()
        if requests and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._encoded(request) for request in requests))
            if not self._ended and self._transport.get_write_buffer_size() > UNSENT_BYTES:  # P6
                self._lost(DOES_NOT_READ)
        self._arm()

    def _encoded(self, request: Request) -> bytes:
        try:
            return self._wire.encode(request)
        except FrameTooLong:
            if not isinstance(request, RequestJoin):
                raise
            # One chat's password must not end the link of all others.
            self._conversation.join_not_sent(request, CANNOT_BE_SENT)
            self._pass_on(0)
            return b""

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
        self._contain(self._time_has_come)

    def _time_has_come(self) -> None:
        now = self._clock.monotonic()
        self._conversation.on_timer(now, listening=self._listening)
        self._pass_on(0)
        self._flush()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _finish(self, reason: Problem) -> None:
        if self._ended:
            return
        for bad in self._wire.close():  # P2: too long already, and its end will never come
            self._quarantine(bad)
        self._end(reason)

    def _end(self, reason: Problem) -> None:
        if not self._ended:
            self.close()
            self._owner.ended(self, reason, refused=not self._was_ready)
