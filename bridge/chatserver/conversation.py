"""The client's side of a basic connection: register, join chats silently, keep alive, leave with KeepAlive.

Theory of operation. One conversation is one connection; it is sans-IO. The owner reports what happened together with
the time (seconds of any monotonic clock) and takes what follows from it:

    opened(now)                     the transport is open           -> RequestRegister
    receive(message, now)           a message has arrived           -> events_received()
    unreadable(session, reason)     a line could not be read        -> which chats it may have been about
    join(session, password, now)    a chat is to be watched         -> RequestJoin
    leave(session)                  no longer                       -> RequestReleaseParty with KeepAlive
    on_timer(now)                   `next_timer` has come           -> Ping, or a time-out
    closed()                        the transport is gone
    requests(), events_received()   what has to be sent, what was learnt, each taken once and in order

The states of the connection and of each chat on it: `connection_state.py`. A lost connection is a lost party (4.1: D5,
D13): the conversation is thrown away and its chats are joined again on another one.

The answer to a join holds the history of the chat; it becomes a snapshot. Later pushes become increments, also those
of a chat that has ended: nothing public says that only the last push of a chat has the status Over. A push belongs to
the chat that it names, whatever reference it carries. One that overtakes the answer to its join is held back until the
answer is there, or its ids would come before those of the history; what is held is bounded (P6). When the join ends in
any other way, or the connection does, what was held comes before that; that one of those pushes said Over is then not
told, because without the history nobody can say that the chat is complete.

An answer that names a chat with which we have nothing to do is unexpected, and the join counts as refused. A join
without an answer is released, because it may still be granted and nobody would know that we are a party of the chat; so
is one whose answer cannot be read, or has no transcript. The answer to a release says nothing of a membership that has
begun since: its Over does not end a chat that was joined again.

Silence is answered by a Ping, and a Ping without any sign of life ends the connection. While the owner has paused
reading, silence proves nothing: only Pings are sent, so that the peer hears from us. An error that answers nothing, and
our own departure from a chat that goes on, mean that we are a party no more (`removals.py`).

P4: only RequestRegister, RequestJoin (of an existing session, visibility VIP), RequestReleaseParty with KeepAlive, Ping
and Pong are ever sent. No code here could send a message, create a session or revive one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.chatserver import conversation_reasons as reasons
from bridge.chatserver.connection_state import (
    CONNECTION_TRANSITIONS,
    ChatState,
    ConnectionInput,
    ConnectionState,
    next_state,
)
from bridge.chatserver.conversation_events import (
    Absent,
    Concern,
    ConversationEvent,
    Ended,
    Registered,
    UnexpectedMessage,
)
from bridge.chatserver.memberships import Memberships
from bridge.chatserver.messages import (
    LOGGED_OUT,
    Event,
    EventError,
    EventRegistered,
    EventSessionInfo,
    EventStatus,
    Ping,
    Request,
    RequestJoin,
    UnknownMessage,
)
from bridge.chatserver.outbox import Outbox
from bridge.chatserver.removals import Removals, without_text
from bridge.chatserver.session_info import beginning, update_of
from bridge.chatserver.silence import Silence
from bridge.chatserver.verdicts import verdict_on
from bridge.chatserver.versions import LOWEST, negotiate
from bridge.transcript.updates import Damaged, JoinRefused, TranscriptUpdate, Verdict, WaitingEvents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.chatserver.connection_settings import ConnectionSettings
    from bridge.errors import Problem

# Members that are needed for each message: to look one up in its Enum takes longer than all else that is done with it.
_JOINED: Final = ChatState.JOINED
_HERE: Final = (ChatState.JOINED, ChatState.ENDED)
_READY: Final = ConnectionState.READY


class Conversation:
    """One connection. No method raises on what the peer sends; IllegalTransition is a defect of the owner."""

    def __init__(self, settings: ConnectionSettings) -> None:
        """Start before the transport is open."""
        self._settings = settings
        self._state = ConnectionState.OPENING
        self._version = settings.client_version
        self._outbox = Outbox()
        self._events_received: list[ConversationEvent] = []
        self._chats = Memberships()
        self._removals = Removals()
        self._register_deadline = 0.0
        self._silence = Silence(settings.ping_after, settings.pong_timeout)

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
        return self._chats.joined

    @property
    def load(self) -> int:
        """Number of chats that are joined or being joined."""
        return self._chats.load

    @property
    def next_timer(self) -> float | None:
        """When `on_timer` must be called next; None when no time limit is running."""
        if self._state is not _READY:
            return self._register_deadline if self._state is ConnectionState.REGISTERING else None
        return min(self._silence.next_check, self._removals.next_due, self._chats.next_deadline)

    def is_joined(self, session_id: str) -> bool:
        """Tell whether the events of this chat arrive here."""
        return self._chats.state(session_id) is ChatState.JOINED

    def requests(self) -> list[Request]:
        """Take what has to be sent, in order."""
        return self._outbox.take()

    def events_received(self) -> list[ConversationEvent]:
        """Take what was learnt, in order."""
        events, self._events_received = self._events_received, []
        return events

    # --- what the owner does -------------------------------------------------------------------------------------

    def opened(self, now: float) -> None:
        """The transport is open: register."""
        self._move(ConnectionInput.TRANSPORT_OPENED)
        self._silence.broken(now)
        self._register_deadline = now + self._settings.register_timeout
        self._outbox.register(self._settings)

    def join(self, session_id: str, password: str | None, now: float) -> None:
        """Join a chat silently. The answer is a TranscriptUpdate with `snapshot`, or a JoinRefused.

        Only in READY. A chat that is joined or being joined is left as it is.
        """
        if self._chats.is_present(session_id):
            return
        reference = self._outbox.join(session_id, password)
        self._chats.joining(session_id, reference, now + self._settings.join_timeout)

    def join_not_sent(self, join: RequestJoin, reason: Problem) -> None:
        """Take back a join, taken from `requests`, that the wire could not encode. No other one would fare better."""
        self._refuse(join.session_id or "", 0, reason, Verdict.NEVER)

    def leave(self, session_id: str) -> None:
        """Leave a chat with KeepAlive (P4); what still arrives for it is dropped."""
        if self._chats.is_present(session_id):
            self._events_received += self._leave(session_id)

    def listening_again(self, now: float) -> None:
        """Reading was paused until `now`: the silence so far proves nothing about the peer."""
        self._removals.listening_again(now)
        self.arriving(now)

    def arriving(self, now: float) -> None:
        """More of a long message has arrived: the peer is there, and no answer could have come before its end."""
        self._silence.broken(now)
        for join in self._chats.joins:
            join.deadline = now + self._settings.join_timeout

    def closed(self) -> None:
        """The transport is gone."""
        self._events_received += self._chats.abandoned()
        self._move(ConnectionInput.TRANSPORT_CLOSED)

    # --- what happens to it --------------------------------------------------------------------------------------

    def receive(
        self,
        message: Event | UnknownMessage,
        now: float,
        damaged: Sequence[Damaged] = (),
        size: int = 0,
        waiting: WaitingEvents | None = None,
    ) -> None:
        """Take one message; the other arguments are the fields of `Decoded`."""
        self._silence.broken(now)
        if isinstance(message, EventSessionInfo):
            settings, version = self._settings, self._version
            update = update_of(message, damaged, size, waiting, server=settings.server, version=version)
            self._session_info(message, update)
        elif isinstance(message, Ping):
            self._outbox.pong(message.reference_id)
        elif isinstance(message, EventRegistered):
            self._registered(message)
        elif isinstance(message, EventError):
            self._error(message)
        elif isinstance(message, UnknownMessage):
            if not message.is_chatless or not self._is_answer(message):
                self._unexpected(message.session_id, reasons.no_update(chatless=message.is_chatless), message)
        elif isinstance(message, EventStatus):
            flex = message.flex_transcript
            named = None if flex is None else flex.session_id
            self._unexpected(named, reasons.WRONG_CONNECTION, message, damaged)

    def unreadable(self, session_hint: str | None, reason: Problem) -> Concern:
        """A line could not be read that seems to be about a chat; return which chats it may have been about.

        A chat that this connection knows is the only one, and the join of one that is being joined is refused: it was
        the history. Without such a chat every joined one may be meant.
        """
        if session_hint is None or (state := self._chats.state(session_hint)) is ChatState.NOT_JOINED:
            return Concern(None, attributed=False, followed=tuple(self._chats.joined))
        if state is ChatState.JOINING:
            self._release(session_hint, reasons.unreadable_history(reason), unreadable=True)
        return Concern(session_hint, attributed=state in _HERE)

    def on_timer(self, now: float, *, listening: bool = True) -> None:
        """Do what is due at `now`: give up a registration or a join, send a Ping, or notice that none was answered.

        With `listening` false (reading is paused) only a Ping is sent: an answer could not be noticed anyway.
        """
        ready = self._state is ConnectionState.READY
        if not listening:
            if ready:
                self._outbox.ping()
            self.listening_again(now)
        elif self._state is ConnectionState.REGISTERING and now >= self._register_deadline:
            self._end(reasons.not_registered(self._settings.register_timeout))
        elif ready:
            for late in [join for join in self._chats.joins if now >= join.deadline]:
                self._release(late.session_id, reasons.no_answer(self._settings.join_timeout))
            for session_id in self._removals.due(now):
                self._removed(session_id, reasons.REMOVED)
            if self._silence.is_too_long(now):
                self._end(reasons.silent(self._settings.pong_timeout))
            elif self._silence.ping_due(now):
                self._outbox.ping()

    # --- inside --------------------------------------------------------------------------------------------------

    def _move(self, given: ConnectionInput) -> None:
        self._state = next_state(CONNECTION_TRANSITIONS, self._state, given)

    def _end(self, reason: Problem) -> None:
        self._move(ConnectionInput.FAILED)
        self._events_received += [*self._chats.abandoned(), Ended(reason)]

    def _unexpected(
        self, session_id: str | None, reason: Problem, message: Event | UnknownMessage, damaged: Sequence[Damaged] = ()
    ) -> None:
        attributed = session_id is not None and self._chats.state(session_id) in _HERE
        self._events_received.append(UnexpectedMessage(session_id, reason, message, attributed, tuple(damaged)))

    def _registered(self, message: EventRegistered) -> None:
        if self._state is not ConnectionState.REGISTERING:
            self._unexpected(None, reasons.REGISTERED_TWICE, message)
            return
        self._move(ConnectionInput.REGISTERED)
        self._removals.registered(message.user_id)
        told = message.client_version
        if told is not None:  # else the declared one is taken to be in force; a higher one does not raise it
            self._version = negotiate(self._settings.client_version, max(told, LOWEST))
        self._events_received.append(Registered(self._version, assumed=told is None))

    def _leave(self, session_id: str) -> list[TranscriptUpdate]:
        self._removals.settled(session_id)
        return self._chats.left(session_id, self._outbox.release(session_id))

    def _removed(self, session_id: str, reason: Problem) -> None:
        """We are no party of a joined chat any more. It is released all the same, so that we are never two."""
        self._events_received += [*self._leave(session_id), Absent(session_id, reason)]

    def _release(self, session_id: str, reason: Problem, *, unreadable: bool = False) -> None:
        """Give up a join that may still be granted: without a release nobody would know that we are a party."""
        refusal = JoinRefused(session_id, 0, reason, Verdict.RETRY, unreadable=unreadable)
        self._events_received += [*self._leave(session_id), refusal]

    def _refuse(self, session_id: str, error_id: int, reason: Problem, verdict: Verdict) -> None:
        self._events_received += [*self._chats.refused(session_id), JoinRefused(session_id, error_id, reason, verdict)]

    def _session_info(self, message: EventSessionInfo, update: TranscriptUpdate) -> None:
        session_id, reference = message.chat_transcript.session_id, message.reference_id or 0
        released = reference != 0 and self._chats.released(reference, session_id)
        is_open, state = self._state is _READY, self._chats.state(session_id)
        update.over = update.over and is_open and not released
        if state in _HERE or (state is ChatState.JOINING and not is_open):  # the end may have lines behind it
            self._events_received.append(update)
            if update.over and state is _JOINED:
                self._chats.over(session_id)
                self._removals.settled(session_id)
            elif state is _JOINED and not released:
                self._removals.seen(update, self._silence.heard_at)
            return
        join = self._chats.join_with(reference)
        if state is ChatState.JOINING:
            if join is not None and join.session_id == session_id:
                self._events_received += self._chats.answered(update)
            elif (most := self._chats.hold(update)) is not None:  # P6
                self._release(most, reasons.TOO_MANY_EVENTS)
        elif state is ChatState.NOT_JOINED:
            why = reasons.NOT_JOINED if join is None else reasons.ANOTHER_CHAT
            self._unexpected(session_id, why, beginning(message, update.waiting), update.damaged)
            if join is not None:  # another chat as its answer, which is not ours to publish: it has none
                self._refuse(join.session_id, 0, reasons.WRONG_ANSWER, Verdict.RETRY)

    def _is_answer(self, message: UnknownMessage) -> bool:
        """Take an answer that names no chat, if it is one; to a join it says that we are a party, without a history."""
        if (join := self._chats.join_with(message.reference)) is not None:
            self._release(join.session_id, reasons.NO_HISTORY)
        return join is not None or self._chats.released(message.reference)

    def _error(self, message: EventError) -> None:
        reference = message.reference_id or 0
        named = message.session_id if not reference else None  # an answer is about what was asked
        join = self._chats.join_with(reference)
        session_id = (named or "") if join is None else join.session_id
        if self._chats.state(session_id) is ChatState.JOINING:
            error_id = message.error_id
            self._refuse(session_id, error_id, reasons.join_refused(error_id), verdict_on(error_id))
        elif self._state is ConnectionState.REGISTERING:
            self._end(reasons.registration_refused(message.error_id))
        elif not self._chats.released(reference):
            self._unsolicited(message, named or self._chats.joined_with(reference))

    def _unsolicited(self, message: EventError, session_id: str | None) -> None:
        """Take an error that no request waits for; `session_id` is the chat that it is about."""
        if session_id is not None or message.reference_id:
            if session_id is not None and self.is_joined(session_id):  # else: it comes late, and concerns nobody
                self._removed(session_id, reasons.logged_out(message.error_id))
        elif message.error_id == LOGGED_OUT and self._state is ConnectionState.READY:
            self._end(reasons.logged_out(message.error_id))
        else:
            self._unexpected(None, reasons.ANSWERS_NOTHING, without_text(message))
