"""The server's side of the flex protocol: log in, join, poll by position, log out. Pure.

The connection does not matter; `userId` and `secureKey` in every request identify the user (1.6: R7, D11, D18).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.chatserver.messages import (
    ALIVE,
    ERROR,
    NO_SUCH_USER,
    OVER,
    WRONG_SECURE_KEY,
    EventStatus,
    FlexTranscript,
    RequestJoin,
    RequestLogin,
    RequestLogout,
    RequestNotify,
    RequestRefresh,
)
from bridge.chatserver.versions import negotiate
from bridge.simulator.model.departures import FLEX_INACTIVE, LEFT, WRONG_KEY
from bridge.simulator.model.effects import SessionOpened
from bridge.simulator.model.refusals import RequestRefused, logged_out, no_such_user, wrong_secure_key
from bridge.simulator.model.session_parties import FLEX, PartySpec
from bridge.transcript.events import CLIENT, UserInfo

if TYPE_CHECKING:
    from bridge.simulator.model.effects import Effect
    from bridge.simulator.model.session import ChatSession
    from bridge.simulator.model.session_parties import SessionParty
    from bridge.simulator.model.sessions import Sessions
    from bridge.transcript.events import Items, MessageText

FlexRequest = RequestLogin | RequestJoin | RequestRefresh | RequestNotify | RequestLogout


@dataclass(slots=True)
class FlexUser:
    """A logged-in user. `session` and `party` are set by the join and kept after the session closed, to report that."""

    user_id: str
    secure_key: str
    info: UserInfo
    user_data: Items
    last_contact: float
    session: ChatSession | None = None
    party: SessionParty | None = None


def is_flex(request: object) -> bool:
    """Return whether a request is one of the flex protocol; joins and notices are if they carry a userId."""
    if isinstance(request, RequestJoin | RequestNotify):
        return request.user_id is not None
    return isinstance(request, RequestLogin | RequestRefresh | RequestLogout)


class FlexHandler:
    """Handles the requests of all flex users of one server."""

    def __init__(self, sessions: Sessions, users: dict[str, FlexUser] | None = None) -> None:
        """`users` by userId: those from before a restart keep their secure keys."""
        self._sessions = sessions
        self.users = users or {}

    def reattach_sessions(self) -> None:
        """Point users at the restored objects of their sessions, after a restoration."""
        for user in self.users.values():
            session = None if user.session is None else self._sessions.by_id.get(user.session.session_id)
            if session is not None and session is not user.session:
                user.session = session
                user.party = session.parties.get(user.user_id, user.party)

    def handle(self, request: FlexRequest, now: float) -> tuple[EventStatus, list[Effect]]:
        """Return the answer and the effects. A refused request is answered with an error; nothing is raised."""
        try:
            if isinstance(request, RequestLogin):
                return self._login(request, now), []
            user = self._identify(request)
            user.last_contact = now
            if isinstance(request, RequestJoin):
                return self._join(user, request, now)
            if user.session is None or user.party is None:
                raise no_such_user()
            if isinstance(request, RequestLogout):
                return self._logout(user, user.session, request, now)
            return self._poll(user, user.session, user.party, request, now)
        except RequestRefused as refusal:
            effects = self._remove_for_wrong_key(request, now) if refusal.error_id == WRONG_SECURE_KEY else []
            return _error(refusal, request.reference_id), effects

    def _login(self, request: RequestLogin, now: float) -> EventStatus:
        info = UserInfo(
            request.user_nickname,
            CLIENT,
            protocol_type=FLEX,
            time_zone_offset=request.time_zone_offset,
            client_version=negotiate(request.client_version, self._sessions.settings.client_version),
        )
        user_id = self._sessions.new_user_id()
        key = f"{self._sessions.rng.getrandbits(64):016x}"
        self.users[user_id] = FlexUser(user_id, key, info, request.user_data, now)
        return EventStatus(user_id=user_id, secure_key=key, reference_id=request.reference_id)

    def _identify(self, request: FlexRequest) -> FlexUser:
        user = self.users.get(getattr(request, "user_id", "") or "")
        if user is None:
            raise no_such_user()
        if getattr(request, "secure_key", None) != user.secure_key:
            raise wrong_secure_key()
        return user

    def _remove_for_wrong_key(self, request: FlexRequest, now: float) -> list[Effect]:
        # A request with a wrong key removes the party from the session (reason 6: D18).
        user = self.users[getattr(request, "user_id", "")]
        if user.session is None or not self._is_in(user):
            return []
        return self._sessions.depart(user.session.session_id, user.user_id, WRONG_KEY, now)

    def _is_in(self, user: FlexUser) -> bool:
        session = user.session
        return (
            session is not None
            and self._sessions.by_id.get(session.session_id) is session
            and user.user_id in session.parties
        )

    def _join(self, user: FlexUser, request: RequestJoin, now: float) -> tuple[EventStatus, list[Effect]]:
        spec = PartySpec(
            user.info, user.user_id, user_data=[*user.user_data, *request.user_data], greeting=request.message_text
        )
        if request.session_id:
            effects = self._sessions.join(request.session_id, spec, now)
            session = self._sessions.session(request.session_id)
        else:
            effects = self._sessions.open(spec, now)
            session = self._sessions.session(next(e.session_id for e in effects if isinstance(e, SessionOpened)))
        user.session, user.party = session, session.party(user.user_id)
        return self._status(user, session, user.party, 0, request.reference_id), effects

    def _poll(
        self,
        user: FlexUser,
        session: ChatSession,
        party: SessionParty,
        request: RequestRefresh | RequestNotify,
        now: float,
    ) -> tuple[EventStatus, list[Effect]]:
        over = self._sessions.by_id.get(session.session_id) is not session
        effects: list[Effect] = []
        if over:  # the end is reported once; further requests get 8201
            del self.users[user.user_id]
        elif not self._is_in(user):
            raise logged_out()
        elif isinstance(request, RequestNotify):
            effects = self._sessions.send_notice(
                session.session_id,
                user.user_id,
                request.notice_text,
                now,
                user_data=request.user_data,
                message_text=request.message_text,
            )
        elif request.message_text is not None:
            effects = self._sessions.send_message(session.session_id, user.user_id, request.message_text, now)
        position = request.last_position or 0
        return self._status(user, session, party, position, request.reference_id, over=over), effects

    def _logout(
        self, user: FlexUser, session: ChatSession, request: RequestLogout, now: float
    ) -> tuple[EventStatus, list[Effect]]:
        del self.users[user.user_id]
        effects: list[Effect] = []
        if self._is_in(user):
            effects = self._leave(session, user, request.message_text, now)
        return EventStatus(session_status=OVER, reference_id=request.reference_id), effects

    def _leave(self, session: ChatSession, user: FlexUser, text: MessageText | None, now: float) -> list[Effect]:
        effects = [] if text is None else self._sessions.send_message(session.session_id, user.user_id, text, now)
        return effects + self._sessions.depart(session.session_id, user.user_id, LEFT, now)

    def _status(  # noqa: PLR0913 - the fields of an answer
        self,
        user: FlexUser,
        session: ChatSession,
        party: SessionParty,
        position: int,
        reference_id: int | None,
        *,
        over: bool = False,
    ) -> EventStatus:
        events = session.events_for_flex(party, position)
        last = session.events[-1].event_id if session.events else position
        transcript = FlexTranscript(session.session_id, last, session.start_at, events)
        return EventStatus(
            user_id=user.user_id,
            secure_key=user.secure_key,
            session_status=OVER if over else ALIVE,
            flex_transcript=transcript,
            reference_id=reference_id,
        )

    def on_timer(self, now: float) -> list[Effect]:
        """Log out users that stopped polling (flex-disconnect-timeout, quit reason 3)."""
        limit = now - self._sessions.settings.flex_disconnect_seconds
        effects: list[Effect] = []
        for user in [user for user in self.users.values() if user.last_contact <= limit]:
            if user.session is not None and self._is_in(user):
                effects += self._sessions.depart(user.session.session_id, user.user_id, FLEX_INACTIVE, now)
                user.last_contact = now  # a poll within another such period gets 8209, a later one 8201
            else:
                del self.users[user.user_id]
        return effects


def _error(refusal: RequestRefused, reference_id: int | None) -> EventStatus:
    return EventStatus(
        ERROR,
        error_id=refusal.error_id,
        description=refusal.message,
        session_status=OVER if refusal.error_id == NO_SUCH_USER else ALIVE,
        reference_id=reference_id,
    )
