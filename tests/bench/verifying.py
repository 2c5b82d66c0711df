"""What verifying costs: against a loop that only decodes the same records with fastavro, and in memory."""

from __future__ import annotations

import gc
import io
import resource
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastavro import schemaless_reader

from bridge.records.avro import TRANSCRIPT_EVENT, WriterSchema
from bridge.records.record_places import PartitionStart, Surroundings
from bridge.records.verifier import Verifier
from tests.tampering.topic_copies import EVENTS, SCHEMAS, SESSIONS, TopicCopies, WrittenChat
from tests.transcript.build import joined, left, said

if TYPE_CHECKING:
    from tests.tampering.topic_copies import CopiedRecord

CHATS: Final = 200
MESSAGES: Final = 100
MANY_CHATS: Final = 100_000
TEXT: Final = "Good morning, how can I help you today? " * 2
_Log = list[tuple[bytes, Surroundings]]


def log_of(records: list[CopiedRecord]) -> _Log:
    """Payloads and what surrounds them."""
    return [(one.payload, Surroundings(one.key, one.headers, one.timestamp)) for one in records]


def chats(count: int, messages: int, first: int = 0) -> tuple[_Log, _Log]:
    """Session records and events of closed chats whose records take turns."""
    copies = TopicCopies()
    writing = [WrittenChat(copies, f"0000BENCH{first + number:07}", partition=0) for number in range(count)]
    for chat in writing:
        chat.hears(joined(1), said(2, TEXT), snapshot=True)
    for number in range(3, messages):
        for chat in writing:
            chat.hears(said(number, TEXT))
    for chat in writing:
        chat.hears(left(messages))
        chat.close()
    return log_of(copies.log(SESSIONS, 0)), log_of(copies.log(EVENTS, 0))


def verified(sessions: _Log, events: _Log, verifier: Verifier) -> None:
    """Feed a verifier."""
    for offset, (payload, around) in enumerate(sessions):
        verifier.feed_session(payload, 0, offset, None, around)
    for offset, (payload, around) in enumerate(events):
        verifier.feed_event(payload, 0, offset, None, around)


def verifying(repeats: int) -> None:
    """Print both figures."""
    speed(repeats)
    memory()


def speed(repeats: int) -> None:
    """CPU of a verifier and of the bare loop, taking turns."""
    sessions, events = chats(CHATS, MESSAGES)
    schema = WriterSchema.of(SCHEMAS.whole(TRANSCRIPT_EVENT)).parsed
    ratios = []
    for number in range(max(repeats, 5)):
        gc.collect()
        begun = time.process_time()
        for payload, _ in events:
            schemaless_reader(io.BytesIO(payload), schema, None)
        bare = time.process_time() - begun
        gc.collect()
        begun = time.process_time()
        verifier = Verifier(SCHEMAS, places_of=lambda _: [0])
        verified(sessions, events, verifier)
        verifier.start_partition(0, PartitionStart(offset=0, settled=len(events), sessions_whole=True))
        found = verifier.findings()
        own = time.process_time() - begun
        assert found == [], found[:1]
        ratios.append(bare / own)
        each = 1e6 / len(events)
        print(f"  run {number + 1}: fastavro {bare * each:.1f} us, verify {own * each:.1f} us a record", flush=True)
    size = sum(len(payload) for payload, _ in events) // len(events)
    print(
        f"  verify at {statistics.median(ratios):.0%} of the speed of a bare fastavro loop (min {min(ratios):.0%}, "
        f"max {max(ratios):.0%}, n={len(ratios)}; {len(events)} records of {size} bytes; target: at least 60 %)"
    )


def memory() -> None:
    """Resident memory that a verifier holds of many closed chats, first of their certificates only."""
    verifier = Verifier(SCHEMAS)
    step = 1_000
    gc.collect()
    before = _resident()
    parts = 0
    for first in range(0, MANY_CHATS, step):
        sessions, events = chats(step, 4, first)
        verified(sessions, events, verifier)
        parts += len(events)
        if first == 0:  # what a step takes for its lists is there again
            before = _resident()
    gc.collect()
    each = (_resident() - before) / (MANY_CHATS - step)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"  {MANY_CHATS} closed chats: {each:.0f} bytes each ({parts} records; most of the process {most >> 10} MiB)")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
