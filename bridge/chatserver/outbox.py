"""What one connection asks the server, numbered: the only requests that the bridge can make (P4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.chatserver.messages import (
    KEEP_ALIVE,
    SESSION_PASSWORD_KEY,
    Ping,
    Pong,
    Request,
    RequestJoin,
    RequestRegister,
    RequestReleaseParty,
)
from bridge.transcript.events import SUPERVISOR, VIP, Item

if TYPE_CHECKING:
    from bridge.chatserver.connection_settings import ConnectionSettings


class Outbox:
    """Requests that wait to be sent, in order. Each but the Pong gets a reference of its own, counting from 1."""

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: list[Request] = []
        self._reference = 0

    def take(self) -> list[Request]:
        """Take what waits."""
        if not self._waiting:
            return []
        waiting, self._waiting = self._waiting, []
        return waiting

    def register(self, settings: ConnectionSettings) -> None:
        """Register as a supervisor."""
        self._waiting.append(
            RequestRegister(
                user_nickname=settings.nickname,
                user_type=SUPERVISOR,
                person_id=settings.person_id,
                client_version=settings.client_version,
                target=settings.target,
                reference_id=self._next(),
            )
        )

    def join(self, session_id: str, password: str | None) -> int:
        """Join an existing session with visibility VIP; return the reference."""
        secret = [Item(SESSION_PASSWORD_KEY, value=password)] if password else []
        request = RequestJoin(reference_id=self._next(), session_id=session_id, visibility=VIP, user_data=secret)
        self._waiting.append(request)
        return self._reference

    def release(self, session_id: str) -> int:
        """Leave a session with KeepAlive; return the reference."""
        request = RequestReleaseParty(session_id=session_id, after_action=KEEP_ALIVE, reference_id=self._next())
        self._waiting.append(request)
        return self._reference

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._waiting.append(Ping(reference_id=self._next()))

    def pong(self, reference: int | None) -> None:
        """Give a sign of life: the answer to the Ping with this reference."""
        self._waiting.append(Pong(reference_id=reference))

    def _next(self) -> int:
        self._reference += 1
        return self._reference
