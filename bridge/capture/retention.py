"""How long the bridge has to remember a chat that was closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def closed_retention(setting: float, kept: Iterable[float | None]) -> float | None:
    """Return for how many seconds the checkpoint of a closed chat has to be kept; None: for ever.

    `kept` says how long Kafka may keep what would bring the chat back (announcements) or be published a second time
    (events), None for ever; `setting` is what the operator asks for. P1: a chat that is announced
    again after its checkpoint is gone is captured as a new one, with the ids it had before.
    """
    longest = setting
    for seconds in kept:
        if seconds is None:
            return None
        longest = max(longest, seconds)
    return longest
