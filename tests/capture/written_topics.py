"""The topics of tests that need no Kafka, and what a batch writes to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.capture.outputs import RECORD_KINDS, Output
from bridge.capture.stored_settings import StoredSettings
from bridge.records.output_chains import DEFAULT_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.capture.ports import Batch, Limits, Outgoing
    from bridge.records.normalise import Recording

TOPICS: Final = {
    kind: f"test.{kind}" for kind in ("events", "sessions", "quarantine", "checkpoints", "announcements", "stored")
}
"""Kind of topic -> its name."""
EVENTS: Final = TOPICS["events"]
SESSIONS: Final = TOPICS["sessions"]
QUARANTINE: Final = TOPICS["quarantine"]
CHECKPOINTS: Final = TOPICS["checkpoints"]
ANNOUNCEMENTS: Final = TOPICS["announcements"]
STORED: Final = TOPICS["stored"]


def output(
    recording: Recording, headers: Mapping[str, bytes] | bytes, name: str = DEFAULT_OUTPUT, prefix: str = "test."
) -> Output:
    """Return an output whose topics have this prefix; `headers` by kind of topic, or the same for all of them."""
    if isinstance(headers, bytes):
        headers = dict.fromkeys(RECORD_KINDS, headers)
    return Output(recording, {kind: f"{prefix}{kind}" for kind in RECORD_KINDS}, headers, name)


def written_to(*outputs: Output) -> dict[str, Any]:
    """Return the fields of SessionStoreSettings that say where records go."""
    return {
        "outputs": outputs,
        "checkpoints": CHECKPOINTS,
        "announcements": ANNOUNCEMENTS,
        "stored": StoredSettings(STORED),
    }


def same_limits(most: int, topics: Iterable[str] = TOPICS.values()) -> Limits:
    """Return the same limit for every topic."""
    return dict.fromkeys(topics, most)


def forwards(batch: Batch) -> list[tuple[int, Outgoing]]:
    """Return the announcements that are forwarded, each with its partition."""
    return [(record.partition, record) for record in batch.on(ANNOUNCEMENTS)]
