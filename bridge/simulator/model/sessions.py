"""The model of one Chat Server's sessions. Pure: time comes as `now`, randomness from a seeded generator.

Every method returns effects for the server to carry out and raises `Refused` when the server says no. Parties without
a connection (the scenario's, and flex clients) get no pushes; they go through the same methods as those who have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
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
from bridge.chatserver.versions import HIGHEST
from bridge.simulator.model.departures import (
    BY_AFTER_ACTION,
    DISCONNECTED,
    INACTIVE,
    REMOVED,
    WORKFLOW_STOPPED,
    Departure,
)
from bridge.simulator.model.effects import Closed, Effect, Opened, Push
from bridge.simulator.model.fanout import Answer, remove_all, system_notice, tell
from bridge.simulator.model.idle import ASYNC, IdleControl, IdleTimeouts
from bridge.simulator.model.parties import PartySpec, SessionParty, may_join, may_send
from bridge.simulator.model.refusals import NOT_ALLOWED, WRONG_PASSWORD, Refused, no_such_user
from bridge.simulator.model.session import ChatSession, rename_if_asked, with_file_id
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

    from bridge.transcript.events import ChatEvent


@dataclass(slots=True, frozen=True)
class ModelSettings:
    """How this Chat Server is configured.

    `client_version` is the highest it knows. `passwords` is the vendor's session-password-enforce. `replay_typing`:
    whether a join's history holds typing notices (section 5.2 leaves it open). `idle` is inactivity-control of every
    session from its beginning (None: off, the vendor's default); `idle_async` the same for asynchronous chats.
    """

    client_version: int = HIGHEST
    passwords: bool = False
    replay_typing: bool = True
    register_timeout_seconds: float = 30.0
    flex_disconnect_seconds: float = 45.0
    idle: IdleTimeouts | None = None
    idle_async: IdleTimeouts | None = ASYNC
    tenant: str = "Resources"


class Sessions:
    """All sessions of one server."""

    def __init__(self, settings: ModelSettings, rng: random.Random) -> None:
        """`rng` gives user ids, session ids, keys and passwords where nobody else does."""
        self.settings = settings
        self.rng = rng
        self.by_id: dict[str, ChatSession] = {}
        self._deadlines: list[tuple[float, str]] = []

    def __len__(self) -> int:
        """Count the sessions that are alive."""
        return len(self.by_id)

    def session(self, session_id: str) -> ChatSession:
        """Return a live session, or raise Refused(8201)."""
        found = self.by_id.get(session_id)
        if found is None:
            raise no_such_user()
        return found

    def new_user_id(self) -> str:
        """Return 16 hex digits."""
        return f"{self.rng.getrandbits(64):016X}"

    # --- beginning ---------------------------------------------------------------------------------------------------

    def open(  # noqa: PLR0913 - what a creator may say
        self,
        creator: PartySpec,
        now: float,
        *,
        session_id: str = "",
        connection: int | None = None,
        reference_id: int | None = None,
        tenant: str = "",
    ) -> list[Effect]:
        """Start a session with its creator in it. Event 1 is the creator's newParty."""
        session_id = session_id or f"{self.rng.getrandbits(64):016X}"
        if session_id in self.by_id:
            raise Refused(NOT_ALLOWED, "this session exists")
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
            self._arm(session, timeouts, now)
        opened = Opened(session_id, session.start_at, password, session.tenant, creator.user_data)
        return [opened, *self._let_in(session, creator, connection, reference_id, now)]

    def join(  # noqa: PLR0913 - what a joiner may say
        self,
        session_id: str,
        spec: PartySpec,
        now: float,
        *,
        connection: int | None = None,
        reference_id: int | None = None,
        trusted: bool = False,
    ) -> list[Effect]:
        """Let a party into a session; a client on a connection is answered with the whole history.

        Who is `trusted` (the scenario's people) needs no session password.
        """
        session = self.session(session_id)
        if not trusted and session.password not in {None, find(spec.user_data, SESSION_PASSWORD_KEY)}:
            raise Refused(WRONG_PASSWORD, "session password is missing or wrong")
        if not may_join(spec.info.user_type, spec.visibility):
            raise Refused(NOT_ALLOWED, f"{spec.info.user_type} may not join as {spec.visibility}")
        return self._let_in(session, spec, connection, reference_id, now)

    def _let_in(
        self, session: ChatSession, spec: PartySpec, connection: int | None, reference_id: int | None, now: float
    ) -> list[Effect]:
        user_id = spec.user_id or self.new_user_id()
        present = session.parties.get(user_id)
        if present is not None:  # a second join by one who is here is answered again and changes nothing (ASM)
            return [] if connection is None else [self._history(session, present, connection, reference_id, now)]
        audience = session.listeners()
        event = session.add_party(spec, user_id, connection, now)
        effects = tell(session, [event], audience, now)
        if connection is not None:
            effects.append(self._history(session, session.parties[user_id], connection, reference_id, now))
        return effects

    def _history(
        self, session: ChatSession, party: SessionParty, connection: int, reference_id: int | None, now: float
    ) -> Push:
        transcript = session.history_for(party, now, typing=self.settings.replay_typing)
        return Push(connection, EventSessionInfo(transcript, ALIVE, reference_id))

    # --- talking -----------------------------------------------------------------------------------------------------

    def say(  # noqa: PLR0913 - the fields of a message
        self,
        session_id: str,
        user_id: str,
        text: MessageText,
        now: float,
        *,
        visibility: str = ALL,
        receiver_id: str | None = None,
        answer: Answer | None = None,
    ) -> list[Effect]:
        """Say something to all who may see it, or to one."""
        session, party = self._speaker(session_id, user_id, visibility, receiver_id)
        event = session.add_message(party, text, visibility, receiver_id, now)
        return tell(session, [event], session.listeners(), now, answer=answer)

    def notify(  # noqa: PLR0913 - the fields of a notice
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
        answer: Answer | None = None,
    ) -> list[Effect]:
        """Give notice: typing, a pushed URL, a new nickname, a file, anything custom."""
        session, party = self._speaker(session_id, user_id, visibility, receiver_id)
        data = user_data or []
        if notice.notice_type == SYS_COMMAND and notice.text == "file-uploaded":
            data = with_file_id(session, data)
        event = session.add_notice(
            party, notice, visibility, now, user_data=data, message_text=message_text, receiver_id=receiver_id
        )
        rename_if_asked(party, notice)
        return tell(session, [event], session.listeners(), now, answer=answer)

    def _speaker(
        self, session_id: str, user_id: str, visibility: str, receiver_id: str | None
    ) -> tuple[ChatSession, SessionParty]:
        session = self.session(session_id)
        party = session.party(user_id)
        if not may_send(party, visibility):
            raise Refused(NOT_ALLOWED, f"a {party.visibility} {party.info.user_type} may not send as {visibility}")
        if receiver_id is not None:
            session.party(receiver_id)
        return session, party

    def spend_ids(self, session_id: str, count: int) -> None:
        """Consume event ids for things that nobody is told of."""
        session = self.session(session_id)
        for _ in range(count):
            session.take_id()

    def record(self, session_id: str, event: ChatEvent, now: float) -> list[Effect]:
        """Let an event of a stored transcript happen as it was recorded."""
        session = self.session(session_id)
        audience = session.listeners()
        return tell(session, [session.add_recorded(event, now)], audience, now)

    def open_recorded(self, session_id: str, user_data: Items, now: float) -> list[Effect]:
        """Start a session whose events were recorded: they come by `record`, the creator's arrival among them."""
        if session_id in self.by_id:
            raise Refused(NOT_ALLOWED, "this session exists")
        password = f"{self.rng.getrandbits(64):016x}" if self.settings.passwords else None
        session = ChatSession(session_id, int(now), password=password, tenant=self.settings.tenant)
        self.by_id[session_id] = session
        return [Opened(session_id, session.start_at, password, session.tenant, user_data)]

    # --- leaving -----------------------------------------------------------------------------------------------------

    def release(  # noqa: PLR0913 - the fields of a release
        self,
        session_id: str,
        asker_id: str,
        now: float,
        *,
        user_id: str | None = None,
        after_action: int = KEEP_ALIVE,
        text: MessageText | None = None,
        answer: Answer | None = None,
    ) -> list[Effect]:
        """Leave, or remove another party; then do what the after-action says (4.6)."""
        session = self.session(session_id)
        session.party(asker_id)
        leaver = session.party(user_id or asker_id)
        own = leaver.user_id == asker_id
        departure = BY_AFTER_ACTION.get(after_action) if own else REMOVED
        if departure is None:
            raise Refused(NOT_ALLOWED, f"unknown after-action {after_action}")
        audience = session.listeners()
        events = [session.drop_party(leaver, departure, asker_id, now, text)]
        close = after_action == FORCE_CLOSE or (after_action == CLOSE_IF_NO_AGENTS and not session.has_agents)
        return self._after_leave(session, events, audience, asker_id, now, close=close, answer=answer)

    def depart(self, session_id: str, user_id: str, departure: Departure, now: float) -> list[Effect]:
        """Let a party leave by something that happened to it: disconnection, inactivity, a wrong key."""
        session = self.session(session_id)
        leaver = session.party(user_id)
        audience = session.listeners()
        if departure is DISCONNECTED:  # there is no connection left to tell it on
            audience = [party for party in audience if party is not leaver]
        events = [session.drop_party(leaver, departure, user_id, now)]
        return self._after_leave(session, events, audience, user_id, now)

    def stop(self, session_id: str, now: float, departure: Departure = WORKFLOW_STOPPED) -> list[Effect]:
        """End a session from outside, as the workflow or Interaction Server does: everyone is removed with code 5."""
        session = self.session(session_id)
        asker = next((p.user_id for p in session.parties.values() if p.info.user_type == EXTERNAL), "")
        audience = session.listeners()
        return self._over(session, remove_all(session, departure, asker, now), audience, now)

    def end(self, session_id: str, now: float) -> list[Effect]:
        """End a session without another event: how a replayed transcript ends."""
        session = self.session(session_id)
        return self._over(session, [], session.listeners(), now)

    def _after_leave(  # noqa: PLR0913 - one step of a release
        self,
        session: ChatSession,
        events: list[ChatEvent],
        audience: list[SessionParty],
        asker_id: str,
        now: float,
        *,
        close: bool = False,
        answer: Answer | None = None,
    ) -> list[Effect]:
        if close or not session.is_kept_open:
            events += remove_all(session, REMOVED, asker_id, now)
            return self._over(session, events, audience, now, answer)
        return tell(session, events, audience, now, answer=answer)

    def _over(
        self,
        session: ChatSession,
        events: list[ChatEvent],
        audience: list[SessionParty],
        now: float,
        answer: Answer | None = None,
    ) -> list[Effect]:
        del self.by_id[session.session_id]
        session.idle = None
        effects = tell(session, events, audience, now, status=OVER, answer=answer)
        effects.append(Closed(session.session_id))
        return effects

    # --- silence -----------------------------------------------------------------------------------------------------

    def set_idle(self, session_id: str, timeouts: IdleTimeouts, now: float) -> list[Effect]:
        """Set inactivity control of one session; the SYSTEM party says so (IDLE_CONTROL_SET; its text is ASM)."""
        session = self.session(session_id)
        text = f"{timeouts.alert_seconds:g},{timeouts.close_seconds:g}"
        effects = self._system_says(session, IDLE_CONTROL_SET, text, now)
        self._arm(session, timeouts, now)
        return effects

    def adopt(self, session: ChatSession) -> None:
        """Take a session that another life of this server, or another server, has had."""
        self.by_id[session.session_id] = session
        if session.idle is not None:
            heappush(self._deadlines, (session.idle.deadline, session.session_id))

    def readmit(self, session_id: str, party: SessionParty, now: float) -> list[Effect]:
        """Let somebody come back whom a restoration had marked as gone, as a new arrival of the same id (ASM)."""
        return self.join(session_id, PartySpec(party.info, party.user_id, party.visibility), now, trusted=True)

    def on_timer(self, now: float) -> list[Effect]:
        """Warn and close the sessions that have been silent for too long."""
        effects: list[Effect] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, session_id = heappop(self._deadlines)
            session = self.by_id.get(session_id)
            if session is None or session.idle is None:
                continue
            step = session.idle.due(now)
            if step == "alert":
                effects += self._system_says(session, IDLE_CONTROL_ALERT, "The chat will close soon.", now)
            elif step == "close":
                effects += self._close_idle(session, now)
                continue
            heappush(self._deadlines, (session.idle.deadline, session_id))
        return effects

    def _arm(self, session: ChatSession, timeouts: IdleTimeouts, now: float) -> None:
        session.idle = IdleControl(timeouts, now, asynchronous=session.asynchronous)
        heappush(self._deadlines, (session.idle.deadline, session.session_id))

    def _system_says(self, session: ChatSession, notice_type: str, text: str, now: float) -> list[Effect]:
        audience = session.listeners()
        _, events = system_notice(session, NoticeText(notice_type, text), self.new_user_id(), now)
        return tell(session, events, audience, now)

    def _close_idle(self, session: ChatSession, now: float) -> list[Effect]:
        audience = session.listeners()
        notice = NoticeText(IDLE_CONTROL_CLOSE, "The chat is closed for inactivity.")
        asker_id, events = system_notice(session, notice, self.new_user_id(), now)
        events += remove_all(session, INACTIVE, asker_id, now)
        return self._over(session, events, audience, now)
