"""A bare aiokafka transactional producer that sends given records and prints its CPU time per record.

Run as a child process, so that nothing else is measured: `python -m tests.bench.baseline FILE SERVERS TOPIC MODE`.
Modes: `send` (one `send` per record, aiokafka's default batches) and `batch` (`create_batch`/`send_batch`).
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer

Captured = tuple[int, bytes, bytes, list[tuple[str, bytes]]]
"""Partition, key, value, headers of one record."""

PER_TRANSACTION = 1_000
BATCH_BYTES = 900_000


async def send_all(producer: AIOKafkaProducer, topic: str, records: list[Captured]) -> None:
    """One `send` per record, as an application would write it."""
    for start in range(0, len(records), PER_TRANSACTION):
        async with producer.transaction():
            sent = [
                await producer.send(topic, key=key, value=value, partition=partition, headers=headers)
                for partition, key, value, headers in records[start : start + PER_TRANSACTION]
            ]
            await asyncio.gather(*sent)


async def batch_all(producer: AIOKafkaProducer, topic: str, records: list[Captured]) -> None:
    """One batch per partition and transaction."""
    for start in range(0, len(records), PER_TRANSACTION):
        batches: defaultdict[int, Any] = defaultdict(producer.create_batch)
        async with producer.transaction():
            for partition, key, value, headers in records[start : start + PER_TRANSACTION]:
                batches[partition].append(key=key, value=value, timestamp=None, headers=headers)
            sent = [
                await producer.send_batch(batch, topic, partition=partition) for partition, batch in batches.items()
            ]
            await asyncio.gather(*sent)


async def main(records: list[Captured], servers: str, topic: str, mode: str) -> float:
    """Send everything; return microseconds of CPU per record."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        transactional_id=uuid.uuid4().hex,
        acks="all",
        compression_type="zstd",
        **({} if mode == "send" else {"max_batch_size": BATCH_BYTES}),
    )
    await producer.start()
    send = send_all if mode == "send" else batch_all
    await send(producer, topic, records[:PER_TRANSACTION])  # metadata, code paths
    started = time.process_time()
    await send(producer, topic, records)
    used = time.process_time() - started
    await producer.stop()
    return used / len(records) * 1e6


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        given = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=list[Captured])
        print(runner.run(main(given, *sys.argv[2:5])))
