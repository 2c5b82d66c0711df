"""Announces the sessions of one server when they are opened, or restored after a fail-over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.announcement import Announcement
from bridge.simulator.model.effects import Effect, SessionClosed, SessionOpened, SessionRestored
from bridge.transcript.events import find

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.simulator.harness.announcer import Announcer
    from bridge.simulator.protocol.server import ChatServer
    from bridge.transcript.events import Items

_ANNOUNCED_KEYS: Final = ("MediaType", "GCTI_LanguageCode", "GCTI_Chat_AsyncMode")  # of the customer's user data


@dataclass(slots=True, frozen=True)
class AnnouncedAddress:
    """The address to announce. Port None: the one on which the server listens."""

    host: str
    port: int | None = None


class SessionAnnouncer:
    """An effect observer of one server. A restart of that server is not announced, because the address stays."""

    def __init__(
        self,
        announcer: Announcer,
        server: ChatServer,
        address: AnnouncedAddress,
        alternatives: Callable[[], list[str]],
    ) -> None:
        """`alternatives` returns the addresses (host:port) where a session may continue when this server fails."""
        self.announces_restored = True
        self._announcer = announcer
        self._server = server
        self._address = address
        self._alternatives = alternatives
        self._announced: set[str] = set()

    def on_effect(self, effect: Effect, now: float) -> None:
        """Announce a new session, and a restored one that this server did not have before."""
        if isinstance(effect, SessionOpened):
            self._announce(effect.session_id, effect.password, effect.tenant, effect.user_data, now)
        elif isinstance(effect, SessionClosed):
            self._announced.discard(effect.session_id)
        elif (
            isinstance(effect, SessionRestored) and self.announces_restored and effect.session_id not in self._announced
        ):
            session = self._server.sessions.by_id[effect.session_id]
            self._announce(session.session_id, session.password, session.tenant, session.events[0].user_data, now)

    def _announce(self, session_id: str, password: str | None, tenant: str, user_data: Items, now: float) -> None:
        self._announced.add(session_id)
        announced_data = {key: value for key in _ANNOUNCED_KEYS if (value := find(user_data, key)) is not None}
        self._announcer.announce(
            Announcement(
                session_id=session_id,
                host=self._address.host,
                port=self._address.port or self._server.port,
                servers=self._alternatives(),
                password=password,
                tenant=tenant,
                user_data=dict(announced_data),
                announced_at=int(now * 1000),
            )
        )
