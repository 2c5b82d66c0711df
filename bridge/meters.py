"""The metrics and their labels, which are an interface: names stay, label sets are closed.

A value outside of its set is counted as `other`; no session id, nickname, key or address is ever a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.metrics import disable_created_metrics

from bridge.transcript import entries, gap_reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER: Final = "other"

KINDS: Final = (
    entries.PARTY_JOINED,
    entries.MESSAGE,
    entries.NOTICE,
    entries.PARTY_LEFT,
    entries.UNKNOWN,
    entries.GAP,
    entries.RESUMED,
)
GAP_REASONS: Final = {
    gap_reasons.NOT_IN_REPLAY: "not_in_replay",
    gap_reasons.UNREADABLE: "unreadable",
    gap_reasons.OVER_WHILE_AWAY: "over_while_away",
    gap_reasons.TOO_LARGE: "too_large",
    gap_reasons.NOT_RECORDED: "not_recorded",
    gap_reasons.NEVER_JOINED: "never_joined",
    gap_reasons.OUT_OF_REACH: "out_of_reach",
    gap_reasons.INTERNAL: "internal",
    gap_reasons.OUTGROWN: "outgrown",
}
# First words of the reasons that links and conversations give. A label only groups; nothing is decided by it.
LOSS_REASONS: Final = {
    "connection reset": "reset",
    "connection closed": "closed",
    "no sign of life": "silent",
    "no answer to the registration": "not_registered",
    "registration refused": "refused",
    "ConnectionRefusedError": "unreachable",
    "TimeoutError": "unreachable",
    "OSError": "unreachable",
    "gaierror": "unreachable",
}
# First words of our own reasons. All others come from decoding a line or an event.
QUARANTINE_REASONS: Final = {
    "unknown message": "unknown_message",
    "internal error": "internal",
    "an announcement": "announcement",
    "longer than": "too_long",
    "record too large": "too_large",
    "answer to a join of another chat": "stray",
    "a chat that was not joined here": "stray",
    "a second EventRegistered": "stray",
    "a message that does not belong": "stray",
    "the chat is closed": "not_followed",
    "the chat is not followed": "not_followed",
    "": "unreadable",
}
VERDICTS: Final = (entries.COMPLETE, entries.INCOMPLETE)
_COMMIT_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)

GaugeName = Literal["oldest_uncommitted_event_seconds", "buffer_bytes", "sessions", "shards", "links", "joins_waiting"]
GAUGES: Final[dict[GaugeName, str]] = {
    "oldest_uncommitted_event_seconds": "Age of the oldest event that is not committed; 0 when there is none",
    "buffer_bytes": "Bytes held in memory until Kafka has committed them",
    "sessions": "Chats that this worker follows",
    "shards": "Shards that this worker owns",
    "links": "Connections to Chat Servers or gateways",
    "joins_waiting": "Chats that wait to be joined, because of the rate limit or of a missing connection",
}


def label(value: str, known: Mapping[str, str]) -> str:
    """Return the label of a reason, by its beginning."""
    return next((word for beginning, word in known.items() if value.startswith(beginning)), OTHER)


def _counter(registry: CollectorRegistry, name: str, text: str, **labels: tuple[str, ...]) -> Counter:
    """Create a counter with at most one label; each of its values is present from the start, at 0."""
    counter = Counter(f"chatbridge_{name}", text, tuple(labels), registry=registry)
    for values in labels.values():
        for value in values:
            counter.labels(value)
    return counter


def _values(known: Mapping[str, str]) -> tuple[str, ...]:
    return (*dict.fromkeys(known.values()), OTHER)


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
            registry, "consumer_failures", "Times that the consumer of announcements failed and was re-created"
        )
        changes = ("taken", "not_opened", "released", "fenced", "crashed")
        self.shard_changes = _counter(
            registry,
            "shard_changes",
            "Shards that were taken, released, fenced, could not be opened, or crashed",
            change=changes,
        )
        self.links_opened = _counter(registry, "links_opened", "Connections that were registered with a Chat Server")
        self.links_lost = _counter(
            registry, "links_lost", "Connections that ended or could not be established", reason=_values(LOSS_REASONS)
        )
        results = ("answered", "refused", "given_up", OTHER)
        self.joins = _counter(registry, "joins", "Answers to joins", result=results)
        self.replayed = _counter(registry, "replayed_events", "Events in the histories that answered joins")
        self.gaps = _counter(registry, "gaps", "GAP records", reason=_values(GAP_REASONS))
        self.resumptions = _counter(registry, "resumptions", "RESUMED records")
        self.quarantined = _counter(
            registry, "quarantined", "Inputs that were quarantined", reason=_values(QUARANTINE_REASONS)
        )
        self.opened = _counter(registry, "chats_opened", "Chats that were opened")
        self.closed = _counter(
            registry, "chats_closed", "Chats that were closed with a certificate", verdict=(*VERDICTS, OTHER)
        )
        self.failures = _counter(
            registry, "chat_failures", "Inputs of a chat that a defect of the bridge has cost, each with a GAP"
        )
        odd = ("forwarded", "rejected")
        self.announcements = _counter(
            registry, "announcements", "Announcements that were forwarded to another partition, or rejected", result=odd
        )
        self.pauses = _counter(registry, "inbox_pauses", "Times that reading was paused because a buffer was full")
        self.gauges = {name: Gauge(f"chatbridge_{name}", text, registry=registry) for name, text in GAUGES.items()}
