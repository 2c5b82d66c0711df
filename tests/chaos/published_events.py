"""Which events were published of each chat, and how: read without any of the bridge's code, and without its GAPs."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from tests.support.oracle import read_all
from tests.support.written_values import WrittenValues

_VALUES = WrittenValues()


class PublishedEvent(NamedTuple):
    """One event record: its id, whether it was pushed and not in a history, when it came (seconds since 1970 UTC)."""

    event_id: int
    live: bool
    came: float


def read_published(bootstrap_servers: str, prefix: str) -> dict[str, list[PublishedEvent]]:
    """Return the event records of each chat in the order of its sequence; those that the bridge made are left out."""
    found: dict[str, list[tuple[int, PublishedEvent]]] = defaultdict(list)
    for _, _, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.events.v1"):
        record = _VALUES.read("TranscriptEvent", value)
        if record["eventId"] is not None:
            event = PublishedEvent(record["eventId"], record["origin"] == "LIVE", record["observedAt"].timestamp())
            found[record["sessionId"]].append((record["sequence"], event))
    return {session_id: [event for _, event in sorted(events)] for session_id, events in found.items()}
