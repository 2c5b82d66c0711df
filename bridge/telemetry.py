"""Writes each fact (`facts`) to the log and counts it in the metrics (`meters`)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from prometheus_client import generate_latest

from bridge.meters import LOG_LEVELS, OTHER, Meters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bridge.facts import Fact
    from bridge.meters import FamilyName, GaugeName


class Traces(Protocol):
    """What makes traces of facts."""

    def observe(self, fact: Fact) -> None:
        """Take a fact; never waits."""

    def close(self) -> None:
        """Send what is left."""


class Telemetry:
    """One log line and the metrics for each fact."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        """Without a logger, facts go to the logger `bridge`."""
        self._logger = logger or logging.getLogger("bridge")
        self._meters = Meters()
        self._listeners: list[Callable[[Fact], None]] = []
        self._traces: Traces | None = None

    def emit(self, fact: Fact) -> None:
        """Count the fact, and log it if its level is on."""
        fact.count(self._meters)
        for listener in self._listeners:
            listener(fact)
        if self._logger.isEnabledFor(fact.level):
            self._logger.log(fact.level, fact.name(), extra={"fields": fact.line()})
        elif fact.always:
            extra = {"fields": fact.line()}
            name, level = self._logger.name, fact.level
            self._logger.handle(self._logger.makeRecord(name, level, "", 0, fact.name(), (), None, extra=extra))

    def tell(self, listener: Callable[[Fact], None]) -> None:
        """Pass each fact to `listener`, too, from now on. It must not raise."""
        self._listeners.append(listener)

    def trace(self, traces: Traces) -> None:
        """Tell `traces` each fact from now on."""
        self._traces = traces
        self.tell(traces.observe)

    def close(self) -> None:
        """Send the traces that are left; this may take seconds."""
        if self._traces is not None:
            self._traces.close()

    def watch(self, gauge: GaugeName, read: Callable[[], float]) -> None:
        """Read the value of a gauge from `read` at every scrape, in the thread of the scrape."""
        self._meters.gauges[gauge].set_function(read)

    def watch_each(self, family: FamilyName, read: Callable[[], Mapping[str, float]]) -> None:
        """Read the values of a gauge with a label from `read` (value of the label -> number) at every scrape."""
        self._meters.families[family].read = read

    def watch_not_ready(self, codes: Iterable[str], read: Callable[[], Iterable[str]]) -> None:
        """Read the codes of the reasons not to be ready from `read` at every scrape; `codes` are all that are known."""
        family = self._meters.families["not_ready"]
        family.values = (*(code.lower() for code in codes), OTHER)
        family.read = lambda: dict.fromkeys(
            (code.lower() if code.lower() in family.values else OTHER for code in read()), 1.0
        )

    def watch_unstable(self, read: Callable[[], Mapping[str, int]]) -> None:
        """Read the servers that answer and drop, and how often in a row, from `read` at every scrape."""
        self._meters.unstable_servers.read = read

    def watch_certificates(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Read when certificates end (name -> seconds since 1970 UTC) from `read` at every scrape."""
        self._meters.certificate_ends.read = read

    def watch_memory_limit(self, read: Callable[[], int | None]) -> None:
        """Read the memory limit in bytes, None where there is none, from `read` at every scrape."""
        self._meters.memory_limit.read = read

    def describe(self, *, version: str, python: str, aiokafka: str, core: str, settings: str) -> None:
        """Tell what runs: the versions, the form of the core, a hash of the settings. To be called once."""
        self._meters.build.labels(version, python, aiokafka, core).set(1)
        self._meters.config.labels(settings).set(1)

    def loop_lag(self, seconds: float) -> None:
        """Count a sample of how late the event loop is."""
        self._meters.loop_lag.observe(seconds)

    def line_written(self, level: str) -> None:
        """Count a line of the log, given the name of its level, e.g. `WARNING`."""
        self._meters.log_lines.labels(level.lower() if level.lower() in LOG_LEVELS else OTHER).inc()

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text form."""
        return generate_latest(self._meters.registry)
