"""The settings of a shard."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.capture.pacing import REST


@dataclass(slots=True, frozen=True)
class ShardSettings:
    """Limits of one shard: bytes of uncommitted input, longest linger and longest time between two transactions (s).

    `rest`: shortest time from the end of a transaction to the start of the next one (s).
    `hold_back`: how long messages wait in which a number may begin (s).
    """

    inbox_bytes: int
    linger_max: float = 0.25
    rest: float = REST
    probe_after: float = 30.0
    hold_back: float = 0.0
