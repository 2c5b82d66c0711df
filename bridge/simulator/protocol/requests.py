"""The basic protocol: maps the requests of clients to operations on the sessions. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import TYPE_CHECKING

from bridge.chatserver.messages import (
    EventError,
    EventRegistered,
    Ping,
    Pong,
    RequestJoin,
    RequestLogin,
    RequestLogout,
    RequestMessage,
    RequestNotify,
    RequestRefresh,
    RequestRegister,
    RequestReleaseParty,
)
from bridge.chatserver.versions import negotiate
from bridge.simulator.model.departures import DISCONNECTED
from bridge.simulator.model.effects import CloseConnection, Effect, Push, SessionOpened
from bridge.simulator.model.fanout import ReplyTo
from bridge.simulator.model.refusals import NOT_REGISTERED, UNREADABLE, RequestRefused
from bridge.simulator.model.session_parties import BASIC, PartySpec
from bridge.simulator.protocol.flex import FlexHandler, is_flex
from bridge.transcript.events import UserInfo

if TYPE_CHECKING:
    from bridge.chatserver.messages import Message
    from bridge.simulator.model.sessions import Sessions
    from bridge.simulator.protocol.flex import FlexUser


@dataclass(slots=True)
class ClientState:
    """State of one connection. `info` is None until it registers; a flex front end never does. `joined`: sessions."""

    connection: int
    connected_at: float
    info: UserInfo | None = None
    user_id: str = ""
    speaks_flex: bool = False
    joined: set[str] = field(default_factory=set)


class RequestHandler:
    """Handles the requests of all connections of one server; flex requests go to `flex`."""

    def __init__(self, sessions: Sessions, flex_users: dict[str, FlexUser] | None = None) -> None:
        """Start without connections. `flex_users` are those from before a restart: their sessions are restored."""
        self.sessions = sessions
        self.flex = FlexHandler(sessions, flex_users)
        self.clients: dict[int, ClientState] = {}

    def connect(self, connection: int, now: float) -> None:
        """Add a connection; it is closed if it does not register within `register_timeout_seconds`."""
        self.clients[connection] = ClientState(connection, now)

    def disconnect(self, connection: int, now: float) -> list[Effect]:
        """Remove the party of a lost connection from all its sessions (code 3; no grace period is documented)."""
        client = self.clients.pop(connection, None)
        effects: list[Effect] = []
        if client is None:
            return effects
        for session_id in sorted(client.joined):
            session = self.sessions.by_id.get(session_id)
            if session is not None and client.user_id in session.parties:
                effects += self.sessions.depart(session_id, client.user_id, DISCONNECTED, now)
        return effects

    def on_timer(self, now: float) -> list[Effect]:
        """Apply the timeouts: unregistered connections, flex users that stopped polling, idle sessions."""
        for client in self.clients.values():
            client.joined.intersection_update(self.sessions.by_id)
        limit = now - self.sessions.settings.register_timeout_seconds
        effects: list[Effect] = [
            CloseConnection(client.connection, "user-register-timeout")
            for client in self.clients.values()
            if client.info is None and not client.speaks_flex and client.connected_at <= limit
        ]
        return effects + self.flex.on_timer(now) + self.sessions.on_timer(now)

    def handle(self, connection: int, request: Message, now: float) -> list[Effect]:
        """Answer one request. A request that is refused is answered with an error; nothing is raised."""
        client = self.clients.get(connection)
        if client is None:
            return []
        if isinstance(request, RequestLogin | RequestJoin | RequestRefresh | RequestNotify | RequestLogout) and is_flex(
            request
        ):
            client.speaks_flex = True
            status, effects = self.flex.handle(request, now)
            return [*effects, Push(connection, status)]
        try:
            return self._answer(request, client, now)
        except RequestRefused as refusal:
            return [_error(connection, refusal.error_id, refusal.message, getattr(request, "reference_id", None))]

    def unreadable(self, connection: int, reason: str) -> list[Effect]:
        """Return the error that answers an unreadable line."""
        return [_error(connection, UNREADABLE, reason, None)]

    # --- one method per request -------------------------------------------------------------------------------------

    @singledispatchmethod
    def _answer(self, request: object, client: ClientState, now: float) -> list[Effect]:
        del client, now
        raise RequestRefused(UNREADABLE, f"{type(request).__name__} is not a request")

    @_answer.register
    def _(self, request: Ping, client: ClientState, now: float) -> list[Effect]:
        del now
        return [Push(client.connection, Pong(request.reference_id))]

    @_answer.register
    def _(self, request: Pong, client: ClientState, now: float) -> list[Effect]:
        del request, client, now
        return []

    @_answer.register
    def _(self, request: RequestRegister, client: ClientState, now: float) -> list[Effect]:
        del now
        version = negotiate(request.client_version, self.sessions.settings.client_version)
        client.info = UserInfo(
            request.user_nickname,
            request.user_type,
            request.person_id,
            BASIC,
            time_zone_offset=0,
            client_version=version,
        )
        client.user_id = client.user_id or self.sessions.new_user_id()
        return [Push(client.connection, EventRegistered(client.user_id, version, request.reference_id))]

    @_answer.register
    def _(self, request: RequestJoin, client: ClientState, now: float) -> list[Effect]:
        spec = PartySpec(
            _registered(client), client.user_id, request.visibility, request.user_data, request.message_text
        )
        if request.session_id:
            effects = self.sessions.join(
                request.session_id, spec, now, connection=client.connection, reference_id=request.reference_id
            )
            client.joined.add(request.session_id)
            return effects
        effects = self.sessions.open(spec, now, connection=client.connection, reference_id=request.reference_id)
        client.joined.update(effect.session_id for effect in effects if isinstance(effect, SessionOpened))
        return effects

    @_answer.register
    def _(self, request: RequestMessage, client: ClientState, now: float) -> list[Effect]:
        _registered(client)
        return self.sessions.send_message(
            request.session_id,
            client.user_id,
            request.message_text,
            now,
            visibility=request.visibility,
            receiver_id=request.receiver_id,
            answer=ReplyTo(client.connection, request.reference_id),
        )

    @_answer.register
    def _(self, request: RequestNotify, client: ClientState, now: float) -> list[Effect]:
        _registered(client)
        return self.sessions.send_notice(
            request.session_id or "",
            client.user_id,
            request.notice_text,
            now,
            visibility=request.visibility,
            receiver_id=request.receiver_id,
            user_data=request.user_data,
            message_text=request.message_text,
            answer=ReplyTo(client.connection, request.reference_id),
        )

    @_answer.register
    def _(self, request: RequestReleaseParty, client: ClientState, now: float) -> list[Effect]:
        _registered(client)
        return self.sessions.release(
            request.session_id,
            client.user_id,
            now,
            user_id=request.user_id,
            after_action=request.after_action,
            text=request.message_text,
            answer=ReplyTo(client.connection, request.reference_id),
        )


def _registered(client: ClientState) -> UserInfo:
    if client.info is None:
        raise RequestRefused(NOT_REGISTERED, "register first")
    return client.info


def _error(connection: int, error_id: int, reason: str, reference_id: int | None) -> Push:
    return Push(connection, EventError(error_id, reason, reference_id))
