"""Writes each fact (`facts`) to the log and counts it in the metrics (`meters`)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prometheus_client import generate_latest

from bridge.meters import TASK_KINDS, Meters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.facts import Fact
    from bridge.meters import GaugeName


class Telemetry:
    """One log line and the metrics for each fact."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        """Without a logger, facts go to the logger `bridge`."""
        self._logger = logger or logging.getLogger("bridge")
        self._meters = Meters()
        self._listener: Callable[[Fact], None] | None = None

    def emit(self, fact: Fact) -> None:
        """Count the fact, and log it if its level is on."""
        fact.count(self._meters)
        if self._listener is not None:
            self._listener(fact)
        if self._logger.isEnabledFor(fact.level):
            self._logger.log(fact.level, fact.name(), extra={"fields": fact.line()})

    def tell(self, listener: Callable[[Fact], None]) -> None:
        """Pass each fact to `listener`, too, from now on; there is one at most. It must not raise."""
        self._listener = listener

    def watch(self, gauge: GaugeName, read: Callable[[], float]) -> None:
        """Read the value of a gauge from `read` at every scrape, in the thread of the scrape."""
        self._meters.gauges[gauge].set_function(read)

    def watch_unstable(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Read the servers that answer and drop, and how often in a row, from `read` at every scrape."""
        self._meters.unstable_servers.read = read

    def watch_certificates(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Read when certificates end (name -> seconds since 1970 UTC) from `read` at every scrape."""
        self._meters.certificate_ends.read = read

    def watch_tasks(self, count: Callable[[], Mapping[str, int]]) -> None:
        """Read the numbers of open tasks by kind from `count` at every scrape, in the thread of the scrape."""

        def reader(kind: str) -> Callable[[], float]:
            return lambda: count().get(kind, 0)

        for kind in TASK_KINDS:
            self._meters.tasks.labels(kind).set_function(reader(kind))

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text form."""
        return generate_latest(self._meters.registry)
