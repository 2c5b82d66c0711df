"""Which records of chats still hold text in clear, in the topics of every output."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge import factories
from bridge.adapters.kafka.partitioner import partition_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands.stored_values import StoredValues
from bridge.errors import SchemaUnknown, VerificationFailed
from bridge.output_topics import names_by_output
from bridge.records.avro import QUARANTINED_INPUT, TRANSCRIPT_EVENT
from bridge.records.held_text import InputsInClear, event_in_clear

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from bridge.config import Config

_KINDS: Final[Mapping[str, tuple[str, Callable[[], Callable[[Mapping[str, Any]], bool]]]]] = {
    "events": (TRANSCRIPT_EVENT, lambda: event_in_clear),
    "quarantine": (QUARANTINED_INPUT, InputsInClear),
}
"""Kind of topic -> the type of its values, and what makes what judges its records in their order."""


@dataclass(slots=True, frozen=True)
class RemainingTexts:
    """Records of one chat in one topic of an output that hold text in clear. `kind` is events or quarantine."""

    output: str
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


async def remaining_texts(config: Config, session_ids: Collection[str]) -> dict[str, list[RemainingTexts]]:
    """Return what is left of each chat. A record that cannot be read counts: what it holds is not known.

    Raises KafkaUnavailable.
    """
    found: dict[str, list[RemainingTexts]] = {one: [] for one in session_ids}
    manager, keys = factories.topics_of(config), {one.encode(): one for one in session_ids}
    async with StoredValues(config.schema_registry) as values, reader(factories.client_of(config)) as topics:
        for output, names in names_by_output(config).items():
            for kind, (name, judge) in _KINDS.items():
                topic = getattr(names, kind)
                count = await manager.partitions(topic)
                counted: Counter[str] = Counter()
                in_clear = judge()
                async for records in topics.whole(topic, sorted({partition_of(key, count) for key in keys})):
                    for record in records:
                        if record.key not in keys:
                            continue
                        try:
                            counts = in_clear(await values.decode(name, record.value or b""))
                        except (VerificationFailed, SchemaUnknown):
                            counts = True
                        counted[keys[record.key]] += counts
                for one, number in counted.items():
                    if number:
                        place = partition_of(one.encode(), count)
                        found[one].append(RemainingTexts(output, kind, topic, place, number))
    return found
