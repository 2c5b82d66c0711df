"""Sends stamped lines at a rate into a file, a named pipe or a topic: `python -m tests.bench.peers.line_feeder`.

A process of its own, so that its CPU is neither the peer's nor the consumer's.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final, Protocol

from confluent_kafka import Producer

from tests.bench.peers.event_lines import stamped

_AT_ONCE: Final = 500
"""Most lines that are stamped before they are passed on."""
_REST_SECONDS: Final = 0.001


class LineSink(Protocol):
    """Where lines go."""

    def put(self, line: bytes) -> None:
        """Take a line."""

    def flush(self) -> None:
        """Pass on what was taken."""


class _FileSink:
    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def put(self, line: bytes) -> None:
        self._file.write(line)

    def flush(self) -> None:
        self._file.flush()


class _TopicSink:
    """One partition, no key: a topic as a file has it."""

    def __init__(self, servers: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": servers, "linger.ms": 1})
        self._topic = topic

    def put(self, line: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, line.rstrip(b"\n"), partition=0)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def flush(self) -> None:
        self._producer.poll(0)  # its own thread sends


def feed(lines: list[bytes], sink: LineSink, *, first: int, count: int, rate: float) -> None:
    """Put `count` lines, numbered from `first`, at `rate` lines per second; 0: as fast as they are taken."""
    begun = time.monotonic()
    sent = 0
    while sent < count:
        due = int((time.monotonic() - begun) * rate) + 1 if rate else count
        until = min(due, count, sent + _AT_ONCE)
        if until <= sent:
            time.sleep(_REST_SECONDS)
            continue
        for number in range(first + sent, first + until):
            sink.put(stamped(lines[number % len(lines)], time.time(), number))
        sink.flush()
        sent = until


def main() -> None:
    """Feed what each line of standard input says: first number, count and rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="lines without stamps")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--topic", nargs=2, metavar=("SERVERS", "TOPIC"))
    args = parser.parse_args()
    lines = args.corpus.read_bytes().splitlines()
    sink: LineSink = _FileSink(args.file) if args.file else _TopicSink(*args.topic)
    for words in sys.stdin:
        first, count, rate = words.split()
        feed(lines, sink, first=int(first), count=int(count), rate=float(rate))


if __name__ == "__main__":
    main()
