"""What evidence costs: CPU per event with and without chain, signatures and log, from an update to packed batches.

Chats as in the benchmark `cost`, each with its certificate. A transaction is folded, prepared and packed as Kafka takes
it, with zstd; what reads the source and what sends are left out: with them, the ratios are smaller. The variants take
turns, each with a store of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from msgspec import structs

from bridge.adapters.signing.file_key import FileKey, new_key
from bridge.announcement import Announcement, encode, parse
from bridge.capture.inbox import Announced, Input
from bridge.capture.preparation import NothingToPrepare
from bridge.capture.session_store import SessionStore
from bridge.capture.session_store_settings import SessionStoreSettings
from bridge.capture.shard_evidence import EvidenceSettings
from bridge.capture.signing import SigningPreparation
from bridge.records import normalise
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.writer_schemas import WriterSchemas
from tests.bench.checkpoint_bytes import event_of
from tests.capture.written_topics import SESSIONS, output, written_to
from tests.transcript.build import history, push

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.capture.ports import Batch, Preparation

CHATS: Final = 10
EVENTS: Final = 150
"""Events of a chat: fewer make certificates, and so signatures, more frequent."""
AT_A_TIME: Final = 5
"""Events of a chat in a transaction, which has as many of each chat of a group."""
GROUP: Final = 10
ROUNDS: Final = 60
_ZSTD: Final = 4
_BATCH_BYTES: Final = 900_000
_NOW: Final = 1_700_000_000_000_000


@dataclass(slots=True, frozen=True)
class CostVariant:
    """What is measured: with or without hashes of the chain, with or without signatures and the log."""

    name: str
    chained: bool
    signed: bool


VARIANTS: Final = (
    CostVariant("neither", chained=False, signed=False),
    CostVariant("neither again (A/A)", chained=False, signed=False),
    CostVariant("chain", chained=True, signed=False),
    CostVariant("chain, signatures, log", chained=True, signed=True),
)


def steps(at_a_time: int = AT_A_TIME, group: int = GROUP) -> list[list[Input]]:
    """Return the inputs of one round, transaction by transaction: so many events of so many chats in each."""
    found: list[list[Input]] = []
    names = [f"{number:016}" for number in range(CHATS)]
    for offset, name in enumerate(names):
        raw = encode(Announcement(session_id=name, host="chat-1", port=4800))
        found.append([Announced(offset, raw, name.encode(), parse(raw), observed_at=_NOW)])
    for first in range(1, EVENTS + 1, at_a_time):
        events = [event_of(number) for number in range(first, first + at_a_time)]
        update = history(*events) if first == 1 else push(*events, over=first + at_a_time > EVENTS)
        told = [replace(update, transcript=structs.replace(update.transcript, session_id=name)) for name in names]
        found += [list[Input](told[at : at + group]) for at in range(0, CHATS, group)]
    return found


def packed(batch: Batch) -> int:
    """Pack the records of a transaction as the writer has them packed; return the bytes."""
    builders: dict[tuple[str, int], tuple[DefaultRecordBatchBuilder, count[int]]] = {}
    for record in batch.records:
        log = record.topic, record.partition
        if log not in builders:
            builders[log] = DefaultRecordBatchBuilder(2, _ZSTD, 1, 1, 0, 0, _BATCH_BYTES), count()
        builder, offsets = builders[log]
        builder.append(next(offsets), _NOW // 1000, record.key, record.value, record.headers)
    return sum(len(builder.build()) for builder, _ in builders.values())


@contextmanager
def without_chain() -> Iterator[None]:
    """Record without hashing: the hash of a record is that of the one before it."""
    recording: Any = normalise
    hashed = recording.link
    recording.link = lambda previous, _: previous
    try:
        yield
    finally:
        recording.link = hashed


class EvidenceBench:
    """The variants, on the same inputs."""

    def __init__(self, folder: Path) -> None:
        """Make a key in `folder`."""
        self._writers = WriterSchemas.shipped()
        self._steps = steps()
        key = folder / "key.pem"
        key.write_bytes(new_key())
        self._evidence = EvidenceSettings("chatbridge/bench/sessions", "bench.leaves", "bench.anchors")
        self._signing = SigningPreparation(self._evidence, (SESSIONS,), FileKey(str(key)), str)

    def seconds(self, variant: CostVariant) -> float:
        """Return the CPU time of one round."""
        if variant.chained:
            return asyncio.run(self._round(variant))
        with without_chain():
            return asyncio.run(self._round(variant))

    async def _round(self, variant: CostVariant) -> float:
        own = output(Recording(self._writers.schemas, Redactor()), bytes(5))
        preparation: Preparation = self._signing if variant.signed else NothingToPrepare()
        settings = SessionStoreSettings(
            **written_to(own),
            writers=self._writers,
            partition_of=lambda _: 0,
            owner=2**62 + 12345,
            evidence=self._evidence if variant.signed else None,
        )
        store, now = SessionStore(0, settings), _NOW
        started = time.process_time()
        for inputs in self._steps:
            now += 100_000
            batch = store.fold(inputs, now).batch
            await preparation.prepare(batch)
            packed(batch)
        return time.process_time() - started


def evidence_costs() -> None:
    """Print a line per variant, and the ratio that is the goal."""
    with tempfile.TemporaryDirectory(prefix="chatbridge-bench-") as folder:
        bench = EvidenceBench(Path(folder))
        found: dict[str, list[float]] = {variant.name: [] for variant in VARIANTS}
        for _ in range(ROUNDS):
            for variant in VARIANTS:
                found[variant.name].append(bench.seconds(variant))
    print(f"evidence: CPU per event, {CHATS} chats of {EVENTS} events, {AT_A_TIME * GROUP} at a time, {ROUNDS} rounds")
    base = found[VARIANTS[0].name]
    for name, seconds in found.items():
        one = [each / (CHATS * EVENTS) * 1e6 for each in seconds]
        # Of neighbours in time, so that what else the machine does is the same for both.
        ratio = statistics.median(own / bare for own, bare in zip(seconds, base, strict=True))
        print(
            f"  {name:24} {statistics.median(one):6.1f} us ({min(one):.1f} to {max(one):.1f})  {ratio:.3f}", flush=True
        )
    print("  (target: chain and signatures at most 1.15 times without)", flush=True)
