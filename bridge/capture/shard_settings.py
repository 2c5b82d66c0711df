"""The settings of a shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.capture.pacing import REST

BATCH_BYTES: Final = 2 << 20


@dataclass(slots=True, frozen=True)
class ShardSettings:
    """Limits of one shard: bytes of uncommitted input, longest linger and longest time between two transactions (s).

    `batch_bytes`: what a transaction takes of the input at most, in the same bytes. A backlog takes several, each well
    within the transaction time-out.
    `rest`: shortest time from the end of a transaction to the start of the next one (s).
    `hold_back`: how long messages wait in which a number may begin (s).
    """

    inbox_bytes: int
    batch_bytes: int = BATCH_BYTES
    linger_max: float = 0.25
    rest: float = REST
    probe_after: float = 30.0
    hold_back: float = 0.0
