"""The open sessions of one Chat Server and the operations on them. Pure: the caller passes `now` and the generator.

Operations return effects for the server to carry out, and raise `RequestRefused` when the server rejects the request.
Parties without a connection (those of generated traffic, and flex clients) use the same operations but get no pushes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.chatserver.messages import (
    ALIVE,
    CLOSE_IF_NO_AGENTS,
    FORCE_CLOSE,
    KEEP_ALIVE,
    OVER,
    SESSION_PASSWORD_KEY,
    EventSessionInfo,
)
from bridge.simulator.model.departures import (
    BY_AFTER_ACTION,
    DISCONNECTED,
    INACTIVE,
    REMOVED,
    WORKFLOW_STOPPED,
    Departure,
)
from bridge.simulator.model.effects import Effect, Push, SessionClosed, SessionOpened
from bridge.simulator.model.fanout import ReplyTo, add_system_notice, fan_out, remove_remaining
from bridge.simulator.model.idle_timers import IdleTimers
from bridge.simulator.model.refusals import NOT_ALLOWED, WRONG_PASSWORD, RequestRefused, no_such_user
from bridge.simulator.model.session import ChatSession, apply_nickname_update, with_file_id
from bridge.simulator.model.session_parties import PartySpec, SessionParty, may_join, may_send
from bridge.transcript.events import (
    ALL,
    EXTERNAL,
    IDLE_CONTROL_ALERT,
    IDLE_CONTROL_CLOSE,
    IDLE_CONTROL_SET,
    SYS_COMMAND,
    Items,
    MessageText,
    NoticeText,
    find,
)

if TYPE_CHECKING:
    import random

    from bridge.simulator.model.idle import IdleTimeouts
    from bridge.simulator.model.model_settings import ModelSettings
    from bridge.transcript.events import ChatEvent


class Sessions:
    """The open sessions of one server, by session id in `by_id`. A closed session is removed."""

    def __init__(self, settings: ModelSettings, rng: random.Random) -> None:
        """`rng` generates the user ids, session ids, keys and passwords that the client does not supply."""
        self.settings = settings
        self.rng = rng
        self.by_id: dict[str, ChatSession] = {}
        self._idle_timers = IdleTimers(self.by_id)

    def __len__(self) -> int:
        """Return the number of open sessions."""
        return len(self.by_id)

    def session(self, session_id: str) -> ChatSession:
        """Return an open session, or raise RequestRefused(8201)."""
        found = self.by_id.get(session_id)
        if found is None:
            raise no_such_user()
        return found

    def new_user_id(self) -> str:
        """Return a random user id, 16 hex digits."""
        return f"{self.rng.getrandbits(64):016X}"

    # --- open and join ----------------------------------------------------------------------------------------------

    def open(  # noqa: PLR0913 - the fields of a join
        self,
        creator: PartySpec,
        now: float,
        *,
        session_id: str = "",
        connection: int | None = None,
        reference_id: int | None = None,
        tenant: str = "",
    ) -> list[Effect]:
        """Open a session and add its creator. Event 1 is the creator's newParty."""
        session_id = session_id or f"{self.rng.getrandbits(64):016X}"
        if session_id in self.by_id:
            raise RequestRefused(NOT_ALLOWED, "this session exists")
        password = find(creator.user_data, SESSION_PASSWORD_KEY)
        if password is None and self.settings.passwords:
            password = f"{self.rng.getrandbits(64):016x}"
        asynchronous = find(creator.user_data, "GCTI_Chat_AsyncMode") == "true"
        session = ChatSession(
            session_id,
            int(now),
            password=password,
            asynchronous=asynchronous,
            tenant=tenant or self.settings.tenant,
        )
        self.by_id[session_id] = session
        timeouts = self.settings.idle_async if asynchronous else self.settings.idle
        if timeouts is not None:
            self._idle_timers.start(session, timeouts, now)
        opened = SessionOpened(session_id, session.start_at, password, session.tenant, creator.user_data)
        return [opened, *self._add_party(session, creator, connection, reference_id, now)]

    def join(  # noqa: PLR0913 - the fields of a join
        self,
        session_id: str,
        spec: PartySpec,
        now: float,
        *,
        connection: int | None = None,
        reference_id: int | None = None,
        trusted: bool = False,
    ) -> list[Effect]:
        """Add a party to a session. A party with a connection is sent the whole history.

        `trusted` parties (those of generated traffic) need no session password.
        """
        session = self.session(session_id)
        if not trusted and session.password not in {None, find(spec.user_data, SESSION_PASSWORD_KEY)}:
            raise RequestRefused(WRONG_PASSWORD, "session password is missing or wrong")
        if not may_join(spec.info.user_type, spec.visibility):
            raise RequestRefused(NOT_ALLOWED, f"{spec.info.user_type} may not join as {spec.visibility}")
        return self._add_party(session, spec, connection, reference_id, now)

    def _add_party(
        self, session: ChatSession, spec: PartySpec, connection: int | None, reference_id: int | None, now: float
    ) -> list[Effect]:
        user_id = spec.user_id or self.new_user_id()
        present = session.parties.get(user_id)
        if present is not None:  # a repeated join is answered with the history and changes nothing (ASM)
            return [] if connection is None else [self._history(session, present, connection, reference_id, now)]
        audience = session.connected_parties()
        event = session.add_party(spec, user_id, connection, now)
        effects = fan_out(session, [event], audience, now)
        if connection is not None:
            effects.append(self._history(session, session.parties[user_id], connection, reference_id, now))
        return effects

    def _history(
        self, session: ChatSession, party: SessionParty, connection: int, reference_id: int | None, now: float
    ) -> Push:
        transcript = session.history_for(party, now, typing=self.settings.replay_typing)
        return Push(connection, EventSessionInfo(transcript, ALIVE, reference_id))

    # --- messages and notices ---------------------------------------------------------------------------------------

    def send_message(  # noqa: PLR0913 - the fields of a message
        self,
        session_id: str,
        user_id: str,
        text: MessageText,
        now: float,
        *,
        visibility: str = ALL,
        receiver_id: str | None = None,
        answer: ReplyTo | None = None,
    ) -> list[Effect]:
        """Add a message, for all parties that may see this visibility or for `receiver_id` only."""
        session, party = self._check_sender(session_id, user_id, visibility, receiver_id)
        event = session.add_message(party, text, visibility, receiver_id, now)
        return fan_out(session, [event], session.connected_parties(), now, answer=answer)

    def send_notice(  # noqa: PLR0913 - the fields of a notice
        self,
        session_id: str,
        user_id: str,
        notice: NoticeText,
        now: float,
        *,
        visibility: str = ALL,
        receiver_id: str | None = None,
        user_data: Items | None = None,
        message_text: MessageText | None = None,
        answer: ReplyTo | None = None,
    ) -> list[Effect]:
        """Add a notice: typing, a pushed URL, a new nickname, a file, anything custom."""
        session, party = self._check_sender(session_id, user_id, visibility, receiver_id)
        data = user_data or []
        if notice.notice_type == SYS_COMMAND and notice.text == "file-uploaded":
            data = with_file_id(session, data)
        event = session.add_notice(
            party, notice, visibility, now, user_data=data, message_text=message_text, receiver_id=receiver_id
        )
        apply_nickname_update(party, notice)
        return fan_out(session, [event], session.connected_parties(), now, answer=answer)

    def _check_sender(
        self, session_id: str, user_id: str, visibility: str, receiver_id: str | None
    ) -> tuple[ChatSession, SessionParty]:
        session = self.session(session_id)
        party = session.party(user_id)
        if not may_send(party, visibility):
            raise RequestRefused(
                NOT_ALLOWED, f"a {party.visibility} {party.info.user_type} may not send as {visibility}"
            )
        if receiver_id is not None:
            session.party(receiver_id)
        return session, party

    def consume_ids(self, session_id: str, count: int) -> None:
        """Use up event ids without events, as the server does for things it does not publish."""
        session = self.session(session_id)
        for _ in range(count):
            session.allocate_id()

    def add_recorded_event(self, session_id: str, event: ChatEvent, now: float) -> list[Effect]:
        """Add an event of a stored transcript, with its own event id."""
        session = self.session(session_id)
        audience = session.connected_parties()
        return fan_out(session, [session.add_recorded(event, now)], audience, now)

    def open_recorded(self, session_id: str, user_data: Items, now: float) -> list[Effect]:
        """Open an empty session for replay; `add_recorded_event` adds its events, the creator's newParty among them."""
        if session_id in self.by_id:
            raise RequestRefused(NOT_ALLOWED, "this session exists")
        password = f"{self.rng.getrandbits(64):016x}" if self.settings.passwords else None
        session = ChatSession(session_id, int(now), password=password, tenant=self.settings.tenant)
        self.by_id[session_id] = session
        return [SessionOpened(session_id, session.start_at, password, session.tenant, user_data)]

    # --- leave and close --------------------------------------------------------------------------------------------

    def release(  # noqa: PLR0913 - the fields of a release
        self,
        session_id: str,
        asker_id: str,
        now: float,
        *,
        user_id: str | None = None,
        after_action: int = KEEP_ALIVE,
        text: MessageText | None = None,
        answer: ReplyTo | None = None,
    ) -> list[Effect]:
        """Leave, or remove another party; then apply the after-action (4.6)."""
        session = self.session(session_id)
        session.party(asker_id)
        leaver = session.party(user_id or asker_id)
        own = leaver.user_id == asker_id
        departure = BY_AFTER_ACTION.get(after_action) if own else REMOVED
        if departure is None:
            raise RequestRefused(NOT_ALLOWED, f"unknown after-action {after_action}")
        audience = session.connected_parties()
        events = [session.remove_party(leaver, departure, asker_id, now, text)]
        close = after_action == FORCE_CLOSE or (after_action == CLOSE_IF_NO_AGENTS and not session.has_agents)
        return self._after_leave(session, events, audience, asker_id, now, close=close, answer=answer)

    def depart(self, session_id: str, user_id: str, departure: Departure, now: float) -> list[Effect]:
        """Remove a party that did not request to leave: lost connection, inactivity, wrong secure key."""
        session = self.session(session_id)
        leaver = session.party(user_id)
        audience = session.connected_parties()
        if departure is DISCONNECTED:  # it no longer has a connection
            audience = [party for party in audience if party is not leaver]
        events = [session.remove_party(leaver, departure, user_id, now)]
        return self._after_leave(session, events, audience, user_id, now)

    def stop(self, session_id: str, now: float, departure: Departure = WORKFLOW_STOPPED) -> list[Effect]:
        """Close a session as the workflow or Interaction Server does: every party is removed with code 5."""
        session = self.session(session_id)
        asker = next((p.user_id for p in session.parties.values() if p.info.user_type == EXTERNAL), "")
        audience = session.connected_parties()
        return self._close(session, remove_remaining(session, departure, asker, now), audience, now)

    def close_recorded(self, session_id: str, now: float) -> list[Effect]:
        """Close a replayed session without a further event."""
        session = self.session(session_id)
        return self._close(session, [], session.connected_parties(), now)

    def _after_leave(  # noqa: PLR0913 - the state of a release
        self,
        session: ChatSession,
        events: list[ChatEvent],
        audience: list[SessionParty],
        asker_id: str,
        now: float,
        *,
        close: bool = False,
        answer: ReplyTo | None = None,
    ) -> list[Effect]:
        if close or not session.is_kept_open:
            events += remove_remaining(session, REMOVED, asker_id, now)
            return self._close(session, events, audience, now, answer)
        return fan_out(session, events, audience, now, answer=answer)

    def _close(
        self,
        session: ChatSession,
        events: list[ChatEvent],
        audience: list[SessionParty],
        now: float,
        answer: ReplyTo | None = None,
    ) -> list[Effect]:
        del self.by_id[session.session_id]
        session.idle = None
        effects = fan_out(session, events, audience, now, status=OVER, answer=answer)
        effects.append(SessionClosed(session.session_id))
        return effects

    # --- inactivity and restoration ---------------------------------------------------------------------------------

    def set_idle(self, session_id: str, timeouts: IdleTimeouts, now: float) -> list[Effect]:
        """Set inactivity control of one session, with a SYSTEM notice (IDLE_CONTROL_SET; its text is ASM)."""
        session = self.session(session_id)
        text = f"{timeouts.alert_seconds:g},{timeouts.close_seconds:g}"
        effects = self._system_notice(session, IDLE_CONTROL_SET, text, now)
        self._idle_timers.start(session, timeouts, now)
        return effects

    def add_restored(self, session: ChatSession) -> None:
        """Add a session restored after a restart or from another server."""
        self.by_id[session.session_id] = session
        self._idle_timers.add(session)

    def rejoin(self, session_id: str, party: SessionParty, now: float) -> list[Effect]:
        """Add a party again that the restoration had removed, under the same user id (ASM)."""
        return self.join(session_id, PartySpec(party.info, party.user_id, party.visibility), now, trusted=True)

    def on_timer(self, now: float) -> list[Effect]:
        """Warn in, or close, the sessions whose idle timeout has passed."""
        effects: list[Effect] = []
        for session, action in self._idle_timers.due(now):
            if action == "alert":
                effects += self._system_notice(session, IDLE_CONTROL_ALERT, "The chat will close soon.", now)
            else:
                effects += self._close_idle(session, now)
        return effects

    def _system_notice(self, session: ChatSession, notice_type: str, text: str, now: float) -> list[Effect]:
        audience = session.connected_parties()
        _, events = add_system_notice(session, NoticeText(notice_type, text), self.new_user_id(), now)
        return fan_out(session, events, audience, now)

    def _close_idle(self, session: ChatSession, now: float) -> list[Effect]:
        audience = session.connected_parties()
        notice = NoticeText(IDLE_CONTROL_CLOSE, "The chat is closed for inactivity.")
        asker_id, events = add_system_notice(session, notice, self.new_user_id(), now)
        events += remove_remaining(session, INACTIVE, asker_id, now)
        return self._close(session, events, audience, now)
