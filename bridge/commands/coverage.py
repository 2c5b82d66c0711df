"""`chatbridge coverage`: how many of the announced chats were joined, and certified as complete."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.topic_reader import reader
from bridge.announcement import parse
from bridge.commands import settings
from bridge.commands.formatting import escaped, say
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.progress import Progress
from bridge.commands.stored_values import StoredValues
from bridge.errors import (
    EXIT_ENVIRONMENT,
    EXIT_OK,
    EXIT_RUNTIME,
    SchemaUnknown,
    UnreadableAnnouncement,
    VerificationFailed,
)
from bridge.records.avro import SESSION_RECORD
from bridge.records.coverage_counts import UNREAD, CoverageCounts

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.config import Config
    from bridge.records.coverage_counts import CoverageResult

_SHOWN: Final = 20
_US_PER_SECOND: Final = 1_000_000
_US_PER_MS: Final = 1_000


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("--since", metavar="TIME", type=_us_of, help="only chats announced from this time on")
    parser.add_argument("--until", metavar="TIME", type=_us_of, help="only chats announced before this time")
    parser.add_argument("--json", action="store_true", help="one JSON object, with all chats that are not covered")
    settings.define_output(parser)
    settings.define(
        parser,
        """\
  chatbridge coverage --config bridge.yaml
  chatbridge coverage --since 2026-11-01 --until 2026-12-01 --json

Reads the announcements and sessions topics to their ends. A chat is covered when its last certificate says COMPLETE or
COMPLETE_WITH_EXPECTED_HOLES; one that is still open counts as neither. TIME is ISO 8601, UTC unless it says otherwise.
What retention has deleted is not counted. Exit code 0 when every chat is covered that should be; 1 when one is not, or
there is none; 3 when a session record cannot be read because its schema is not known.""",
    )


def _us_of(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a time of ISO 8601: {text!r}") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * _US_PER_SECOND)


def run(args: argparse.Namespace) -> int:
    """Count, and print the result."""
    config = settings.config_of(args)
    read = _read(config, CoverageCounts(args.since, args.until))
    result, unreadable = run_until_interrupted(factories.explained(config, "coverage", read))
    if args.json:
        say(_json(result, unreadable))
    else:
        _show(result, unreadable)
    if any(UNREAD in one.codes for one in result.uncovered):
        return EXIT_ENVIRONMENT
    return EXIT_OK if result.due and not result.uncovered and not unreadable else EXIT_RUNTIME


def share(covered: int, due: int) -> str:
    """Return a share in percent with two decimals, rounded down: what is not all is never shown as 100.00 %."""
    return f"{10_000 * covered // due / 100:.2f} %"


def _json(result: CoverageResult, unreadable: int) -> str:
    return json.dumps(
        {
            "chats": result.chats,
            "announced": result.announced,
            "open": result.open,
            "joined": result.joined,
            "due": result.due,
            "covered": result.covered,
            "verdicts": result.verdicts,
            "unreadableRecords": unreadable,
            "uncovered": [
                {"sessionId": one.session_id, "verdict": one.verdict, "codes": list(one.codes)}
                for one in result.uncovered
            ],
        }
    )


def _show(result: CoverageResult, unreadable: int) -> None:
    if unreadable:
        say(f"{unreadable} records cannot be read; whether they are about further chats is not known")
    if not result.due:
        say(f"no chat has ended: {result.chats} announced or opened, {result.open} open; check kafka.topic_prefix")
        return
    say(f"{share(result.covered, result.due)} of {result.due:,} chats; {result.open:,} more are open")
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in result.verdicts.items())
    say(f"announced {result.announced:,}; of those that ended, joined {result.joined:,}; certified {told}")
    for one in result.uncovered[:_SHOWN]:
        say(
            f"not covered: {escaped(one.session_id)}: {one.verdict or 'no certificate'}, because {', '.join(one.codes)}"
        )
    if len(result.uncovered) > _SHOWN:
        say(f"and {len(result.uncovered) - _SHOWN:,} more; --json lists all")


async def _read(config: Config, counts: CoverageCounts) -> tuple[CoverageResult, int]:
    """Read both topics; return what was counted, and the number of records that are damaged."""
    names, unreadable = factories.names_of(config), 0
    topics = factories.topics_of(config)
    async with StoredValues(config.schema_registry) as stored, reader(factories.client_of(config)) as records:
        for name in (names.announcements, names.sessions):
            partitions = list(range(await topics.partitions(name)))
            progress = await _progress(records, name, partitions)
            async for batch in records.whole(name, partitions):
                for record in batch:
                    try:
                        if name == names.announcements:
                            _announced(record, counts)
                        else:
                            counts.session(await stored.decode(SESSION_RECORD, record.value or b""))
                    except SchemaUnknown:
                        counts.leave_unread((record.key or b"").decode("utf-8", "replace"))
                    except VerificationFailed:
                        unreadable += 1
                progress.reached(batch[-1].partition, batch[-1].offset)
            progress.end()
    return counts.result(), unreadable


async def _progress(records: TopicReader, topic: str, partitions: list[int]) -> Progress:
    return Progress(f"reading {topic}", sum((await records.ends(topic, partitions)).values()))


def _announced(record: ConsumerRecord, counts: CoverageCounts) -> None:
    """Count an announcement. One that cannot be read names no chat: it is in the quarantine, with its reason."""
    try:
        counts.announce(parse(record.value or b"").session_id, record.timestamp * _US_PER_MS)
    except UnreadableAnnouncement:
        return
