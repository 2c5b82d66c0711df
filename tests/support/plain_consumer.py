"""What a plain consumer says of a run: aiokafka, read_committed, all partitions, and each value read as Avro.

Nothing of the bridge takes part but the schemas in `schemas/`: no verifier, no topic names, no reader of ledgers.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer

from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_VALUES: Final = WrittenValues()
_EVENTS: Final = "chat.transcript.events.v1"
_SESSIONS: Final = "chat.transcript.sessions.v1"
_READ_SECONDS: Final = 60


@dataclass(slots=True)
class PlainVerdict:
    """What was found. `lacking` are chats that lack events, as their certificates say; `places` are partitions by chat.

    `problems`: an event that is there twice, out of order, or not at all though its chat's certificate does not say so;
    one that is in no ledger; a chat with records on two partitions of a topic, or on different ones of the two topics.
    """

    events: int = 0
    lacking: set[str] = field(default_factory=set)
    places: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    problems: list[str] = field(default_factory=list)


def read_plainly(bootstrap_servers: str, prefix: str, *ledgers: Path) -> PlainVerdict:
    """Read the records of events and sessions, and compare them with the ledgers of all chats that there were."""

    def read(topic: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for partition, value in asyncio.run(_read(bootstrap_servers, prefix + topic)):
            yield partition, _VALUES.read(name, value)

    return judge_plainly(read(_EVENTS, "TranscriptEvent"), read(_SESSIONS, "SessionRecord"), _of_ledgers(ledgers))


def judge_plainly(
    events: Iterable[tuple[int, Mapping[str, Any]]],
    sessions: Iterable[tuple[int, Mapping[str, Any]]],
    expected: Mapping[str, set[int]],
) -> PlainVerdict:
    """Judge records, each with its partition, in order within it; `expected` are the ids of the events of each chat."""
    found = PlainVerdict()
    published: dict[str, list[int]] = defaultdict(list)
    incomplete: set[str] = set()
    for partition, event in events:
        found.places[event["sessionId"]].add(partition)
        if event["eventId"] is not None:
            published[event["sessionId"]].append(event["eventId"])
    for partition, session in sessions:
        found.places[session["sessionId"]].add(partition)
        if (session["certificate"] or {}).get("verdict") == "INCOMPLETE":
            incomplete.add(session["sessionId"])
    for chat, ids in published.items():
        found.events += len(ids)
        found.problems += [f"{chat}:{one} is there {count} times" for one, count in Counter(ids).items() if count > 1]
        found.problems += [f"{chat}:{one} is in no ledger" for one in set(ids) - expected.get(chat, set())]
        if ids != sorted(ids):
            found.problems.append(f"{chat} is out of order")
    for chat, wanted in expected.items():
        missing = wanted - set(published.get(chat, ()))
        if missing and chat in incomplete:
            found.lacking.add(chat)
        else:
            found.problems += [f"{chat}:{one} is missing" for one in sorted(missing)]
    found.problems += [f"{chat} is on {sorted(places)}" for chat, places in found.places.items() if len(places) > 1]
    return found


def _of_ledgers(ledgers: tuple[Path, ...]) -> dict[str, set[int]]:
    """Return the ids of the events of each chat, but for messages between two of its parties."""
    found: dict[str, set[int]] = defaultdict(set)
    for path in ledgers:
        for line in path.read_bytes().split(b"\n")[:-1]:
            told: dict[str, Any] = json.loads(line)
            if told["kind"] == "event" and "receiverId" not in told["event"]:
                found[told["sessionId"]].add(told["event"]["eventId"])
    return found


async def _read(bootstrap_servers: str, topic: str) -> list[tuple[int, bytes]]:
    """Return (partition, value) of all committed records, in order within a partition."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    found: list[tuple[int, bytes]] = []
    await consumer.start()
    try:
        places = consumer.assignment()  # all partitions: without a group nobody shares them
        ends = await consumer.end_offsets(places)
        async with asyncio.timeout(_READ_SECONDS):
            while [one for one in places if await consumer.position(one) < ends[one]]:
                for place, records in (await consumer.getmany(timeout_ms=200)).items():
                    found += [(place.partition, record.value) for record in records]
    finally:
        await consumer.stop()
    return found
