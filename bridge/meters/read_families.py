"""Gauges whose values are read at each scrape, and which have a label: a number for each of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bridge.meters.label_values import (
    CERTIFICATES,
    CLIENT_VERSIONS,
    NAMED_SERVERS,
    OTHER,
    SESSION_STATES,
    SHARD_STATES,
    TASK_KINDS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FamilyName = Literal["not_ready", "sessions", "shards", "sessions_by_client_version", "tasks"]
FAMILIES: Final[dict[FamilyName, tuple[str, str, tuple[str, ...]]]] = {
    "not_ready": ("Reasons not to be ready: 1 for each that there is now, 0 for the others", "code", (OTHER,)),
    "sessions": (
        "Chats of this worker: joined now, waiting for that, given up (and may come back), known as stored ones only",
        "state",
        SESSION_STATES,
    ),
    "shards": (
        "Shards of this worker that capture, that are being opened, and that are handed over or stopped",
        "state",
        SHARD_STATES,
    ),
    "sessions_by_client_version": (
        "Chats that are joined now, by the ClientVersion in force on their connection",
        "client_version",
        CLIENT_VERSIONS,
    ),
    "tasks": ("Tasks of the event loop that have not ended", "kind", TASK_KINDS),
}
"""Name -> help text, label, and the values that it has. Those of `not_ready` are the codes of `/readyz`, which whoever
reports readiness adds."""


class ReadFamily(Collector):
    """One such gauge. What is read under another value of the label counts as `other`, or else is left out."""

    def __init__(self, name: str, text: str, label: str, values: tuple[str, ...]) -> None:
        """All values are 0 until `read` is set."""
        self.values = values
        self.read: Callable[[], Mapping[str, float]] = dict
        self._name = name
        self._text = text
        self._label = label

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the gauge."""
        family = GaugeMetricFamily(f"chatbridge_{self._name}", self._text, labels=(self._label,))
        found = dict.fromkeys(self.values, 0.0)
        for value, number in self.read().items():
            known = value if value in found else OTHER
            if known in found:
                found[known] += number
        for value, number in found.items():
            family.add_metric((value,), number)
        yield family


class UnstableServers(Collector):
    """The servers that answer and drop, as a gauge with their addresses; a server that no longer does so disappears."""

    def __init__(self) -> None:
        """There are none until `read` is set."""
        self.read: Callable[[], Mapping[str, int]] = dict

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the worst NAMED_SERVERS by name, and the worst of the rest as `other`."""
        family = GaugeMetricFamily(
            "chatbridge_unstable_servers",
            "Servers that answer and soon drop a chat or a connection, each time: how often in a row",
            labels=("server",),
        )
        worst = sorted(self.read().items(), key=lambda one: (-one[1], one[0]))
        for server, times in worst[:NAMED_SERVERS]:
            family.add_metric((server,), times)
        if len(worst) > NAMED_SERVERS:
            family.add_metric((OTHER,), worst[NAMED_SERVERS][1])
        yield family


class CertificateEnds(Collector):
    """When the certificates of the settings end; one that is not set, or cannot be read just now, has no sample."""

    def __init__(self) -> None:
        """There are none until `read` is set."""
        self.read: Callable[[], Mapping[str, float]] = dict

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the gauge."""
        family = GaugeMetricFamily(
            "chatbridge_certificate_expiry_timestamp_seconds",
            "When a certificate in the settings ends, in seconds since 1970 UTC; of authorities the last",
            labels=("which",),
        )
        ends = self.read()
        for which in CERTIFICATES:
            if which in ends:
                family.add_metric((which,), ends[which])
        yield family


class MemoryLimit(Collector):
    """What the process may use of the memory; no sample where there is no limit."""

    def __init__(self) -> None:
        """There is no limit until `read` is set."""
        self.read: Callable[[], int | None] = lambda: None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the gauge."""
        limit = self.read()
        family = GaugeMetricFamily(
            "chatbridge_memory_limit_bytes", "Memory limit of the process's control group; absent where there is none"
        )
        if limit is not None:
            family.add_metric((), limit)
        yield family
