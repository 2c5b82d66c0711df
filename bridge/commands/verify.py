"""`chatbridge verify`: checks the records on the events and sessions topics, chat by chat."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from bridge import factories
from bridge.adapters.kafka.partitioner import partition_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands import settings
from bridge.commands.formatting import escaped, say
from bridge.errors import EXIT_OK, EXIT_RUNTIME, VerificationFailed
from bridge.records.avro import Schemas, schema_folder
from bridge.records.payload_framing import unframe
from bridge.records.verifier import READABLE, Finding, Verifier

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.config import Config


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
each id once, ids in order, certificates. Exit code 1 when a promise is broken; a chat whose beginning has been deleted
by retention is only a remark.""",
    )


def run(args: argparse.Namespace) -> int:
    """Check, and print the findings."""
    config = settings.config_of(args)
    verifier, unframed = asyncio.run(factories.explained(config, verify(config, args.chat)))
    findings = [*unframed, *verifier.findings()]
    broken = [finding for finding in findings if finding.broken]
    if args.json:
        say(
            json.dumps(
                {
                    "chats": verifier.chats,
                    "records": verifier.records,
                    "broken": len(broken),
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
            say(f"{'BROKEN ' if finding.broken else 'remark '} {finding.promise}: {escaped(str(finding))}")
        verdict = f"{len(broken)} broken promises" if broken else "ok"
        say(f"{verifier.chats} chats, {verifier.records} records: {verdict}")
    return EXIT_RUNTIME if broken else EXIT_OK


async def verify(config: Config, chat: str | None = None) -> tuple[Verifier, list[Finding]]:
    """Read both topics into a verifier; return it, and findings about values without a known framing."""
    names = factories.names_of(config)
    count = await factories.topics_of(config).partitions(names.events)
    partitions = [partition_of(chat.encode(), count)] if chat else list(range(count))
    verifier = Verifier(Schemas(schema_folder()), events=names.events, sessions=names.sessions)
    unframed: list[Finding] = []
    async with reader(factories.client_of(config)) as topics:
        for topic, feed in ((names.sessions, verifier.feed_session), (names.events, verifier.feed_event)):
            unframed += await _feed(topics, topic, partitions, chat, feed)
    return verifier, unframed


async def _feed(
    topics: TopicReader, topic: str, partitions: list[int], chat: str | None, feed: Callable[[bytes, int, int], None]
) -> list[Finding]:
    unframed: list[Finding] = []
    async for records in topics.whole(topic, partitions):
        for record in records:
            if chat is not None and record.key != chat.encode():
                continue
            try:
                payload = unframe(record.value or b"")[1]
            except VerificationFailed as error:
                where = f"{topic}-{record.partition}@{record.offset}"
                unframed.append(Finding("", READABLE, f"record at {where}: {error}"))
            else:
                feed(payload, record.partition, record.offset)
    return unframed
