"""A bare aiokafka transactional producer of lines: `python -m tests.bench.peers.bare_lines PIPE SERVERS TOPIC MODE`.

Run as a child process. A transaction takes the lines that have arrived since the one before, at most 1,000. Modes:
`send` (one `send` per line) and `batch` (`create_batch` and `send_batch`, partitioned as `send` does).
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer

from bridge.adapters.kafka.partitioner import partition_of
from tests.bench.baseline import PER_TRANSACTION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Keyed = list[tuple[bytes, bytes]]

_READ_BYTES: Final = 1 << 20


class _ChatLine(msgspec.Struct, rename="camel"):
    session_id: str


async def lines_of_pipe(pipe: str) -> AsyncIterator[Keyed]:
    """Yield the lines that have arrived, with their keys."""
    # Open for writing, too: the pipe has no end when one feeder is done and the next not there yet.
    descriptor = os.open(pipe, os.O_RDWR)
    reader = asyncio.StreamReader(_READ_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    decoder = msgspec.json.Decoder(_ChatLine)
    begun = b""
    while chunk := await reader.read(_READ_BYTES):
        *lines, begun = (begun + chunk).split(b"\n")
        keyed = [(decoder.decode(line).session_id.encode(), line) for line in lines]
        for start in range(0, len(keyed), PER_TRANSACTION):
            yield keyed[start : start + PER_TRANSACTION]


async def send_each(producer: AIOKafkaProducer, topic: str, lines: Keyed) -> None:
    """One `send` per line, as an application would write it."""
    await asyncio.gather(*[await producer.send(topic, key=key, value=line) for key, line in lines])


async def send_batches(producer: AIOKafkaProducer, topic: str, lines: Keyed) -> None:
    """Batches of the producer's usual size, by partition."""
    partitions = len(await producer.partitions_for(topic))
    open_batches: dict[int, Any] = {}
    sent = []
    for key, line in lines:
        partition = partition_of(key, partitions)
        batch = open_batches.get(partition)
        if batch is None or batch.append(key=key, value=line, timestamp=None) is None:
            if batch is not None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = open_batches[partition] = producer.create_batch()
            batch.append(key=key, value=line, timestamp=None)
    sent += [await producer.send_batch(batch, topic, partition=partition) for partition, batch in open_batches.items()]
    await asyncio.gather(*sent)


async def main(pipe: str, servers: str, topic: str, mode: str) -> None:
    """Send until the process is ended."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, transactional_id=uuid.uuid4().hex)
    await producer.start()
    send = send_each if mode == "send" else send_batches
    async for lines in lines_of_pipe(pipe):
        async with producer.transaction():
            await send(producer, topic, lines)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:5]))
