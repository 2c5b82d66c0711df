"""The settings of a shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_STORED_PART: Final = 16


@dataclass(slots=True, frozen=True)
class ShardSettings:
    """Limits of one shard: bytes of uncommitted input, longest linger and longest time between two transactions (s)."""

    inbox_bytes: int
    linger_max: float = 0.25
    probe_after: float = 30.0

    @property
    def stored_bytes(self) -> int:
        """What of the uncommitted input stored transcripts may be before reading them pauses (`stored_share.py`)."""
        return self.inbox_bytes // _STORED_PART
