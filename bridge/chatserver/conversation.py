"""The client's side of a basic connection: register, join chats silently, keep alive, leave with KeepAlive.

Theory of operation. One conversation is one connection; it is sans-IO. The owner reports what happened together with
the time (seconds of any monotonic clock) and takes what follows from it:

    opened(now)                     the transport is open           -> RequestRegister
    receive(message, now)           a message has arrived           -> events_received()
    join(session, password, now)    a chat is to be watched         -> RequestJoin
    leave(session)                  no longer                       -> RequestReleaseParty with KeepAlive
    on_timer(now)                   `next_timer` has come           -> Ping, or a time-out
    closed()                        the transport is gone
    requests(), events_received()   what has to be sent, what was learnt, each taken once and in order

The connection goes through OPENING, REGISTERING, READY and CLOSED, and every chat on it through NOT_JOINED, JOINING,
JOINED and LEFT (`connection_state.py` has both tables). A lost connection is a lost party (4.1: D5, D13): the
conversation is thrown away and its chats are joined again on another one.

The answer to a join holds the history of the chat; it becomes a snapshot. Later pushes become increments. A push that
overtakes the answer to its join is held back until the answer is there, or its ids would come before those of the
history; what is held is bounded (P6). An answer that names another chat than the one that was asked for is reported
as unexpected, and the join counts as refused. A join without an answer is released, because it may still be granted
and nobody would know that we are a party of the chat.

Silence is answered by a Ping, and a Ping without any sign of life ends the connection. While the owner has paused
reading, silence proves nothing: only Pings are sent, so that the peer hears from us.

P4: only RequestRegister, RequestJoin (of an existing session, visibility VIP), RequestReleaseParty with KeepAlive, Ping
and Pong are ever sent. No code here could send a message, create a session or revive one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.chatserver.connection_state import (
    CHAT_TRANSITIONS,
    CONNECTION_TRANSITIONS,
    ChatInput,
    ChatState,
    ConnectionInput,
    ConnectionState,
    next_state,
)
from bridge.chatserver.conversation_events import ConversationEvent, Ended, Registered, UnexpectedMessage
from bridge.chatserver.messages import (
    KEEP_ALIVE,
    OVER,
    SESSION_PASSWORD_KEY,
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
from bridge.chatserver.pending_join import PendingJoin
from bridge.chatserver.verdicts import verdict_on
from bridge.transcript.events import SUPERVISOR, VIP, Item
from bridge.transcript.updates import Damaged, JoinRefused, TranscriptUpdate, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.chatserver.connection_settings import ConnectionSettings

_HELD_BYTES: Final = 4 * 1024 * 1024
"""Limit for pushes that overtake the answer to a join. They are dropped beyond it: the history has them again."""
_DESCRIPTION_CHARACTERS: Final = 200


class Conversation:
    """One connection. No method raises on what the peer sends; IllegalTransition is a defect of the owner."""

    def __init__(self, settings: ConnectionSettings) -> None:
        """Start before the transport is open."""
        self._settings = settings
        self._state = ConnectionState.OPENING
        self._version = settings.client_version
        self._requests: list[Request] = []
        self._events_received: list[ConversationEvent] = []
        self._chats: dict[str, ChatState] = {}  # NOT_JOINED is the absence of an entry
        self._joined = 0
        self._pending: dict[int, PendingJoin] = {}
        self._reference_of: dict[str, int] = {}
        self._reference = 0
        self._register_deadline = 0.0
        self._heard_at = 0.0
        self._pong_deadline: float | None = None

    # --- what can be asked ---------------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """Where the connection is in its life."""
        return self._state

    @property
    def version(self) -> int:
        """The ClientVersion in force: declared before registration, negotiated after."""
        return self._version

    @property
    def joined(self) -> frozenset[str]:
        """The chats whose events arrive here."""
        return frozenset(session for session, state in self._chats.items() if state is ChatState.JOINED)

    @property
    def load(self) -> int:
        """Number of chats that are joined or being joined."""
        return self._joined + len(self._pending)

    @property
    def next_timer(self) -> float | None:
        """When `on_timer` must be called next; None when no time limit is running."""
        if self._state is ConnectionState.REGISTERING:
            return self._register_deadline
        if self._state is not ConnectionState.READY:
            return None
        times = [pending.deadline for pending in self._pending.values()]
        times.append(self._heard_at + self._settings.ping_after if self._pong_deadline is None else self._pong_deadline)
        return min(times)

    def is_joined(self, session_id: str) -> bool:
        """Tell whether the events of this chat arrive here."""
        return self._chats.get(session_id) is ChatState.JOINED

    def requests(self) -> list[Request]:
        """Take what has to be sent, in order."""
        requests, self._requests = self._requests, []
        return requests

    def events_received(self) -> list[ConversationEvent]:
        """Take what was learnt, in order."""
        events, self._events_received = self._events_received, []
        return events

    # --- what the owner does -------------------------------------------------------------------------------------

    def opened(self, now: float) -> None:
        """The transport is open: register."""
        self._move(ConnectionInput.TRANSPORT_OPENED)
        settings = self._settings
        self._heard_at = now
        self._register_deadline = now + settings.register_timeout
        self._requests.append(
            RequestRegister(
                user_nickname=settings.nickname,
                user_type=SUPERVISOR,
                person_id=settings.person_id,
                client_version=settings.client_version,
                target=settings.target,
                reference_id=self._next_reference(),
            )
        )

    def join(self, session_id: str, password: str | None, now: float) -> None:
        """Join a chat silently. The answer is a TranscriptUpdate with `snapshot`, or a JoinRefused.

        Only in READY. A chat that is joined or being joined is left as it is.
        """
        if self._chats.get(session_id) in (ChatState.JOINING, ChatState.JOINED):
            return
        self._move_chat(session_id, ChatInput.JOIN)
        reference = self._next_reference()
        self._pending[reference] = PendingJoin(session_id, now + self._settings.join_timeout)
        self._reference_of[session_id] = reference
        secret = [Item(SESSION_PASSWORD_KEY, value=password)] if password else []
        self._requests.append(
            RequestJoin(reference_id=reference, session_id=session_id, visibility=VIP, user_data=secret)
        )

    def join_not_sent(self, join: RequestJoin, reason: str) -> None:
        """Take back a join, taken from `requests`, that the wire could not encode. No other one would fare better."""
        self._refuse(join.reference_id or 0, 0, reason, Verdict.NEVER)

    def leave(self, session_id: str) -> None:
        """Leave a chat with KeepAlive (P4); what still arrives for it is dropped."""
        if self._chats.get(session_id) not in (ChatState.JOINING, ChatState.JOINED):
            return
        self._move_chat(session_id, ChatInput.LEAVE)
        reference = self._reference_of.pop(session_id, None)
        if reference is not None:
            del self._pending[reference]
        self._requests.append(
            RequestReleaseParty(session_id=session_id, after_action=KEEP_ALIVE, reference_id=self._next_reference())
        )

    def listening_again(self, now: float) -> None:
        """Reading was paused until `now`: the silence so far proves nothing about the peer."""
        self._heard_at = now
        self._pong_deadline = None
        for pending in self._pending.values():
            pending.deadline = now + self._settings.join_timeout

    def closed(self) -> None:
        """The transport is gone."""
        self._move(ConnectionInput.TRANSPORT_CLOSED)

    # --- what happens to it --------------------------------------------------------------------------------------

    def receive(
        self, message: Event | UnknownMessage, now: float, *, damaged: Sequence[Damaged] = (), size: int = 0
    ) -> None:
        """Take one message. `damaged` are events of it that could not be read; `size` is its length in bytes."""
        self._heard_at = now
        self._pong_deadline = None
        if isinstance(message, EventSessionInfo):
            self._session_info(message, damaged, size)
        elif isinstance(message, Ping):
            self._requests.append(Pong(reference_id=message.reference_id))
        elif isinstance(message, EventRegistered):
            self._registered(message)
        elif isinstance(message, EventError):
            self._error(message)
        elif isinstance(message, UnknownMessage):
            session = message.fields.get("sessionId")
            self._unexpected(session if isinstance(session, str) else None, "unknown message", message)
        elif not isinstance(message, Pong):
            self._unexpected(None, "a message that does not belong on a basic connection", message)

    def on_timer(self, now: float, *, listening: bool = True) -> None:
        """Do what is due at `now`: give up a registration or a join, send a Ping, or notice that none was answered.

        With `listening` false (reading is paused) only a Ping is sent: an answer could not be noticed anyway.
        """
        ready = self._state is ConnectionState.READY
        if not listening:
            if ready:
                self._requests.append(Ping(reference_id=self._next_reference()))
            self.listening_again(now)
        elif self._state is ConnectionState.REGISTERING and now >= self._register_deadline:
            self._end(f"no answer to the registration within {self._settings.register_timeout:g} s")
        elif ready:
            self._give_up_joins(now)
            if self._pong_deadline is not None:
                if now >= self._pong_deadline:
                    self._end(f"no sign of life within {self._settings.pong_timeout:g} s of a ping")
            elif now >= self._heard_at + self._settings.ping_after:
                self._pong_deadline = now + self._settings.pong_timeout
                self._requests.append(Ping(reference_id=self._next_reference()))

    # --- inside --------------------------------------------------------------------------------------------------

    def _move(self, given: ConnectionInput) -> None:
        self._state = next_state(CONNECTION_TRANSITIONS, self._state, given)

    def _move_chat(self, session_id: str, given: ChatInput) -> None:
        before = self._chats.pop(session_id, ChatState.NOT_JOINED)
        after = next_state(CHAT_TRANSITIONS, before, given)
        if after is not ChatState.NOT_JOINED:
            self._chats[session_id] = after
        self._joined += (after is ChatState.JOINED) - (before is ChatState.JOINED)

    def _next_reference(self) -> int:
        self._reference += 1
        return self._reference

    def _end(self, reason: str) -> None:
        self._move(ConnectionInput.FAILED)
        self._events_received.append(Ended(reason))

    def _unexpected(self, session_id: str | None, reason: str, message: Event | UnknownMessage) -> None:
        self._events_received.append(UnexpectedMessage(session_id, reason, message))

    def _registered(self, message: EventRegistered) -> None:
        if self._state is not ConnectionState.REGISTERING:
            self._unexpected(None, "a second EventRegistered", message)
            return
        self._move(ConnectionInput.REGISTERED)
        # The lower of both counts; a server that answers with more than was declared does not raise it.
        self._version = min(message.client_version, self._settings.client_version)
        self._events_received.append(Registered(self._version))

    def _give_up_joins(self, now: float) -> None:
        reason = f"no answer to the join within {self._settings.join_timeout:g} s"
        for pending in list(self._pending.values()):
            if now >= pending.deadline:
                self._release(pending.session_id, reason)

    def _release(self, session_id: str, reason: str) -> None:
        """Give up a join that may still be granted: without a release nobody would know that we are a party."""
        self.leave(session_id)
        self._events_received.append(JoinRefused(session_id, 0, reason, Verdict.RETRY))

    def _refuse(self, reference: int, code: int, reason: str, verdict: Verdict) -> None:
        session_id = self._pending.pop(reference).session_id
        del self._reference_of[session_id]
        self._move_chat(session_id, ChatInput.REFUSED)
        self._events_received.append(JoinRefused(session_id, code, reason, verdict))

    def _session_info(self, message: EventSessionInfo, damaged: Sequence[Damaged], size: int) -> None:
        session_id = message.chat_transcript.session_id
        over = message.session_status == OVER
        update = TranscriptUpdate(
            message.chat_transcript,
            over,
            snapshot=False,
            server=self._settings.server,
            version=self._version,
            size=size,
            damaged=list(damaged),
        )
        reference = message.reference_id or 0
        pending = self._pending.get(reference)
        state = self._chats.get(session_id, ChatState.NOT_JOINED)
        if pending is not None and pending.session_id != session_id:
            # Another chat as the answer to our join: it is not ours to publish, and our join has no answer.
            self._unexpected(session_id, "answer to a join of another chat", message)
            self._refuse(reference, 0, "the server answered with another chat", Verdict.RETRY)
        elif pending is not None:
            self._joined_with(reference, update)
        elif state is ChatState.JOINED:
            self._events_received.append(update)
            if over:
                self._move_chat(session_id, ChatInput.OVER)
        elif state is ChatState.JOINING:
            self._hold_back(update)
        elif state is ChatState.NOT_JOINED:
            self._unexpected(session_id, "a chat that was not joined here", message)

    def _joined_with(self, reference: int, snapshot: TranscriptUpdate) -> None:
        pending = self._pending.pop(reference)
        del self._reference_of[pending.session_id]
        self._move_chat(pending.session_id, ChatInput.SNAPSHOT)
        snapshot.snapshot = True
        self._events_received += [snapshot, *pending.held]
        if snapshot.over or any(held.over for held in pending.held):
            self._move_chat(pending.session_id, ChatInput.OVER)

    def _hold_back(self, update: TranscriptUpdate) -> None:
        """Keep a push that overtook the answer to its join, or its ids would come before the history's."""
        pending = self._pending[self._reference_of[update.session_id]]
        pending.held.append(update)
        pending.held_bytes += update.size
        if pending.held_bytes > _HELD_BYTES:  # P6
            self._release(update.session_id, "events without end, and no answer to the join")

    def _error(self, message: EventError) -> None:
        reference = message.reference_id or 0
        if reference in self._pending:
            description = message.description[:_DESCRIPTION_CHARACTERS]
            self._refuse(reference, message.error_id, description, verdict_on(message.error_id))
        elif self._state is ConnectionState.REGISTERING:
            self._end(f"registration refused with error {message.error_id}")
        # Any other error answers the release of a chat that is over by now: nothing has to be done.
