"""How long the peer of a connection has been silent, and what that calls for: a Ping, then the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Silence:
    """Silence since `heard_at`; all times are seconds of one monotonic clock, the limits are seconds."""

    ping_after: float
    pong_timeout: float
    heard_at: float = 0.0
    pong_deadline: float | None = None

    def broken(self, now: float) -> None:
        """The peer was heard, or could not have been: a Ping need not be answered any more."""
        self.heard_at = now
        self.pong_deadline = None

    @property
    def next_check(self) -> float:
        """When `is_too_long` or `ping_due` may be true next."""
        return self.heard_at + self.ping_after if self.pong_deadline is None else self.pong_deadline

    def is_too_long(self, now: float) -> bool:
        """Tell whether a Ping was sent and the time for any sign of life is over."""
        return self.pong_deadline is not None and now >= self.pong_deadline

    def ping_due(self, now: float) -> bool:
        """Tell whether a Ping is to be sent now; if so, the time for its answer begins."""
        if self.pong_deadline is not None or now < self.heard_at + self.ping_after:
            return False
        self.pong_deadline = now + self.pong_timeout
        return True
