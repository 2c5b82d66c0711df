"""The client's side of a basic connection: register, join many chats, keep alive, leave quietly.

Sans-IO: `receive` and `on_timer` take what happened and the time (seconds, any monotonic clock); `requests()` gives
what must be sent and `happenings()` what was learnt. `next_timer` says when `on_timer` wants to be called. One
conversation is one connection: a lost one is thrown away and its chats are joined again on another.

It only ever says RequestRegister, RequestJoin (of existing sessions), RequestReleaseParty with KeepAlive, Ping and
Pong. P4: there is no code here that could send, create or revive anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from bridge.chatserver.messages import (
    KEEP_ALIVE,
    LOGGED_OUT,
    NO_SUCH_USER,
    OVER,
    SESSION_PASSWORD_KEY,
    WRONG_SECURE_KEY,
    Event,
    EventError,
    EventRegistered,
    EventSessionInfo,
    Ping,
    Pong,
    Request,
    RequestJoin,
    RequestRegister,
    RequestReleaseParty,
    UnknownMessage,
)
from bridge.transcript.events import SUPERVISOR, VIP, Item
from bridge.transcript.updates import GIVE_UP, RETRY, Damaged, JoinRefused, TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence


class Phase(Enum):
    """Where a connection is in its life."""

    OPENING = "opening"
    REGISTERING = "registering"
    READY = "ready"
    CLOSED = "closed"


# Error -> what to do after a refused join. D18 names the first three; nothing public lists others, which may pass.
VERDICTS: Final = {
    NO_SUCH_USER: GIVE_UP,  # the session no longer exists on this server
    LOGGED_OUT: RETRY,  # we were logged out, the session itself runs on
    WRONG_SECURE_KEY: GIVE_UP,  # asking again with the same key only repeats the mistake
}


_HELD_BYTES: Final = 4 * 1024 * 1024
"""Of events that overtake the answer to a join; the history will have them again."""


def verdict_on(error_id: int) -> str:
    """Return RETRY or GIVE_UP for a join that was refused with this error."""
    return VERDICTS.get(error_id, RETRY)


@dataclass(slots=True, frozen=True)
class ConnectionSettings:
    """Who the bridge is to a Chat Server, and how patient. Times in seconds."""

    nickname: str
    person_id: str
    server: str
    client_version: int = 106
    target: str | None = None
    register_timeout: float = 10.0
    join_timeout: float = 10.0
    ping_after: float = 30.0
    pong_timeout: float = 10.0


@dataclass(slots=True, frozen=True)
class Registered:
    """The connection is ready for joins; `version` is the negotiated ClientVersion."""

    version: int


@dataclass(slots=True, frozen=True)
class Ended:
    """The connection is of no more use: close it. Every chat on it must be joined again elsewhere."""

    reason: str


@dataclass(slots=True, frozen=True)
class UnexpectedMessage:
    """A message that belongs to no chat of this connection: data all the same. `session_id` is the chat it names."""

    session_id: str | None
    reason: str
    message: Event | UnknownMessage


ConversationEvent = Registered | Ended | UnexpectedMessage | TranscriptUpdate | JoinRefused


@dataclass(slots=True)
class _PendingJoin:
    session_id: str
    deadline: float
    held: list[TranscriptUpdate] = field(default_factory=list)
    held_bytes: int = 0


class Conversation:
    """One connection's protocol. Methods never raise on what the peer sends."""

    def __init__(self, identity: ConnectionSettings) -> None:
        """Start before the transport is open."""
        self._me = identity
        self._phase = Phase.OPENING
        self._version = identity.client_version
        self._out: list[Request] = []
        self._events_received: list[ConversationEvent] = []
        self._pending: dict[int, _PendingJoin] = {}
        self._waiting: dict[str, int] = {}
        self._joined: set[str] = set()
        self._left: set[str] = set()
        self._reference = 0
        self._deadline: float | None = None
        self._heard = 0.0
        self._ping_deadline: float | None = None

    # --- what can be asked ---------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Where the connection is in its life."""
        return self._phase

    @property
    def version(self) -> int:
        """The ClientVersion in force: declared before registration, negotiated after."""
        return self._version

    @property
    def joined(self) -> frozenset[str]:
        """The chats whose events arrive here."""
        return frozenset(self._joined)

    @property
    def load(self) -> int:
        """How many chats are joined or being joined."""
        return len(self._joined) + len(self._pending)

    @property
    def next_timer(self) -> float | None:
        """When `on_timer` must be called next; None when nothing is being waited for."""
        if self._phase is Phase.CLOSED or self._phase is Phase.OPENING:
            return None
        if self._phase is Phase.REGISTERING:
            return self._deadline
        times = [pending.deadline for pending in self._pending.values()]
        times.append(self._ping_deadline if self._ping_deadline is not None else self._heard + self._me.ping_after)
        return min(times)

    def requests(self) -> list[Request]:
        """Take what has to be sent, in order."""
        out, self._out = self._out, []
        return out

    def events_received(self) -> list[ConversationEvent]:
        """Take what was learnt, in order."""
        happened, self._events_received = self._events_received, []
        return happened

    # --- what the owner does -------------------------------------------------------------------------------------

    def opened(self, now: float) -> None:
        """The transport is open: register."""
        me = self._me
        self._phase = Phase.REGISTERING
        self._heard = now
        self._deadline = now + me.register_timeout
        self._out.append(
            RequestRegister(
                user_nickname=me.nickname,
                user_type=SUPERVISOR,
                person_id=me.person_id,
                client_version=me.client_version,
                target=me.target,
                reference_id=self._next_reference(),
            )
        )

    def join(self, session_id: str, password: str | None, now: float) -> None:
        """Join a chat silently. The answer is a Seen with `snapshot`, or a JoinRefused.

        Only in READY. A chat that is joined or being joined here is left as it is.
        """
        if session_id in self._joined or session_id in self._waiting:
            return
        reference = self._next_reference()
        self._pending[reference] = _PendingJoin(session_id, now + self._me.join_timeout)
        self._waiting[session_id] = reference
        self._left.discard(session_id)
        secret = [Item(SESSION_PASSWORD_KEY, value=password)] if password else []
        self._out.append(RequestJoin(reference_id=reference, session_id=session_id, visibility=VIP, user_data=secret))

    def leave(self, session_id: str) -> None:
        """Leave a chat with KeepAlive (P4); what still arrives for it is dropped."""
        reference = self._waiting.pop(session_id, None)
        if reference is not None:
            del self._pending[reference]
        if session_id in self._joined or reference is not None:
            self._joined.discard(session_id)
            self._left.add(session_id)
            self._out.append(
                RequestReleaseParty(session_id=session_id, after_action=KEEP_ALIVE, reference_id=self._next_reference())
            )

    def listening_again(self, now: float) -> None:
        """Reading was paused until `now`: the silence so far says nothing about the peer."""
        self._heard = now
        self._ping_deadline = None
        for pending in self._pending.values():
            pending.deadline = now + self._me.join_timeout

    def closed(self) -> None:
        """The transport is gone."""
        self._phase = Phase.CLOSED

    # --- what happens to it --------------------------------------------------------------------------------------

    def receive(
        self, message: Event | UnknownMessage, now: float, *, damaged: Sequence[Damaged] = (), size: int = 0
    ) -> None:
        """Take one message. `damaged` are events of it that could not be read; `size` is its length in bytes."""
        self._heard = now
        self._ping_deadline = None
        if isinstance(message, EventSessionInfo):
            self._session_info(message, damaged, size)
        elif isinstance(message, Ping):
            self._out.append(Pong(reference_id=message.reference_id))
        elif isinstance(message, EventRegistered):
            self._registered(message)
        elif isinstance(message, EventError):
            self._error(message)
        elif isinstance(message, Pong):
            pass
        elif isinstance(message, UnknownMessage):
            session = message.fields.get("sessionId")
            self._events_received.append(
                UnexpectedMessage(session if isinstance(session, str) else None, "unknown message", message)
            )
        else:
            self._events_received.append(
                UnexpectedMessage(None, "a message that does not belong on a basic connection", message)
            )

    def on_timer(self, now: float, *, listening: bool = True) -> None:
        """Do what is due at `now`: give up on a registration or a join, ask for a sign of life, or miss one.

        With `listening` false (reading is paused) only the sign of life is given: no answer can be missed.
        """
        if not listening:
            if self._phase is Phase.READY:
                self._out.append(Ping(reference_id=self._next_reference()))
            self.listening_again(now)
            return
        if self._phase is Phase.REGISTERING:
            if self._deadline is not None and now >= self._deadline:
                self._end(f"no answer to the registration within {self._me.register_timeout:g} s")
            return
        if self._phase is not Phase.READY:
            return
        self._give_up_joins(now)
        if self._ping_deadline is not None:
            if now >= self._ping_deadline:
                self._end(f"no sign of life within {self._me.pong_timeout:g} s of a ping")
        elif now >= self._heard + self._me.ping_after:
            self._ping_deadline = now + self._me.pong_timeout
            self._out.append(Ping(reference_id=self._next_reference()))

    # --- inside --------------------------------------------------------------------------------------------------

    def _next_reference(self) -> int:
        self._reference += 1
        return self._reference

    def _end(self, reason: str) -> None:
        self._phase = Phase.CLOSED
        self._events_received.append(Ended(reason))

    def _registered(self, message: EventRegistered) -> None:
        if self._phase is not Phase.REGISTERING:
            self._events_received.append(UnexpectedMessage(None, "a second EventRegistered", message))
            return
        self._phase = Phase.READY
        # The lower of both counts; a server that answers with more than we declared does not raise us.
        self._version = min(message.client_version, self._me.client_version)
        self._events_received.append(Registered(self._version))

    def _give_up_joins(self, now: float) -> None:
        for pending in list(self._pending.values()):
            if now >= pending.deadline:
                self.leave(pending.session_id)  # it may still be granted, and nobody would know that we are in it
                self._events_received.append(
                    JoinRefused(
                        pending.session_id, 0, f"no answer to the join within {self._me.join_timeout:g} s", RETRY
                    )
                )

    def _session_info(self, message: EventSessionInfo, damaged: Sequence[Damaged], size: int) -> None:
        session = message.chat_transcript.session_id
        over = message.session_status == OVER
        seen = TranscriptUpdate(
            message.chat_transcript,
            over,
            snapshot=False,
            server=self._me.server,
            version=self._version,
            size=size,
            damaged=list(damaged),
        )
        pending = self._pending.get(message.reference_id) if message.reference_id else None
        if pending is not None and pending.session_id != session:
            # Somebody else's chat as the answer to our join: not ours to publish, and our join has no answer.
            self._forget(message.reference_id or 0)
            self._events_received.append(UnexpectedMessage(session, "answer to a join of another chat", message))
            self._events_received.append(
                JoinRefused(pending.session_id, 0, "the server answered with another chat", RETRY)
            )
            return
        if session in self._joined:
            self._events_received.append(seen)
        else:
            self._not_yet_joined(message, seen)
        if over:
            self._joined.discard(session)

    def _not_yet_joined(self, message: EventSessionInfo, seen: TranscriptUpdate) -> None:
        """Handle the answer to its join, a push that overtakes it, and what belongs to nobody here."""
        session = seen.session_id
        reference = message.reference_id
        pending = self._pending.get(reference) if reference else None
        if pending is not None:
            self._forget(reference or 0)
            self._joined.add(session)
            seen.snapshot = True
            self._events_received.append(seen)
            self._events_received += pending.held
            if any(held.over for held in pending.held):
                self._joined.discard(session)
        elif session in self._waiting:
            # A push that overtakes the answer: hold it, or its ids would come before the history's.
            waiting = self._pending[self._waiting[session]]
            waiting.held.append(seen)
            waiting.held_bytes += seen.size
            if waiting.held_bytes > _HELD_BYTES:  # P6
                self.leave(session)
                self._events_received.append(
                    JoinRefused(session, 0, "events without end, and no answer to the join", RETRY)
                )
        elif session not in self._left:
            self._events_received.append(UnexpectedMessage(session, "a chat that was not joined here", message))

    def _forget(self, reference: int) -> None:
        pending = self._pending.pop(reference)
        self._waiting.pop(pending.session_id, None)

    def _error(self, message: EventError) -> None:
        pending = self._pending.get(message.reference_id) if message.reference_id else None
        if pending is not None and message.reference_id:
            self._forget(message.reference_id)
            self._events_received.append(
                JoinRefused(
                    pending.session_id, message.error_id, message.description[:200], verdict_on(message.error_id)
                )
            )
        elif self._phase is Phase.REGISTERING:
            self._end(f"registration refused with error {message.error_id}")
        # Any other error answers a release of a chat that is over by now: nothing is owed.
