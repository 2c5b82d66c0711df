"""`chatbridge tail`: prints committed transcript events as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands import settings
from bridge.commands.formatting import HEADER, event_line, say, say_line, warn, width
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.stored_values import StoredValues
from bridge.errors import EXIT_OK, SchemaUnknown, UsageError, VerificationFailed
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.render import Renderer

if TYPE_CHECKING:
    import argparse

    from bridge.config import Config


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("--from-beginning", action="store_true", help="also show events that are already there")
    parser.add_argument("--chat", metavar="ID", type=settings.chat_id, help="only this chat")
    parser.add_argument("--max", metavar="N", type=int, help="stop after N events")
    parser.add_argument("--json", action="store_true", help="whole records, one JSON object per line")
    settings.define_output(parser)
    settings.define(
        parser,
        """\
  chatbridge tail
  chatbridge tail --from-beginning --chat 0000SIMA00000001
  chatbridge tail --json --from-beginning --max 100 | jq -r .message.text

Shows committed events only. Control characters in texts are escaped and long texts are cut (not with --json). An event
whose schema neither schema_registry.url nor this version knows is named on standard error.""",
    )


def run(args: argparse.Namespace) -> int:
    """Show events until interrupted, or until `--max`."""
    if args.max is not None and args.max < 0:
        raise UsageError("tail: --max is 0 or more")
    config = settings.config_of(args)
    run_until_interrupted(factories.explained(config, "tail", _tail(config, args)))
    return EXIT_OK


async def _tail(config: Config, args: argparse.Namespace) -> None:
    topic = factories.names_of(config).events
    count = await factories.topics_of(config).partitions(topic)
    numbers = factories.numbers_of(config, count)
    partitions = partitions_of([args.chat.encode()], numbers) if args.chat else range(count)
    columns, left = width(), args.max
    if not args.json:
        say(HEADER)
    async with StoredValues(config.schema_registry) as stored, reader(factories.client_of(config)) as events:
        render = Renderer(stored.schemas)
        async for records in events.follow(topic, partitions, from_beginning=args.from_beginning):
            for record in records:
                if left == 0:
                    return
                if args.chat and record.key != args.chat.encode():
                    continue
                try:
                    event = await stored.decode(TRANSCRIPT_EVENT, record.value or b"")
                except (VerificationFailed, SchemaUnknown) as error:
                    warn(f"{topic}-{record.partition}@{record.offset}: {error}")
                    continue
                if args.json:
                    say_line(render.line(TRANSCRIPT_EVENT, event))
                else:
                    say(event_line(event, columns))
                left = None if left is None else left - 1
            if left == 0:
                return
