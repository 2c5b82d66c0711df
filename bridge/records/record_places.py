"""What surrounds a value on its topic: key, headers and Kafka's time of a record; what is left of a partition."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the compiled form looks it up
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.ids import escaped, session_record_id
from bridge.records.session_records import CLOSED, OPENED
from bridge.transcript.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CLOCKS_APART: Final = 600_000_000
"""How far clocks of workers and brokers may differ before it matters which came first, in us."""

_SHOWN: Final = 80


@dataclass(slots=True, frozen=True)
class Surroundings:
    """Key and headers of a record, whose values may be null, and its Kafka time in ms since 1970 UTC."""

    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int


@dataclass(slots=True, frozen=True, kw_only=True)
class PartitionStart:
    """What is left of a partition of the events topic, which deletes by age or size only (`cleanup.policy=delete`).

    Its first record is at `offset`, of Kafka's time `at` (us since 1970 UTC; None when there is none, or it is not
    known). What stands below the offset `settled` was committed before the sessions topic was read, from the same
    partition of which nothing was deleted if `sessions_whole`. The topic keeps what was written at `kept_since` (us
    since 1970 UTC) or later, None when its retention is not known. `in_files`: nothing is known of deletions, but files
    that are handed over are to have their chats whole.
    """

    offset: int
    settled: int
    at: int | None = None
    sessions_whole: bool = False
    kept_since: int | None = None
    in_files: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing has been deleted from it."""
        return self.offset == 0 or self.in_files

    def holds(self, written: int | None) -> bool:
        """Return whether a record committed at `written` (us; None: not known) or later must still be there."""
        if self.whole:
            return True
        edges = [edge for edge in (self.at, self.kept_since) if edge is not None]
        return written is not None and bool(edges) and written > min(edges) + _CLOCKS_APART

    def sessions_hold(self, written: int | None) -> bool:
        """Return the same of a record of the sessions topic."""
        if self.sessions_whole or self.in_files:
            return True
        return written is not None and self.kept_since is not None and written > self.kept_since + _CLOCKS_APART

    def __str__(self) -> str:
        """Why something must be there."""
        if self.in_files:
            return "files are to hold their chats whole"
        if self.whole:
            return "nothing was deleted from its partition"
        if self.at is not None and (self.kept_since is None or self.at <= self.kept_since):
            return "older records of its partition are there"
        return "it is younger than the retention of the topic"


def of_event(record: Mapping[str, Any], around: Surroundings) -> Iterator[str]:
    """Yield what of the surroundings of a TranscriptEvent contradicts the value."""
    at, observed = record["occurredAt"], record["observedAt"]
    expected = {
        "ce_id": record["id"],
        "ce_type": f"{TRANSCRIPT_EVENT}.{record['kind']}",
        "ce_time": _time(observed if at is None else at * 1000),
    }
    yield from _contradictions(record, around, expected)


def agrees(record: Mapping[str, Any], around: Surroundings) -> bool:
    """Return whether `of_event` and `early` have nothing to say: the same comparison, for the many that are right."""
    at, observed, key, get = record["occurredAt"], record["observedAt"], around.key, dict(around.headers).get
    try:
        return (
            key == get("ce_subject") == record["sessionId"].encode()
            and get("ce_id") == record["id"].encode()
            and get("ce_type") == _type_of(record["kind"])
            and get("ce_time") == _time_of(observed if at is None else at * 1000)
            and around.timestamp * 1000 + _CLOCKS_APART >= observed
        )
    except OverflowError:
        return False


@lru_cache(maxsize=64)
def _type_of(kind: str) -> bytes:
    return f"{TRANSCRIPT_EVENT}.{kind}".encode()


@lru_cache(maxsize=1024)  # most events have whole seconds, which those of several chats share
def _time_of(at: int) -> bytes:
    return rfc3339(at).encode()


def of_session(record: Mapping[str, Any], around: Surroundings) -> Iterator[str]:
    """Yield what of the surroundings of a SessionRecord contradicts the value."""
    certificate, at = record["certificate"], record["at"]
    again = certificate is not None and certificate["supersedes"] is not None
    name = session_record_id(
        escaped(record["sessionId"]),
        OPENED if certificate is None else CLOSED,
        record["epoch"],
        at,
        last_sequence=certificate["lastSequence"] if again else None,
    )
    yield from _contradictions(record, around, {"ce_id": name, "ce_type": SESSION_RECORD, "ce_time": _time(at)})


def early(record: Mapping[str, Any], around: Surroundings) -> bool:
    """Return whether Kafka's time of an event record is clearly before the bridge observed the event."""
    return around.timestamp * 1000 + _CLOCKS_APART < int(record["observedAt"])


def _contradictions(record: Mapping[str, Any], around: Surroundings, expected: dict[str, str]) -> Iterator[str]:
    session_id = record["sessionId"]
    if around.key != session_id.encode():
        yield f"has the key {_shown(around.key)}, unlike its sessionId"
    found = dict(around.headers)
    for name, value in {**expected, "ce_subject": session_id}.items():
        if found.get(name) != value.encode():
            yield f"has the header {name} {_shown(found.get(name))} where {value} was expected"


def _time(at: int) -> str:
    try:
        return rfc3339(at)
    except OverflowError:
        return "no time outside the years 1 to 9999"


def _shown(value: bytes | None) -> str:
    return "none" if value is None else value[:_SHOWN].decode("utf-8", "replace")
