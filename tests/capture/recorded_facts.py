"""Telemetry that keeps every fact."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bridge.facts import BatchCommitted
from bridge.telemetry import Telemetry

if TYPE_CHECKING:
    from bridge.facts import Fact


class RecordedFacts(Telemetry):
    """Keeps what is emitted, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Fact] = []

    def emit(self, fact: Fact) -> None:
        super().emit(fact)
        self.facts.append(fact)

    def kinds(self) -> Counter[str]:
        """Count the event records that were counted, per kind."""
        found: Counter[str] = Counter()
        for fact in self.facts:
            if isinstance(fact, BatchCommitted):
                found.update(fact.kinds)
        return found

    def count(self, kind: type[Fact]) -> int:
        return sum(isinstance(fact, kind) for fact in self.facts)
