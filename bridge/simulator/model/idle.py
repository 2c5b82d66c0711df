"""Inactivity control of one session: a warning, then the close (4.10: D6b, D8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from bridge.transcript.events import (
    AGENT,
    MESSAGE,
    NEW_PARTY,
    NOTICE,
    PARTY_LEFT,
    SUPERVISOR,
    TYPING_STARTED,
    TYPING_STOPPED,
    VIP,
)

if TYPE_CHECKING:
    from bridge.simulator.model.session_parties import SessionParty
    from bridge.transcript.events import ChatEvent

IdleAction = Literal["alert", "close"]


@dataclass(slots=True, frozen=True)
class IdleTimeouts:
    """Seconds without activity until each step; `alert2_seconds` 0 means no second warning.

    `minor_notices`: whether typing counts as activity (the vendor's `include-notices`, default major).
    `monitors_count`: whether a silent monitor's join and leave do; the documents allow either reading (4.10).
    """

    alert_seconds: float = 255.0
    alert2_seconds: float = 0.0
    close_seconds: float = 45.0
    minor_notices: bool = False
    monitors_count: bool = False


REGULAR: Final = IdleTimeouts()
ASYNC: Final = IdleTimeouts(alert_seconds=86_400.0, close_seconds=3_600.0)
_TYPING: Final = frozenset({TYPING_STARTED, TYPING_STOPPED})


class IdleControl:
    """Idle timer of one session. The owner calls `due(now)` when `deadline` has passed."""

    __slots__ = ("_asynchronous", "_since", "_step", "timeouts")

    def __init__(self, timeouts: IdleTimeouts, now: float, *, asynchronous: bool) -> None:
        """Start the timer. In an `asynchronous` chat only joins and leaves of agents are activity (D8)."""
        self.timeouts = timeouts
        self._asynchronous = asynchronous
        self._since = now
        self._step = 0

    @property
    def _steps(self) -> list[tuple[IdleAction, float]]:
        timeouts = self.timeouts
        steps: list[tuple[IdleAction, float]] = [("alert", timeouts.alert_seconds)]
        if timeouts.alert2_seconds:
            steps.append(("alert", timeouts.alert2_seconds))
        steps.append(("close", timeouts.close_seconds))
        return steps

    @property
    def deadline(self) -> float:
        """When the next step is due unless there is activity before, in seconds since 1970 UTC."""
        return self._since + self._steps[self._step][1]

    def due(self, now: float) -> IdleAction | None:
        """Return the step whose time has come and start the next one; None before the deadline."""
        if now < self.deadline:
            return None
        step = self._steps[self._step][0]
        self._since = now
        self._step += step == "alert"
        return step

    def remaining(self, now: float) -> int:
        """Return the whole seconds until the next step, the value of `idleTimeExpire` (its unit is ASM)."""
        return max(0, int(self.deadline - now))

    def on_event(self, event: ChatEvent, party: SessionParty | None, now: float) -> None:
        """Restart the timer if `event` by `party` is activity."""
        if self._is_activity(event, party):
            self._since = now
            self._step = 0

    def _is_activity(self, event: ChatEvent, party: SessionParty | None) -> bool:
        if event.visibility == VIP and not self.timeouts.monitors_count:
            return False
        if event.event_type in {NEW_PARTY, PARTY_LEFT}:
            agents_only = self._asynchronous
            return not agents_only or (party is not None and party.info.user_type in {AGENT, SUPERVISOR})
        if self._asynchronous:
            return False
        if event.event_type == NOTICE and event.notice_text is not None:
            return self.timeouts.minor_notices or event.notice_text.notice_type not in _TYPING
        return event.event_type == MESSAGE
