"""What a ClientVersion withholds (protocol facts, section 2)."""

from __future__ import annotations

from typing import Final

_EVENTS_FROM: Final = 104
"""From here on no kind of event is withheld; later versions add attributes."""


def withholds_events(lowest_version: int | None) -> bool:
    """Tell whether a ClientVersion was in force to which a server does not send all kinds of events."""
    return lowest_version is not None and lowest_version < _EVENTS_FROM
