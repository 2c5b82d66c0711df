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
from bridge.commands.stored_values import StoredValues
from bridge.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME, SchemaUnknown, VerificationFailed
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.findings import READABLE, SCHEMA, Finding
from bridge.records.payload_framing import unframe
from bridge.records.verifier import Verifier

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.config import Config
    from bridge.records.avro import WriterSchema

    Feed = Callable[[bytes, int, int, WriterSchema], None]


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
each id once, ids in order, certificates. Records are read with the schema that wrote them, which schema_registry.url
or this version has to know. Exit code 1 when a promise is broken, 3 when none is but a record cannot be read because
its schema is not known; a chat whose beginning has been deleted by retention is only a remark.""",
    )


def run(args: argparse.Namespace) -> int:
    """Check, and print the findings."""
    config = settings.config_of(args)
    verifier, unframed = run_until_interrupted(factories.explained(config, "verify", verify(config, args.chat)))
    findings = [*unframed, *verifier.findings()]
    broken = [finding for finding in findings if finding.broken]
    if args.json:
        say(
            json.dumps(
                {
                    "chats": verifier.chats,
                    "records": verifier.records,
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
        say(f"{verifier.chats} chats, {verifier.records} records: {'; '.join(verdicts) or 'ok'}")
    if broken:
        return EXIT_RUNTIME
    return EXIT_ENVIRONMENT if verifier.unread else EXIT_OK


async def verify(config: Config, chat: str | None = None) -> tuple[Verifier, list[Finding]]:
    """Read both topics into a verifier; return it, and findings about values without a known framing."""
    names = factories.names_of(config)
    count = await factories.topics_of(config).partitions(names.events)
    partitions = [partition_of(chat.encode(), count)] if chat else list(range(count))
    async with StoredValues(config.schema_registry) as stored:
        verifier = Verifier(stored.schemas, events=names.events, sessions=names.sessions)
        unframed: list[Finding] = []
        async with reader(factories.client_of(config)) as topics:
            feeding = _Feeding(topics, stored, verifier, chat)
            unframed += await feeding.whole(names.sessions, SESSION_RECORD, partitions, verifier.feed_session)
            unframed += await feeding.whole(names.events, TRANSCRIPT_EVENT, partitions, verifier.feed_event)
    return verifier, unframed


class _Feeding:
    """Feeds a verifier with the values of topics, of all chats or of one."""

    def __init__(self, topics: TopicReader, stored: StoredValues, verifier: Verifier, chat: str | None) -> None:
        self._topics = topics
        self._stored = stored
        self._verifier = verifier
        self._chat = chat

    async def whole(self, topic: str, name: str, partitions: list[int], feed: Feed) -> list[Finding]:
        """Feed all of a topic with values of type `name`; return findings about values without a known framing."""
        unframed: list[Finding] = []
        async for records in self._topics.whole(topic, partitions):
            for record in records:
                if self._chat is not None and record.key != self._chat.encode():
                    continue
                try:
                    writer, payload = unframe(record.value or b"")
                    feed(payload, record.partition, record.offset, await self._stored.written(name, writer))
                except VerificationFailed as error:
                    where = f"{topic}-{record.partition}@{record.offset}"
                    unframed.append(Finding("", READABLE, f"record at {where}: {error}"))
                except SchemaUnknown as error:
                    session_id = (record.key or b"").decode("utf-8", "replace")
                    self._verifier.leave_unread(session_id, topic, record.partition, record.offset, error)
        return unframed
