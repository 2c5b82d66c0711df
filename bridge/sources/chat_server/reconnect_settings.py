"""How often, and at what pace, a chat is joined again, and a connection opened again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_PAUSE: Final = 0.05
"""Share of the delay that passes after the first loss, or the first round through a list of servers."""

LONGEST_PAUSE: Final = 60.0
"""Seconds to which the pauses grow (a longer delay stays what it is), and the pace of chats that are kept (P4)."""


@dataclass(slots=True, frozen=True)
class ReconnectSettings:
    """Times in seconds; D15's template for a server that is away is 15 attempts, 10 s apart.

    `stable_after` is how long a chat is watched, or a connection registered, before the attempts count anew.
    `keep_trying`: a chat whose attempts are used up is not given up, but asked for once a minute.
    """

    attempts: int = 15
    delay: float = 10.0
    per_link: int = 100
    stable_after: float = 60.0
    keep_trying: bool = False

    @property
    def longest(self) -> float:
        """The longest pause."""
        return max(self.delay, LONGEST_PAUSE)

    def pause_after(self, losses: int) -> float:
        """Return the seconds to wait after so many early losses in a row: a short pause, the delay, then doubled."""
        if losses <= 1:
            return FIRST_PAUSE * self.delay
        return min(self.delay * 2.0 ** min(losses - 2, 16), self.longest)
