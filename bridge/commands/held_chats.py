"""Holds and releases chats.

A hold copies the records of a chat to a topic without retention, and says so in the audit topic, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge import factories
from bridge.adapters.kafka.partitioner import partition_of, partitions_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.capture.ports import Outgoing
from bridge.commands.verb_calls import audit_of
from bridge.output_topics import names_by_output
from bridge.records.audit_chain import HELD, RELEASED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.commands.verb_calls import VerbCall
    from bridge.config import Config

FROM: Final = "heldFrom"
"""Header of a copy: topic-partition@offset of its record."""
_AT: Final = "heldAt"
"""Header of a copy: Kafka's time of its record, ms since 1970 UTC."""
_KINDS: Final = ("events", "sessions", "quarantine")


@dataclass(slots=True, frozen=True)
class HeldChat:
    """What became of one chat. `copied`: records that were not copied before; `there`: those that were.

    `erasing`: an erasure of it was requested earlier, so that sealed text may be gone already. `late`: no command has
    told that it is erased, so that its shard may do it still, whatever this hold says.
    """

    session_id: str
    outcome: str
    request: str
    copied: int = 0
    there: int = 0
    erasing: bool = False
    late: bool = False

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "sessionId": self.session_id,
            "outcome": self.outcome,
            "request": self.request,
            "copied": self.copied,
            "copiedBefore": self.there,
            "erasureRequested": self.erasing,
            "late": self.late,
        }


async def hold_chats(config: Config, call: VerbCall, session_ids: Sequence[str]) -> list[HeldChat]:
    """Hold chats, one transaction for each. What comes of a chat later is copied when it is held again.

    Raises KafkaUnavailable.
    """
    found = []
    held, manager = factories.names_of(config).held, factories.topics_of(config)
    names = [held, *(getattr(output, kind) for output in names_by_output(config).values() for kind in _KINDS)]
    counts = {name: await manager.partitions(name) for name in names}  # writing could create that of held chats
    async with reader(factories.client_of(config)) as topics:
        for one in session_ids:
            key = one.encode()
            places = {name: partitions_of([key], factories.numbers_of(config, count)) for name, count in counts.items()}
            home = partition_of(key, counts[held])
            copies = [record async for record in _of_chat(topics, held, places[held], key)]
            there = {dict(record.headers).get(FROM) for record in copies}
            records = [record for name in names[1:] async for record in _of_chat(topics, name, places[name], key)]
            new = [record for record in records if _name(record) not in there]
            async with await audit_of(config) as audit:
                erasing, late = one in audit.chain.erasing(), one in audit.chain.not_erased()
                detail = f"{len(new)} records copied to {held}"
                await audit.append([call.entry(HELD, [one], detail)], [_copy(held, home, each) for each in new])
            found.append(HeldChat(one, HELD, call.request, len(new), len(records) - len(new), erasing, late))
    return found


async def release_chats(config: Config, call: VerbCall, session_ids: Sequence[str]) -> list[HeldChat]:
    """Release chats; the copies stay. One that is not held is released again, which changes nothing.

    Raises KafkaUnavailable.
    """
    async with await audit_of(config) as audit:
        await audit.append([call.entry(RELEASED, session_ids)])
    return [HeldChat(one, RELEASED, call.request) for one in session_ids]


async def _of_chat(
    topics: TopicReader, topic: str, partitions: Collection[int], key: bytes
) -> AsyncIterator[ConsumerRecord]:
    async for records in topics.whole(topic, partitions):
        for record in records:
            if record.key == key:
                yield record


def source_of(copy: ConsumerRecord) -> str:
    """Return the topic of the record that this is a copy of, empty when it does not say."""
    name: bytes = dict(copy.headers).get(FROM, b"")
    return name.decode("utf-8", "replace").rpartition("@")[0].rpartition("-")[0]


def _name(record: ConsumerRecord) -> bytes:
    return f"{record.topic}-{record.partition}@{record.offset}".encode()


def _copy(topic: str, partition: int, record: ConsumerRecord) -> Outgoing:
    """Return a record as it is, with two headers more."""
    more = [(FROM, _name(record)), (_AT, b"%d" % record.timestamp)]
    return Outgoing(topic, partition, record.key, record.value, [*record.headers, *more])
