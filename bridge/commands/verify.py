"""`chatbridge verify`: checks the records on the events and sessions topics, chat by chat."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.partitioner import partition_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands import settings
from bridge.commands.formatting import escaped, say
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.progress import Progress
from bridge.commands.stored_values import StoredValues
from bridge.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME, SchemaUnknown, VerificationFailed
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.findings import PRESENCE, READABLE, SCHEMA, Finding
from bridge.records.payload_framing import unframe
from bridge.records.record_places import PartitionStart, Surroundings
from bridge.records.verifier import Verifier

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.config import Config
    from bridge.records.avro import WriterSchema

    Feed = Callable[[bytes, int, int, WriterSchema, Surroundings], None]


_LABELS: Final[dict[str | bool, str]] = {True: "BROKEN ", False: "remark ", SCHEMA: "unread "}


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("--chat", metavar="ID", help="only this chat")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    settings.define(
        parser,
        """\
  chatbridge verify --config bridge.yaml
  chatbridge verify --chat 0000SIMA00000001 --json

Reads the events and sessions topics to their ends and checks every chat: hash chain, sequence numbers without holes,
each id once, ids in order, certificates, key and headers of each record. Records are read with the schema that wrote
them, which schema_registry.url or this version has to know. Exit code 0 when all that was read is sound, with how much
that was; 1 when a promise is broken, or there is nothing to verify; 3 when none is but a record cannot be read because
its schema is not known. A chat whose beginning retention may have deleted is only a remark; where nothing can have
been deleted, the missing beginning is a broken promise. The end of a chat that is still open has no proof yet.""",
    )


def run(args: argparse.Namespace) -> int:
    """Check, and print the findings."""
    config = settings.config_of(args)
    verifier, unframed = run_until_interrupted(factories.explained(config, "verify", verify(config, args.chat)))
    findings = [*unframed, *verifier.findings(), *_absent(verifier, args.chat, config)]
    broken = [finding for finding in findings if finding.broken]
    if args.json:
        say(
            json.dumps(
                {
                    "chats": verifier.chats,
                    "records": verifier.records,
                    "sessionRecords": verifier.session_records,
                    "broken": len(broken),
                    "unread": verifier.unread,
                    "findings": [
                        {
                            "sessionId": each.session_id,
                            "promise": each.promise,
                            "message": each.message,
                            "broken": each.broken,
                        }
                        for each in findings
                    ],
                }
            )
        )
    else:
        for finding in findings:
            say(f"{_LABELS.get(finding.promise) or _LABELS[finding.broken]} {finding.promise}: {escaped(str(finding))}")
        verdicts = [f"{len(broken)} broken promises"] if broken else []
        if verifier.unread:
            verdicts.append(f"{verifier.unread} records cannot be read, their chats are not verified")
        read = f"{verifier.chats} chats, {verifier.records} records, {verifier.session_records} session records"
        say(f"{read}: {'; '.join(verdicts) or 'ok'}")
    if broken:
        return EXIT_RUNTIME
    return EXIT_ENVIRONMENT if verifier.unread else EXIT_OK


def _absent(verifier: Verifier, chat: str | None, config: Config) -> list[Finding]:
    """Return a finding when nothing was verified: that is no proof of anything."""
    if verifier.chats:
        return []
    names = factories.names_of(config)
    if chat is not None:
        return [Finding(chat, PRESENCE, f"no record on {names.events} and {names.sessions}")]
    what = f"nothing to verify: {names.events} and {names.sessions} hold no readable record of a chat"
    return [Finding("", PRESENCE, f"{what}; check kafka.topic_prefix")]


async def verify(config: Config, chat: str | None = None) -> tuple[Verifier, list[Finding]]:
    """Read both topics into a verifier; return it, and findings about values without a known framing."""
    names = factories.names_of(config)
    count = await factories.topics_of(config).partitions(names.events)
    partitions = [partition_of(chat.encode(), count)] if chat else list(range(count))
    async with StoredValues(config.schema_registry) as stored:
        verifier = Verifier(stored.schemas, events=names.events, sessions=names.sessions)
        unframed: list[Finding] = []
        async with reader(factories.client_of(config)) as topics:
            settled = await topics.ends(names.events, partitions)
            feeding = _Feeding(topics, stored, verifier, chat)
            unframed += await feeding.whole(names.sessions, SESSION_RECORD, partitions, verifier.feed_session)
            unframed += await feeding.whole(names.events, TRANSCRIPT_EVENT, partitions, verifier.feed_event)
            # Asked after reading: what retention deleted meanwhile is not called missing.
            left = {name: await topics.beginnings(name, partitions) for name in (names.events, names.sessions)}
        for partition in partitions:
            offset = left[names.events][partition]
            first = feeding.first.get((names.events, partition))
            start = PartitionStart(
                offset=offset,
                settled=settled[partition],
                at=first.timestamp * 1000 if first is not None and first.offset >= offset else None,
                sessions_whole=left[names.sessions][partition] == 0,
            )
            verifier.start_partition(partition, start)
    return verifier, unframed


class _Feeding:
    """Feeds a verifier with the values of topics, of all chats or of one.

    `first` holds the first record of each topic and partition.
    """

    def __init__(self, topics: TopicReader, stored: StoredValues, verifier: Verifier, chat: str | None) -> None:
        self._topics = topics
        self._stored = stored
        self._verifier = verifier
        self._chat = chat
        self.first: dict[tuple[str, int], ConsumerRecord] = {}

    async def whole(self, topic: str, name: str, partitions: list[int], feed: Feed) -> list[Finding]:
        """Feed all of a topic with values of type `name`; return findings about values without a known framing."""
        unframed: list[Finding] = []
        begins, ends = await self._topics.beginnings(topic, partitions), await self._topics.ends(topic, partitions)
        progress = Progress(f"reading {topic}", sum(ends[each] - begins[each] for each in partitions))
        async for records in self._topics.whole(topic, partitions):
            for record in records:
                self.first.setdefault((topic, record.partition), record)
                if self._chat is None or record.key == self._chat.encode():
                    unframed += await self._one(record, name, feed)
            read = records[-1]
            progress.reached(read.partition, read.offset + 1 - begins[read.partition])
        progress.end()
        return unframed

    async def _one(self, record: ConsumerRecord, name: str, feed: Feed) -> list[Finding]:
        where = f"{record.topic}-{record.partition}@{record.offset}"
        around = Surroundings(record.key, record.headers, record.timestamp)
        try:
            writer, payload = unframe(record.value or b"")
            feed(payload, record.partition, record.offset, await self._stored.written(name, writer), around)
        except VerificationFailed as error:
            return [Finding("", READABLE, f"record at {where}: {error}")]
        except SchemaUnknown as error:
            session_id = (record.key or b"").decode("utf-8", "replace")
            self._verifier.leave_unread(session_id, record.topic, record.partition, record.offset, error)
        return []
