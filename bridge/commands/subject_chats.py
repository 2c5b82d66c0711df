"""The chats of a person: those whose session records have a keyed hash of what identifies him or her."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands.formatting import warn
from bridge.commands.stored_values import StoredValues
from bridge.errors import SchemaUnknown, VerificationFailed
from bridge.output_topics import names_by_output
from bridge.records.avro import SESSION_RECORD
from bridge.transcript.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.config import Config


@dataclass(slots=True)
class SubjectChat:
    """A chat of a person. `state` is that of its last session record that was read, at `at` us since 1970 UTC."""

    session_id: str
    state: str
    at: int
    outputs: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "sessionId": self.session_id,
            "state": self.state,
            "at": rfc3339(self.at),
            "outputs": self.outputs,
        }


async def chats_of(config: Config, hashes: Collection[str]) -> tuple[list[SubjectChat], int]:
    """Return the chats that have one of these hashes, and how many session records could not be read.

    The session records of all outputs are read, as far as retention has left them; then those of the chats that were
    found again, since not each record of a chat, nor each output, need have the hash. Raises KafkaUnavailable.
    """
    unread, wanted = list[str](), frozenset(hashes)
    names = {output: one.sessions for output, one in names_by_output(config).items()}
    manager = factories.topics_of(config)
    counts = {topic: await manager.partitions(topic) for topic in names.values()}
    async with StoredValues(config.schema_registry) as values, reader(factories.client_of(config)) as topics:
        ids = set[str]()
        for topic in names.values():
            async for told in _told(topics, values, topic, range(counts[topic]), unread):
                if not wanted.isdisjoint(told["subjects"]):
                    ids.add(told["sessionId"])
        for line in unread:
            warn(line)
        found: dict[str, SubjectChat] = {}
        for output, topic in names.items() if ids else ():
            places = partitions_of((one.encode() for one in ids), factories.numbers_of(config, counts[topic]))
            async for told in _told(topics, values, topic, places, []):
                if told["sessionId"] in ids:
                    _take(found, told, output)
    return sorted(found.values(), key=lambda one: (one.at, one.session_id)), len(unread)


async def _told(
    topics: TopicReader, values: StoredValues, topic: str, partitions: Collection[int], unread: list[str]
) -> AsyncIterator[dict[str, Any]]:
    """Yield session records, decoded; add a line to `unread` for each that cannot be read."""
    async for records in topics.whole(topic, partitions):
        for record in records:
            try:
                yield await values.decode(SESSION_RECORD, record.value or b"")
            except (VerificationFailed, SchemaUnknown) as error:
                unread.append(f"{record.topic}-{record.partition}@{record.offset}: {error}")


def _take(found: dict[str, SubjectChat], told: dict[str, Any], output: str) -> None:
    chat = found.setdefault(told["sessionId"], SubjectChat(told["sessionId"], told["state"], told["at"]))
    if told["at"] >= chat.at:
        chat.state, chat.at = told["state"], told["at"]
    if output not in chat.outputs:
        chat.outputs.append(output)
