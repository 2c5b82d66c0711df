"""`python -m tests.chaos.traced_bridge FOLDER STEP run ...`: `chatbridge`, which writes down what it asks Kafka for.

What it asks for to hand shards over, and the answers, are a trace in a new file of FOLDER, which `process_traces.py` of
`tests/handover` reads. STEP is one of `left_out_steps.py`, which it leaves out, or `none`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge import cli, writer_factory
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.adapters.kafka.worker_producer import KafkaWorkerProducer
from bridge.capture.shared_writer import SharedWriter
from tests.chaos.interrupted_steps import InterruptedWriter
from tests.chaos.left_out_steps import leave_out
from tests.handover.checkpoint_logs import batch_number
from tests.handover.process_traces import TraceFile
from tests.handover.recorded_workers import RecordedClaims, RecordedProducer, RecordedTopic

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.ports import Batch
    from bridge.capture.worker_ports import ClaimTopic

NO_STEP: Final = "none"
ORDERS: Final = "orders"
"""A folder beside the traces, if somebody gives orders (`interrupted_steps.py`)."""
_CHECKPOINTS: Final = TopicNames("").checkpoints
_WORKER: Final = "-worker:"


def known_to(batch: Batch) -> int:
    """Return how many commits to its shard a batch goes on from: every batch has a head, which tells its number."""
    checkpoints = [(one.key, one.value) for one in batch.records if one.topic.endswith(_CHECKPOINTS)]
    number = batch_number(checkpoints)
    assert number is not None
    return number - 1


def which_of(transactional_id: str) -> int:
    """Return which of the ids of its worker an id is, from 0."""
    return int(transactional_id.rpartition(_WORKER)[2].partition(":")[2] or 1) - 1


def record_into(folder: Path) -> None:
    """Have a worker that is built in this process from now on write its trace down."""
    read = SharedWriter.checkpoints
    writer = InterruptedWriter(0, [], orders=folder / ORDERS)

    def recorded_claims(
        topic: ClaimTopic, *, worker: str, number: Callable[[], str], shard_id: Callable[[int], str]
    ) -> RecordedClaims:
        writer.name, writer.lines = worker, TraceFile(folder / f"{worker}.{time.monotonic_ns()}.trace")
        claims = RecordedClaims(RecordedTopic(writer, topic), worker=worker, number=number, shard_id=shard_id)
        claims.writer, claims.of_worker = writer, lambda transactional_id: _WORKER in transactional_id
        return claims

    def recorded_producer(kafka: Any, questions: Any, transactional_id: str, topics: Any) -> RecordedProducer:
        producer = KafkaWorkerProducer(kafka, questions, transactional_id, topics)
        return RecordedProducer(writer, producer, which_of(transactional_id), known_to)

    async def recorded_checkpoints(self: SharedWriter) -> list[tuple[str, bytes]]:
        return await writer.asked("read", lambda: read(self), self._partition)

    SharedWriter.checkpoints = recorded_checkpoints  # type: ignore[method-assign]
    vars(writer_factory).update(ShardClaims=recorded_claims, KafkaWorkerProducer=recorded_producer)


if __name__ == "__main__":
    traces, step = Path(sys.argv.pop(1)), sys.argv.pop(1)
    if step != NO_STEP:
        leave_out(step)
    record_into(traces)
    sys.exit(cli.main())
