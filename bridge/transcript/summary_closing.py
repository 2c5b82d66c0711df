"""Who ended a chat, and why, as its departures tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from bridge.transcript.event_outlines import Outline

IDLE: Final = "IDLE"
FORCE_CLOSE: Final = "FORCE_CLOSE"
CLOSE_IF_NO_AGENTS: Final = "CLOSE_IF_NO_AGENTS"
OF_ITSELF: Final = "LEFT"
DISCONNECTED: Final = "DISCONNECTED"
REMOVED: Final = "REMOVED"
SERVER: Final = "SERVER"
WRONG_KEY: Final = "WRONG_KEY"
RESTORATION: Final = "RESTORATION"
ANOTHER_REASON: Final = "OTHER"

_REQUESTS: Final[dict[int | None, str]] = {1: CLOSE_IF_NO_AGENTS, 2: FORCE_CLOSE}
_IDLE_CODE: Final = 7
_REASONS: Final[dict[int | None, str]] = {
    None: OF_ITSELF,
    0: OF_ITSELF,
    **_REQUESTS,
    3: DISCONNECTED,
    4: REMOVED,
    5: SERVER,
    6: WRONG_KEY,
    _IDLE_CODE: IDLE,
    8: RESTORATION,
}
"""Code of a departure -> why (protocol facts, section 4.8)."""


class WhyEnded(NamedTuple):
    """Why a chat ended, and the place of the party that ended it."""

    reason: str
    place: int


class ChatEnding:
    """Follows what may have ended the chat, until something shows that it went on."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self._requested: WhyEnded | None = None
        self._idle: WhyEnded | None = None
        self._customer: Outline | None = None

    def went_on(self, *, customer: bool = False) -> None:
        """Take a join that the customer sees, that of a `customer` or another one, or an utterance."""
        self._requested = self._idle = None
        if customer:
            self._customer = None

    def idle_closed(self, notice: Outline) -> None:
        """Take a notice IDLE_CONTROL_CLOSE."""
        self._idle = WhyEnded(IDLE, notice.party)

    def left(self, departure: Outline, *, customer: bool) -> None:
        """Take a departure."""
        if departure.code in _REQUESTS:
            self._requested = WhyEnded(_REQUESTS[departure.code], departure.party)
        if customer:
            self._customer = departure

    @property
    def customer_left_alone(self) -> bool:
        """Whether the last customer that left went by itself, or lost the connection, and none came back."""
        gone = self._customer
        return gone is not None and gone.asker in (0, gone.party) and _reason_of(gone) in (OF_ITSELF, DISCONNECTED)

    def ending(self) -> WhyEnded | None:
        """Return why the chat ended, None when nothing tells."""
        gone = self._customer
        by_customer = None if gone is None else WhyEnded(_reason_of(gone), gone.asker or gone.party)
        if self._idle is None and by_customer is not None and by_customer.reason == IDLE:
            return by_customer
        return self._idle or self._requested or by_customer


def _reason_of(departure: Outline) -> str:
    return _REASONS.get(departure.code, ANOTHER_REASON)
