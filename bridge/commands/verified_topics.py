"""Verifies what is on the events and sessions topics. Read on both is enough; more rights make more of it sure."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands.log_checks import LogChecks
from bridge.commands.progress import Progress
from bridge.commands.stored_values import StoredValues
from bridge.commands.verification import Verification
from bridge.errors import EnvironmentFault, KafkaUnavailable, SchemaUnknown, VerificationFailed
from bridge.evidence.anchors import KIND
from bridge.output_topics import output_settings_of
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.findings import PARTITION, READABLE, Finding
from bridge.records.payload_framing import unframe
from bridge.records.record_places import PartitionStart, Surroundings
from bridge.records.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames
    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.commands.verification import Selection
    from bridge.config import Config
    from bridge.evidence.log_stamps import StampCheck
    from bridge.evidence.signed_note import PublicKey

_MICROSECONDS: Final = 1_000_000
_RETENTION_UNKNOWN: Final = (
    "what retention may have deleted: how long Kafka keeps {topic} is not known (it needs DescribeConfigs, or "
    "kafka.retention_seconds in the settings); where older records are gone, too, a missing beginning is a remark"
)


_LIMITS: Final = (
    "chats of which no record is left, and the order of chats among each other",
    "whether the bridge wrote these records: somebody who may write to the topics can make others that fit (--keys)",
)
_SIGNED_LIMITS: Final = (
    "chats that were opened and of which nothing was anchored or certified, and the order of chats among each other",
    "what came to open chats after the last anchor, and whether whole anchors were taken away from between others",
)


async def verify_topics(
    config: Config, selection: Selection, keys: Sequence[PublicKey] = (), check_stamp: StampCheck | None = None
) -> Verification:
    """Read both topics to the ends that they have now; with keys, the topics of the log, too, as far as they may be."""
    names, manager = factories.names_of(config), factories.topics_of(config)
    count, session_count = await manager.partitions(names.events), await manager.partitions(names.sessions)
    numbers = factories.numbers_of(config, count)
    kept_since, limits = await _kept_since(config)
    logs = None
    if keys:
        name = factories.key_name_of(config, names)
        logs = LogChecks(name, keys, output_settings_of(config)[0].name, check_stamp)
    limits += _LIMITS if logs is None else _SIGNED_LIMITS
    readable = {} if logs is None else {name: there async for name, there in _readable(manager, names, limits)}
    async with StoredValues(config.schema_registry) as stored:
        verifier = Verifier(
            stored.schemas,
            events=names.events,
            sessions=names.sessions,
            places_of=lambda key: partitions_of([key], numbers),
            check_session=logs,
        )
        done = Verification(verifier, f"{names.events} and {names.sessions}", limits=limits)
        if count != session_count:
            what = f"{names.events} has {count} partitions, {names.sessions} has {session_count}: records are lost"
            done.found.append(Finding("", PARTITION, what))
        async with reader(factories.client_of(config)) as topics:
            reading = _TopicReading(topics, stored, done, selection, config)
            await reading.read(count, session_count, kept_since, logs, readable)
    return done


async def _readable(manager: TopicManager, names: TopicNames, limits: list[str]) -> AsyncIterator[tuple[str, bool]]:
    """Yield which topics of the log may be read, and whether each is there; `limits` says what follows for others."""
    for name, what in ((names.anchors, "the ends of open chats"), (names.leaves, "whether certificates are missing")):
        try:
            await manager.partitions(name)
            yield name, True
        except KafkaUnavailable as error:
            limits.append(f"{what}: {error.message}")
        except EnvironmentFault as error:  # it is not there: what has to be on it is missing
            limits.append(f"{what}: {error.message}")
            yield name, False


async def _kept_since(config: Config) -> tuple[int | None, list[str]]:
    """Return since when the topics keep everything, and what to say if that is not known."""
    events = factories.names_of(config).events
    seconds = await factories.topics_of(config).kept_seconds(events)
    if seconds is None and ("kafka", "retention_seconds") in config.origins:
        seconds = config.kafka.retention_seconds
    if seconds is None:
        return None, [_RETENTION_UNKNOWN.format(topic=events)]
    return (0 if seconds == math.inf else int((time.time() - seconds) * _MICROSECONDS)), []


class _TopicReading:
    """Feeds a verifier with the values of both topics. `_first` holds the first record of each topic and partition."""

    def __init__(
        self, topics: TopicReader, stored: StoredValues, done: Verification, selection: Selection, config: Config
    ) -> None:
        self._topics = topics
        self._config = config
        self._names = factories.names_of(config)
        self._stored = stored
        self._done = done
        self._verifier = done.verifier
        self._selection = selection
        self._first: dict[tuple[str, int], ConsumerRecord] = {}

    async def read(
        self, count: int, session_count: int, kept_since: int | None, logs: LogChecks | None, readable: dict[str, bool]
    ) -> None:
        """Read sessions, then events, with so many partitions each. `readable`: topics of the log, and if there."""
        events, sessions = self._names.events, self._names.sessions
        partitions = {events: self._partitions(count), sessions: self._partitions(session_count)}
        settled = await self._topics.ends(events, partitions[events])
        if logs is not None and readable.get(self._names.anchors):
            async for record in self._each(self._names.anchors, partitions[events]):
                logs.feed_anchor(record.partition, record.value, record.offset, dict(record.headers).get(KIND))
            self._done.limits += filter(None, [logs.of_stamps()])
        if logs is not None and readable.get(self._names.leaves):
            logs.settle(await self._topics.ends(self._names.leaves, partitions[events]))
        await self._whole(sessions, SESSION_RECORD, partitions[sessions])
        if logs is not None:
            await self._compare(logs, partitions, readable)
        if self._selection.windowed:
            self._done.left_out = self._verifier.leave_out(self._selection.wants)
        await self._whole(events, TRANSCRIPT_EVENT, partitions[events])
        # Asked after reading: what retention deleted meanwhile is not called missing.
        left = {name: await self._topics.beginnings(name, each) for name, each in partitions.items()}
        for partition in partitions[events]:
            offset = left[events][partition]
            first = self._first.get((events, partition))
            start = PartitionStart(
                offset=offset,
                settled=settled[partition],
                at=first.timestamp * 1000 if first is not None and first.offset >= offset else None,
                sessions_whole=left[sessions].get(partition) == 0,
                kept_since=kept_since,
            )
            self._verifier.start_partition(partition, start)
        empty = [each for each in partitions[events] if not {(events, each), (sessions, each)} & self._first.keys()]
        if empty and self._first:
            self._done.limits.append(f"the partitions {empty}, in which there is no record of any chat")

    async def _compare(self, logs: LogChecks, partitions: dict[str, list[int]], readable: dict[str, bool]) -> None:
        """Compare the session records that were read with the log."""
        if readable.get(self._names.leaves):
            async for record in self._each(self._names.leaves, partitions[self._names.events]):
                logs.feed_leaf(record.partition, record.key, record.value, record.offset, record.headers)
        ends = {
            (topic, partition): end
            for topic, each in partitions.items()
            for partition, end in (await self._topics.ends(topic, each)).items()
        }
        found = self._done.found
        anchors, leaves = self._names.anchors in readable, self._names.leaves in readable
        if leaves:
            begins = await self._topics.beginnings(self._names.sessions, partitions[self._names.sessions])
            whole = {partition: begin == 0 for partition, begin in begins.items()}
            found += logs.of_certificates(whole, one_chat=self._selection.chat is not None)
        found += logs.of_logs(ends, anchors=anchors, leaves=leaves)
        if anchors and leaves:
            self._done.limits += filter(None, [logs.of_uncovered()])
        logs.expectations(self._verifier.expect, self._selection.chat)

    async def _each(self, topic: str, partitions: list[int]) -> AsyncIterator[ConsumerRecord]:
        async for records in self._topics.whole(topic, partitions):
            for record in records:
                yield record

    def _partitions(self, count: int) -> list[int]:
        chat = self._selection.chat
        return partitions_of([chat.encode()], factories.numbers_of(self._config, count)) if chat else list(range(count))

    async def _whole(self, topic: str, name: str, partitions: list[int]) -> None:
        begins = await self._topics.beginnings(topic, partitions)
        ends = await self._topics.ends(topic, partitions)
        progress = Progress(f"reading {topic}", sum(ends[each] - begins[each] for each in partitions))
        async for records in self._topics.whole(topic, partitions):
            for record in records:
                self._first.setdefault((topic, record.partition), record)
                if self._selected(record):
                    await self._one(record, name)
            read = records[-1]
            progress.reached(read.partition, read.offset + 1 - begins[read.partition])
        progress.end()

    def _selected(self, record: ConsumerRecord) -> bool:
        selection, key = self._selection, record.key
        if selection.chat is not None and key != selection.chat.encode():
            return False
        if not selection.windowed or record.topic != self._names.events or key is None:
            return True
        known = self._verifier.knows(key.decode("utf-8", "replace"))
        return selection.covers(record.timestamp * 1000) if known is None else known

    async def _one(self, record: ConsumerRecord, name: str) -> None:
        verifier, partition, offset = self._verifier, record.partition, record.offset
        try:
            writer, payload = unframe(record.value or b"")
            written = await self._stored.written(name, writer)
            feed = verifier.feed_event if name == TRANSCRIPT_EVENT else verifier.feed_session
            feed(payload, partition, offset, written, Surroundings(record.key, record.headers, record.timestamp))
        except VerificationFailed as error:
            what = f"record at {record.topic}-{partition}@{offset}: {error}"
            self._done.found.append(Finding("", READABLE, what))
        except SchemaUnknown as error:
            session_id, place = (record.key or b"").decode("utf-8", "replace"), f"{record.topic}-{partition}@{offset}"
            verifier.leave_unread(session_id, place, error, event=name == TRANSCRIPT_EVENT, partition=partition)
