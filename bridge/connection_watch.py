"""Finds out why Kafka cannot be used while a worker is not ready, and reports each cause when it begins and ends."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from bridge.facts import Fact
from bridge.meters import kafka_error_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.adapters.kafka.connection_causes import Cause
    from bridge.meters import Meters
    from bridge.telemetry import Telemetry


@dataclass(slots=True, frozen=True, kw_only=True)
class KafkaProblemBegan(Fact):
    """Kafka cannot be used, for a cause that was found by connecting to it. `detail` ends with what to do."""

    level: ClassVar[int] = logging.WARNING

    code: str
    detail: str

    def count(self, meters: Meters) -> None:
        """Count it by kind."""
        meters.kafka_errors.labels(kafka_error_kind(self.code)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class KafkaProblemEnded(Fact):
    """Kafka can be used again, or for another cause not."""

    code: str
    detail: str


class Probe(Protocol):
    """Connects to Kafka as its clients do."""

    async def cause(self) -> Cause | None:
        """Return why it cannot be used, None when it can."""


class ConnectionWatch:
    """The present cause. `check`, called every few seconds, asks Kafka while `needed`, and never while all is well."""

    def __init__(self, probe: Probe, needed: Callable[[], object], telemetry: Telemetry) -> None:
        """`needed` returns whether the worker is not ready for a reason that may be Kafka."""
        self.cause: Cause | None = None
        self._probe = probe
        self._needed = needed
        self._telemetry = telemetry

    async def check(self) -> None:
        """Find out the cause once. A new one ends the former one."""
        found = await self._probe.cause() if self._needed() else None
        if found == self.cause:
            return
        if self.cause is not None:
            self._telemetry.emit(KafkaProblemEnded(code=self.cause.code, detail=self.cause.message))
        self.cause = found
        if found is not None:
            self._telemetry.emit(KafkaProblemBegan(code=found.code, detail=str(found)))
