"""All metrics of a worker, in one registry."""

from __future__ import annotations

from itertools import product
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector
from prometheus_client.metrics import disable_created_metrics

from bridge.archive.repair_codes import REPAIR_CODES
from bridge.meters.event_ages import EventAges
from bridge.meters.label_values import (
    COVERAGE_STEPS,
    FORGETTABLE,
    HTTP_CODES,
    HTTP_PATHS,
    KAFKA_ERROR_KINDS,
    KINDS,
    LOG_LEVELS,
    OTHER,
    REDACTION_ACTIONS,
    STAMP_RESULTS,
    UCS_MISSING,
    VERDICTS,
    values_of,
)
from bridge.meters.read_families import FAMILIES, CertificateEnds, MemoryLimit, ReadFamily, UnstableServers
from bridge.transcript.gap_codes import GAP_CODES
from bridge.transcript.input_codes import QUARANTINE_CODES
from bridge.transcript.link_codes import LINK_CODES

_COMMIT_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
_OPEN_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0)
_LAG_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

GaugeName = Literal[
    "ready",
    "kafka_up",
    "partitions",
    "announcement_lag",
    "oldest_uncommitted_event_seconds",
    "buffer_bytes",
    "buffer_limit_bytes",
    "inboxes_paused",
    "links",
    "unreachable_servers",
    "joins_waiting",
    "joins_budget",
    "joins_paused",
    "announcers",
    "ucs_waiting_chats",
    "ucs_bookmark_age_seconds",
    "ucs_failing_seconds",
    "ucs_last_read_timestamp_seconds",
    "ucs_start_date_offset_seconds",
]
GAUGES: Final[dict[GaugeName, str]] = {
    "ready": "Whether the worker is ready: 1 when `/readyz` answers 200, else 0",
    "kafka_up": "Whether Kafka answers: 0 when no broker has answered for longer than the clients wait, if idle, too",
    "partitions": "Partitions of the announcements topic, which is the number of shards of all workers; 0 if not known",
    "announcement_lag": "Offsets of the announcements topic, of this worker's shards, that are not committed yet",
    "oldest_uncommitted_event_seconds": "Age of the oldest event not yet committed to Kafka; 0 when there is none",
    "buffer_bytes": "Bytes received but not yet committed to Kafka, held in memory",
    "buffer_limit_bytes": "Bytes of the buffers of this worker's shards; a shard with a full one stops reading",
    "inboxes_paused": "Shards that do not read now, because their buffer is full",
    "links": "Open connections to Chat Servers or gateways",
    "unreachable_servers": "Servers that could not be reached three times in a row, of chats that have no other",
    "joins_waiting": 'Chats whose join waits for the rate limit; all that wait: chatbridge_sessions{state="waiting"}',
    "joins_budget": "Joins that the rate limit allows right now, at the server that has the fewest",
    "joins_paused": "Whether the administrator has paused joins: 1, else 0",
    "announcers": "Kafka producers for announcements received over HTTP: 1 after the first, 0 after an error",
    "ucs_waiting_chats": "Chats of UCS whose final stored text is still expected; 0 where UCS is not followed",
    "ucs_bookmark_age_seconds": "Age of the highest STARTDATE that was read from UCS; 0 where UCS is not followed. It "
    "grows while no chats begin",
    "ucs_failing_seconds": "For how long a database of UCS could not be read; 0 when it can, or is not followed",
    "ucs_last_read_timestamp_seconds": "When a statement on a database of UCS succeeded last, in seconds since 1970 "
    "UTC; of two databases the earlier, 0 before that",
    "ucs_start_date_offset_seconds": "Difference between STARTDATE of the row that was passed on last and the start in "
    "its transcript, to a quarter of an hour; 0 if STARTDATE is UTC",
}


def _counter(registry: CollectorRegistry, name: str, text: str, **labels: tuple[str, ...]) -> Counter:
    """Create a counter with at most one label; each of its values is present from the start, at 0."""
    counter = Counter(f"chatbridge_{name}", text, tuple(labels), registry=registry)
    for values in labels.values():
        for value in values:
            counter.labels(value)
    return counter


class Meters:
    """All metrics, in their own registry."""

    def __init__(self) -> None:
        """Create them all, at 0."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self.events = _counter(registry, "events", "Committed records of the events topic", kind=(*KINDS, OTHER))
        self.bytes = _counter(registry, "committed_bytes", "Committed bytes of the events topic")
        outcomes = ("committed", "failed", "fenced")
        self.transactions = _counter(
            registry,
            "transactions",
            "Transactions, once for each shard in it",
            outcome=outcomes,
        )
        self.commit_seconds = Histogram(
            "chatbridge_commit_seconds",
            "Duration of a transaction, once for each shard in it",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self.capture_seconds = Histogram(
            "chatbridge_capture_seconds",
            "Age of the oldest event of a transaction when it was committed",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self.event_ages = EventAges()
        registry.register(self.event_ages)
        self.last_commit = Gauge(
            "chatbridge_last_commit_timestamp_seconds",
            "When the last transaction was committed, in seconds since 1970 UTC; 0 before the first. A shard without "
            "events commits a marker each half minute",
            registry=registry,
        )
        self.kafka_errors = _counter(
            registry,
            "kafka_errors",
            "Errors of Kafka, or of connections to it, that a worker met: of transactions, of opening a shard, of "
            "reading announcements, of writing them, of the start, and causes found while it is not ready",
            kind=KAFKA_ERROR_KINDS,
        )
        self.shard_open_seconds = Histogram(
            "chatbridge_shard_open_seconds",
            "Time from the attempt to open a shard until its chats are followed",
            buckets=_OPEN_SECONDS,
            registry=registry,
        )
        self.stored_repairs = _counter(
            registry, "stored_repairs", "Repairs of damaged stored transcripts, by code", reason=values_of(REPAIR_CODES)
        )
        self.redactions = _counter(
            registry, "redactions", "Redactions in committed events, by action", action=REDACTION_ACTIONS
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
        self.worker_fenced = _counter(
            registry,
            "worker_fenced",
            "Times that another producer had initialised the transactional id under which a worker commits all shards",
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
            registry, "links_lost", "Connections lost or not established", reason=values_of(LINK_CODES)
        )
        results = ("answered", "refused", "given_up", OTHER)
        self.joins = _counter(registry, "joins", "Answers to join requests", result=results)
        self.replayed = _counter(registry, "replayed_events", "Events in the histories received with joins")
        self.gaps = _counter(registry, "gaps", "GAP records", reason=values_of(GAP_CODES))
        self.resumptions = _counter(registry, "resumptions", "RESUMED records")
        self.quarantined = _counter(registry, "quarantined", "Quarantined inputs", reason=values_of(QUARANTINE_CODES))
        self.opened = _counter(registry, "chats_opened", "Chats opened")
        self.closed = _counter(registry, "chats_closed", "Chats closed with a certificate", verdict=(*VERDICTS, OTHER))
        self.covered = _counter(
            registry,
            "chats_covered",
            "Chats that were closed, by how far they came: announced, joined, certified without a lack",
            step=COVERAGE_STEPS,
        )
        self.failures = _counter(
            registry, "chat_failures", "Inputs of a chat lost to a defect of the bridge, each with a GAP in its place"
        )
        self.announcements = _counter(
            registry,
            "announcements",
            "Announcements taken by a shard, forwarded to the right partition, or rejected as unreadable",
            result=("taken", "forwarded", "rejected", OTHER),
        )
        self.pauses = _counter(
            registry, "inbox_pauses", "Number of times that reading was paused because a buffer was full"
        )
        self.ucs_rows = _counter(
            registry, "ucs_rows", "Rows of UCS that were read, those that were read again included"
        )
        self.ucs_texts = _counter(
            registry,
            "ucs_texts",
            "Stored texts of UCS that were passed on: final ones, such as have changed, and those of running chats",
            kind=("final", "changed", "running"),
        )
        self.ucs_missing = _counter(
            registry, "ucs_missing_chats", "Chats whose stored text was not passed on", reason=(*UCS_MISSING, OTHER)
        )
        self.time_stamps = _counter(
            registry,
            "time_stamps",
            "Requests for time stamps of signed heads, by what came of them",
            result=STAMP_RESULTS,
        )
        self.gauges = {name: Gauge(f"chatbridge_{name}", text, registry=registry) for name, text in GAUGES.items()}
        self._read_at_scrapes()
        self._of_the_process()

    def _read_at_scrapes(self) -> None:
        """Create the gauges with labels that are read when they are scraped."""
        self.families = {name: ReadFamily(name, *of) for name, of in FAMILIES.items()}
        self.unstable_servers = UnstableServers()
        self.certificate_ends = CertificateEnds()
        self.memory_limit = MemoryLimit()
        for each in (*self.families.values(), self.unstable_servers, self.certificate_ends, self.memory_limit):
            self.registry.register(each)

    def _of_the_process(self) -> None:
        """Create what is about the process, its HTTP server and its log."""
        registry = self.registry
        self.http_requests = Counter(
            "chatbridge_http_requests", "Requests answered over HTTP", ("path", "code"), registry=registry
        )
        for path, code in product(HTTP_PATHS, HTTP_CODES):
            self.http_requests.labels(path, code)
        self.log_lines = _counter(registry, "log_lines", "Lines written to the log", level=LOG_LEVELS)
        self.loop_lag = Histogram(
            "chatbridge_event_loop_lag_seconds",
            "Delay of a task that was to run at a set time, sampled several times a second",
            buckets=_LAG_SECONDS,
            registry=registry,
        )
        self.build = Gauge(
            "chatbridge_build_info",
            "The versions that run, and whether the core is compiled",
            ("version", "python", "aiokafka", "core"),
            registry=registry,
        )
        self.config = Gauge(
            "chatbridge_config_info",
            "The settings that are in force, without secrets, as a hash: workers with the same one are set alike",
            ("hash",),
            registry=registry,
        )
