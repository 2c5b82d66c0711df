"""The Prometheus metrics: names, help texts and closed sets of label values.

Names and labels are a public interface and are not renamed. A value outside its set is counted as `other`; the label of
a code is its lower case. No session id, nickname or key is ever a label. An address is one in a single place: the
servers that answer and drop have to be named. Addresses come with announcements, from strangers: at most NAMED_SERVERS
are named at a time, the worst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics import disable_created_metrics
from prometheus_client.registry import Collector

from bridge.transcript import entries
from bridge.transcript.gap_codes import GAP_CODES
from bridge.transcript.input_codes import QUARANTINE_CODES
from bridge.transcript.link_codes import LINK_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

OTHER: Final = "other"

NAMED_SERVERS: Final = 64
"""Values of the label `server` at a time; what is beyond them is `other`."""

KINDS: Final = (
    entries.PARTY_JOINED,
    entries.MESSAGE,
    entries.NOTICE,
    entries.PARTY_LEFT,
    entries.UNKNOWN,
    entries.GAP,
    entries.RESUMED,
)
VERDICTS: Final = (entries.COMPLETE, entries.INCOMPLETE)
FORGETTABLE: Final = ("checkpoints", "events", "sessions", "announcements")
"""Kinds of topics of which a loss is recognised."""
_COMMIT_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)

TASK_KINDS: Final = (
    "worker",
    "capture",
    "shard",
    "queue",
    "release",
    "watch",
    "kafka_client",
    "kafka_connection",
    "kafka",
    "http",
    OTHER,
)

CERTIFICATES: Final = (
    "kafka",
    "kafka_ca",
    "registry",
    "registry_ca",
    "chat_server",
    "chat_server_ca",
    "http",
)
"""Certificates of the settings, and authorities (`_ca`), whose end is shown."""

GaugeName = Literal[
    "oldest_uncommitted_event_seconds",
    "buffer_bytes",
    "sessions",
    "shards",
    "links",
    "unreachable_servers",
    "joins_waiting",
    "announcers",
]
GAUGES: Final[dict[GaugeName, str]] = {
    "oldest_uncommitted_event_seconds": "Age of the oldest event not yet committed to Kafka; 0 when there is none",
    "buffer_bytes": "Bytes received but not yet committed to Kafka, held in memory",
    "sessions": "Chats followed by this worker",
    "shards": "Shards owned by this worker",
    "links": "Open connections to Chat Servers or gateways",
    "unreachable_servers": "Servers that could not be reached three times in a row, of chats that have no other",
    "joins_waiting": "Chats waiting to be joined, because of the rate limit or a missing connection",
    "announcers": "Kafka producers for announcements received over HTTP: 1 after the first, 0 after an error",
}


def label(code: str, known: Collection[str]) -> str:
    """Return the label of a code: its lower case, if it is one of `known`."""
    return code.lower() if code in known else OTHER


def _counter(registry: CollectorRegistry, name: str, text: str, **labels: tuple[str, ...]) -> Counter:
    """Create a counter with at most one label; each of its values is present from the start, at 0."""
    counter = Counter(f"chatbridge_{name}", text, tuple(labels), registry=registry)
    for values in labels.values():
        for value in values:
            counter.labels(value)
    return counter


def _values(known: Iterable[str]) -> tuple[str, ...]:
    return (*(code.lower() for code in known), OTHER)


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


class Meters:
    """All metrics, in their own registry."""

    def __init__(self) -> None:
        """Create them all, at 0."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.events = _counter(registry, "events", "Committed records of the events topic", kind=(*KINDS, OTHER))
        self.bytes = _counter(registry, "committed_bytes", "Committed bytes of the events topic")
        outcomes = ("committed", "failed", "fenced")
        self.transactions = _counter(registry, "transactions", "Kafka transactions", outcome=outcomes)
        self.commit_seconds = Histogram(
            "chatbridge_commit_seconds", "Duration of one transaction", buckets=_COMMIT_SECONDS, registry=registry
        )
        self.capture_seconds = Histogram(
            "chatbridge_capture_seconds",
            "Age of the oldest event of a transaction when it was committed",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self.consumer_failures = _counter(
            registry,
            "consumer_failures",
            "Failures of the announcements consumer, after each of which it is re-created",
        )
        changes = ("taken", "not_opened", "released", "fenced", "crashed")
        self.shard_changes = _counter(
            registry,
            "shard_changes",
            "Shards taken over, not opened because of an error, released, fenced, or crashed because of a defect",
            change=changes,
        )
        self.reconciled = _counter(
            registry,
            "chats_reconciled",
            "Chats that a shard followed anew, or left, because another worker had the shard in between",
            change=("followed", "forgotten"),
        )
        self.forgotten = _counter(
            registry, "forgotten", "Losses of records of a shard that Kafka had, by topic", topic=(*FORGETTABLE, OTHER)
        )
        self.links_opened = _counter(registry, "links_opened", "Connections registered with a Chat Server")
        self.links_lost = _counter(
            registry, "links_lost", "Connections lost or not established", reason=_values(LINK_CODES)
        )
        results = ("answered", "refused", "given_up", OTHER)
        self.joins = _counter(registry, "joins", "Answers to join requests", result=results)
        self.replayed = _counter(registry, "replayed_events", "Events in the histories received with joins")
        self.gaps = _counter(registry, "gaps", "GAP records", reason=_values(GAP_CODES))
        self.resumptions = _counter(registry, "resumptions", "RESUMED records")
        self.quarantined = _counter(registry, "quarantined", "Quarantined inputs", reason=_values(QUARANTINE_CODES))
        self.opened = _counter(registry, "chats_opened", "Chats opened")
        self.closed = _counter(registry, "chats_closed", "Chats closed with a certificate", verdict=(*VERDICTS, OTHER))
        self.failures = _counter(
            registry, "chat_failures", "Inputs of a chat lost to a defect of the bridge, each with a GAP in its place"
        )
        self.announcements = _counter(
            registry,
            "announcements",
            "Announcements forwarded to the right partition, or rejected as unreadable",
            result=("forwarded", "rejected"),
        )
        self.pauses = _counter(
            registry, "inbox_pauses", "Number of times that reading was paused because a buffer was full"
        )
        self.gauges = {name: Gauge(f"chatbridge_{name}", text, registry=registry) for name, text in GAUGES.items()}
        self.unstable_servers = UnstableServers()
        registry.register(self.unstable_servers)
        self.certificate_ends = CertificateEnds()
        registry.register(self.certificate_ends)
        self.tasks = Gauge(
            "chatbridge_tasks", "Tasks of the event loop that have not ended", ("kind",), registry=registry
        )
        for kind in TASK_KINDS:
            self.tasks.labels(kind)
