"""Which records of chats still hold text in clear: in the topics of every output, and in those of the installation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.adapters.kafka.topic_reader import reader
from bridge.announcement import parse
from bridge.capture.erasure_requests import requested
from bridge.commands.held_chats import source_of
from bridge.commands.stored_values import StoredValues
from bridge.errors import SchemaUnknown, UnreadableAnnouncement, VerificationFailed
from bridge.output_topics import names_by_output
from bridge.records.avro import QUARANTINED_INPUT, TRANSCRIPT_EVENT
from bridge.records.held_text import InputsInClear, event_in_clear

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from aiokafka.structs import ConsumerRecord

    from bridge.config import Config

_KINDS: Final[Mapping[str, tuple[str, Callable[[], Callable[[Mapping[str, Any]], bool]]]]] = {
    "events": (TRANSCRIPT_EVENT, lambda: event_in_clear),
    "quarantine": (QUARANTINED_INPUT, InputsInClear),
}
"""Kind of topic -> the type of its values, and what makes what judges its records in their order."""


@dataclass(slots=True, frozen=True)
class RemainingTexts:
    """Records of one chat on a partition that hold text in clear.

    `kind` is events or quarantine of an output; or held, stored or announcements, which belong to none.
    """

    output: str | None
    kind: str
    topic: str
    partition: int
    records: int

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "output": self.output,
            "kind": self.kind,
            "topic": self.topic,
            "partition": self.partition,
            "records": self.records,
        }


@dataclass(slots=True, frozen=True)
class _Searched:
    """A topic. `chat_of` returns whose text a record holds, None for no text or that of nobody who is looked for.

    `anywhere`: records may lie on another partition than that of their chat, because others than the bridge write them.
    """

    output: str | None
    kind: str
    topic: str
    chat_of: Callable[[ConsumerRecord], Awaitable[str | None]]
    anywhere: bool = False


async def remaining_texts(config: Config, session_ids: Collection[str]) -> dict[str, list[RemainingTexts]]:
    """Return what is left of each chat. A record that cannot be read counts: what it holds is not known.

    Raises KafkaUnavailable.
    """
    found: dict[str, list[RemainingTexts]] = {one: [] for one in session_ids}
    manager = factories.topics_of(config)
    async with StoredValues(config.schema_registry) as values, reader(factories.client_of(config)) as topics:
        for one in _searched(config, values, session_ids):
            count = await manager.known_partitions(one.topic)
            if count is None:
                continue
            of_chats = partitions_of((each.encode() for each in session_ids), factories.numbers_of(config, count))
            counted: Counter[tuple[str, int]] = Counter()
            async for records in topics.whole(one.topic, range(count) if one.anywhere else of_chats):
                for record in records:
                    chat = await one.chat_of(record)
                    if chat is not None:
                        counted[chat, record.partition] += 1
            for (chat, place), number in sorted(counted.items()):
                found[chat].append(RemainingTexts(one.output, one.kind, one.topic, place, number))
    return found


def _searched(config: Config, values: StoredValues, session_ids: Collection[str]) -> list[_Searched]:
    """Return every topic that may hold text of chats, but for the checkpoints, which are gone."""
    names, chats = factories.names_of(config), frozenset(session_ids)
    of_outputs = [
        _Searched(output, kind, getattr(each, kind), _Values(values, kind, chats))
        for output, each in names_by_output(config).items()
        for kind in _KINDS
    ]
    return [
        *of_outputs,
        _Searched(None, "held", names.held, _Copies(values, chats)),
        _Searched(None, "stored", names.stored, partial(_of_stored, chats)),
        _Searched(None, "announcements", names.announcements, partial(_of_announcement, chats), anywhere=True),
    ]


class _Values:
    """Judges the records of an output."""

    def __init__(self, values: StoredValues, kind: str, chats: Collection[str]) -> None:
        self._values = values
        self._chats = chats
        self._name, judge = _KINDS[kind]
        self._in_clear = judge()

    async def __call__(self, record: ConsumerRecord) -> str | None:
        chat = _key_of(record, self._chats)
        if chat is None:
            return None
        try:
            in_clear = self._in_clear(await self._values.decode(self._name, record.value or b""))
        except (VerificationFailed, SchemaUnknown):
            in_clear = True
        return chat if in_clear else None


class _Copies:
    """Judges copies of held chats, as the records that they are copies of: also of an output that is no more."""

    def __init__(self, values: StoredValues, chats: Collection[str]) -> None:
        self._values = values
        self._chats = chats
        self._judges: dict[str, _Values] = {}

    async def __call__(self, record: ConsumerRecord) -> str | None:
        source = source_of(record)
        if source.endswith(TopicNames().sessions):
            return None
        kind = next((one for one in _KINDS if source.endswith(getattr(TopicNames(), one))), None)
        if kind is None:
            return _key_of(record, self._chats)
        judge = self._judges.get(source)
        if judge is None:
            judge = self._judges[source] = _Values(self._values, kind, self._chats)
        return await judge(record)


async def _of_stored(chats: Collection[str], record: ConsumerRecord) -> str | None:
    """Judge a part of a stored transcript, which is as it was read; a request to erase has no text."""
    if not record.value or requested(record.key, record.headers) is not None:
        return None
    return _key_of(record, chats)


async def _of_announcement(chats: Collection[str], record: ConsumerRecord) -> str | None:
    """Judge an announcement: it names its chat itself, and its user data are text."""
    try:
        told = parse(record.value or b"")
    except UnreadableAnnouncement:
        return _key_of(record, chats) if record.value else None
    return told.session_id if told.user_data and told.session_id in chats else None


def _key_of(record: ConsumerRecord, chats: Collection[str]) -> str | None:
    chat = (record.key or b"").decode("utf-8", "replace")
    return chat if chat in chats else None
