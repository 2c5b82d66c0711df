"""The chats of a person: those whose session records have a keyed hash of what identifies him or her."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge import factories
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands.formatting import warn
from bridge.commands.stored_values import StoredValues
from bridge.errors import SchemaUnknown, VerificationFailed
from bridge.output_topics import names_by_output
from bridge.records.avro import SESSION_RECORD
from bridge.transcript.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Collection

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

    The session records of all outputs are read, as far as retention has left them. Raises KafkaUnavailable.
    """
    found: dict[str, SubjectChat] = {}
    unread, wanted = 0, frozenset(hashes)
    manager = factories.topics_of(config)
    async with StoredValues(config.schema_registry) as values, reader(factories.client_of(config)) as topics:
        for output, names in names_by_output(config).items():
            count = await manager.partitions(names.sessions)
            async for records in topics.whole(names.sessions, range(count)):
                for record in records:
                    try:
                        told = await values.decode(SESSION_RECORD, record.value or b"")
                    except (VerificationFailed, SchemaUnknown) as error:
                        unread += 1
                        warn(f"{record.topic}-{record.partition}@{record.offset}: {error}")
                        continue
                    if told["sessionId"] in found or not wanted.isdisjoint(told["subjects"]):
                        _take(found, told, output)
    return sorted(found.values(), key=lambda one: (one.at, one.session_id)), unread


def _take(found: dict[str, SubjectChat], told: dict[str, Any], output: str) -> None:
    chat = found.setdefault(told["sessionId"], SubjectChat(told["sessionId"], told["state"], told["at"]))
    if told["at"] >= chat.at:
        chat.state, chat.at = told["state"], told["at"]
    if output not in chat.outputs:
        chat.outputs.append(output)
