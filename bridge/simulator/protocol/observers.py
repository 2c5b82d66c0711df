"""What a server reports to the code around it: effects on sessions, and the requests of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bridge.chatserver.messages import Message
    from bridge.simulator.model.effects import Effect


class EffectObserver(Protocol):
    """Called with every event and every session opened, restored or closed on a server, before it is sent."""

    def on_effect(self, effect: Effect, now: float) -> None:
        """Observe one effect; must not block. `now` in seconds since 1970 UTC."""


class RequestObserver(Protocol):
    """Called with the requests of clients and the effects of each. No method may block; `now` as above."""

    def request_handled(self, connection: int, request: Message, effects: list[Effect], now: float) -> None:
        """A request was answered, before its effects are applied."""

    def line_unreadable(self, connection: int, now: float) -> None:
        """A line could not be read as a request."""

    def raw_sent(self, connection: int, length: int, now: float) -> None:
        """Bytes that an injected fault sends as they are come next on a connection."""

    def connection_dropped(self, connection: int, reason: str, now: float) -> None:
        """The server closes a connection."""

    def connection_lost(self, connection: int, effects: list[Effect], now: float) -> None:
        """A connection has ended, whoever closed it."""


class NoRequestObserver:
    """Ignores everything."""

    def request_handled(self, connection: int, request: Message, effects: list[Effect], now: float) -> None:
        """Ignore it."""

    def line_unreadable(self, connection: int, now: float) -> None:
        """Ignore it."""

    def raw_sent(self, connection: int, length: int, now: float) -> None:
        """Ignore it."""

    def connection_dropped(self, connection: int, reason: str, now: float) -> None:
        """Ignore it."""

    def connection_lost(self, connection: int, effects: list[Effect], now: float) -> None:
        """Ignore it."""
