"""A join whose answer is outstanding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.transcript.updates import TranscriptUpdate


@dataclass(slots=True)
class PendingJoin:
    """`deadline` on the clock of the conversation; `held` are pushes that overtook the answer, with their size."""

    session_id: str
    deadline: float
    held: list[TranscriptUpdate] = field(default_factory=list)
    held_bytes: int = 0
