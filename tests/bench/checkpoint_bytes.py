"""What checkpoints cost: bytes beside the events', bytes to read when a shard is opened, and time per fold.

One chat with six parties and an announcement with 8 KiB of user data, one event per transaction. Bytes are those of
keys and values, not compressed, as the plan of a transaction has them: no Kafka is needed.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.announcement import Announcement, encode, parse
from bridge.capture.inbox import Announced
from bridge.capture.session_store import SessionStore
from bridge.capture.session_store_settings import SessionStoreSettings
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.writer_schemas import WriterSchemas
from tests.capture.written_topics import CHECKPOINTS, EVENTS, output, written_to
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.capture.ports import Outgoing
    from bridge.transcript.events import ChatEvent

LENGTHS: Final = (10, 100, 1_000, 10_000)
_WINDOW: Final = 64
"""Events after each length whose mean is shown: a few blocks of ids."""
_NOW: Final = 1_700_000_000_000_000
_WORDS: Final = ("I", "have", "a", "question", "about", "my", "last", "order", "and", "the", "bill", "that", "came")
_PARTIES: Final = 6


def size(records: Iterable[Outgoing]) -> int:
    """Return the bytes of keys and values."""
    return sum(len(record.key) + len(record.value or b"") for record in records)


@dataclass
class Followed:
    """A shard with one chat, and what its transactions wrote."""

    store: SessionStore = field(init=False)
    events: list[int] = field(default_factory=list)
    checkpoints: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    kept: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Announce the chat."""
        writers = WriterSchemas.shipped()
        own = output(Recording(writers.schemas, Redactor()), bytes(5))
        settings = SessionStoreSettings(
            **written_to(own), writers=writers, partition_of=lambda _: 0, owner=2**62 + 12345
        )
        self.store = SessionStore(0, settings)
        told = Announcement(
            session_id=CHAT, host="chat-1", port=4800, user_data={f"key{at:03}": "v" * 48 for at in range(128)}
        )
        raw = encode(told)
        self._fold(Announced(0, raw, CHAT.encode(), parse(raw), observed_at=_NOW))

    def add(self, number: int) -> None:
        """Let the event with this id come."""
        self._fold((history if number == 1 else push)(event_of(number)))

    def _fold(self, one: object) -> None:
        started = time.perf_counter()
        batch = self.store.fold([one], _NOW).batch  # type: ignore[list-item]
        self.seconds.append(time.perf_counter() - started)
        self.events.append(size(batch.on(EVENTS)))
        self.checkpoints.append(size(batch.on(CHECKPOINTS)))
        for record in batch.on(CHECKPOINTS):
            if record.value is None:
                self.kept.pop(record.key, None)
            else:
                self.kept[record.key] = size([record])


def event_of(number: int) -> ChatEvent:
    if number <= _PARTIES:
        return joined(number, f"00A{number}")
    words = " ".join(_WORDS[at % len(_WORDS)] for at in range(number, number + 4 + number % 9))
    return said(number, words, f"00A{1 + number % _PARTIES}")


def checkpoint_costs() -> None:
    """Print a line per length of the chat."""
    shards = (Followed(), Followed())  # A/A: the second says how far two figures of the same thing are apart
    told = 0
    print("after   event  checkpoint  (mean so far)  to open: log  compacted  us per fold (A/A)")
    for length in LENGTHS:
        for number in range(told + 1, length + 1):
            for shard in shards:
                shard.add(number)
        first = shards[0]
        log, compacted = sum(first.checkpoints), sum(first.kept.values())
        mean = log / length
        told = length + _WINDOW
        for number in range(length + 1, told + 1):
            for shard in shards:
                shard.add(number)
        event, checkpoint = (statistics.mean(one[-_WINDOW:]) for one in (first.events, first.checkpoints))
        times = " / ".join(f"{statistics.median(shard.seconds[-_WINDOW:]) * 1e6:.0f}" for shard in shards)
        print(
            f"{length:6} {event:7.0f} {checkpoint:11.0f} {mean:14.0f} {log:13} {compacted:10}  {times}",
            flush=True,
        )
