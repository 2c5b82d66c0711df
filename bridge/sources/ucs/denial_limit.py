"""How often somebody whose password was refused may try again, so that no account is locked. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

MOST_DENIALS: Final = 6
_HOUR: Final = 3600.0


class DenialLimit:
    """Counts refusals: after MOST_DENIALS within an hour there is none to be risked until the first is an hour old.

    Times in seconds of a clock that never goes back.
    """

    def __init__(self) -> None:
        """Nothing was refused yet, and nothing accepted."""
        self._denied: deque[float] = deque(maxlen=MOST_DENIALS)
        self.is_accepted = False
        """Whether the last answer accepted the credentials."""

    def wait(self, now: float) -> float:
        """Return the seconds for which nothing may be asked; 0 if it may."""
        if len(self._denied) < MOST_DENIALS:
            return 0.0
        return max(0.0, self._denied[0] + _HOUR - now)

    def denied(self, now: float) -> None:
        """Count a refusal."""
        self.is_accepted = False
        self._denied.append(now)

    def accepted(self) -> None:
        """Begin anew: the account is not about to be locked."""
        self.is_accepted = True
        self._denied.clear()
