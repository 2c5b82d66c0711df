"""`chatbridge announce`: writes announcements of chats to Kafka, from arguments or from standard input."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
from bridge.adapters.kafka.connection import KafkaConnection
from bridge.addresses import split_address
from bridge.announcement import MAX_BYTES, Announcement, parse
from bridge.commands import settings
from bridge.commands.formatting import say
from bridge.commands.interruption import run_until_interrupted
from bridge.errors import (
    EXIT_OK,
    AnnouncementsNotWritten,
    EnvironmentFault,
    KafkaUnavailable,
    UnreadableAnnouncement,
    UsageError,
)
from bridge.secret_files import read_secret, reason_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from bridge.config import Config

_READ_BYTES: Final = 64 * 1024


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "session_id",
        metavar="SESSION_ID",
        help="id of the chat; - reads announcements from standard input, one JSON object per line",
    )
    parser.add_argument(
        "servers",
        metavar="HOST:PORT",
        nargs="*",
        help="address of its Chat Server; further addresses are tried in order",
    )
    parser.add_argument("--password-file", metavar="FILE", type=Path, help="file that holds the session password")
    parser.add_argument("--tenant", metavar="NAME", help="name of the tenant")
    settings.define(
        parser,
        """\
  chatbridge announce 0000SIMA00000001 chat-1.example:4800 chat-2.example:4800
  chatbridge announce - < chats.jsonl      {"sessionId": "...", "host": "...", "port": 4800} on each line

Writes to the announcements topic and returns once Kafka has acknowledged. Announcing a chat again is harmless.
Programs can also POST to /v1/sessions of any worker.""",
    )


def run(args: argparse.Namespace) -> int:
    """Announce one chat, or those read from standard input."""
    if args.session_id == "-" and (args.servers or args.password_file or args.tenant):
        raise UsageError("announce: what - reads has all of it: no address, --password-file or --tenant goes with it")
    config = settings.config_of(args)
    batches = _from_lines(partial(os.read, sys.stdin.fileno())) if args.session_id == "-" else [[_from_arguments(args)]]
    count = run_until_interrupted(_announce(config, batches))
    say(f"announced {count} {'chat' if count == 1 else 'chats'}")
    return EXIT_OK


def _from_arguments(args: argparse.Namespace) -> Announcement:
    if not args.servers:
        raise UsageError("announce: expected HOST:PORT after the session id")
    try:
        host, port = split_address(args.servers[0])
        return Announcement(
            session_id=args.session_id,
            host=host,
            port=port,
            servers=args.servers[1:],
            password=_secret_in(args.password_file) if args.password_file else None,
            tenant=args.tenant,
            announced_at=time.time_ns() // 1_000_000,
        )
    except ValueError as error:
        raise UsageError(f"announce: {error}") from None


def _secret_in(file: Path) -> str:
    """Return the password in a file. Raises EnvironmentFault."""
    try:
        return read_secret(str(file))
    except (OSError, ValueError) as error:
        raise EnvironmentFault(f"{file}: {reason_of(error)}", next_step="expected a password in UTF-8") from None


def _from_lines(read: Callable[[int], bytes]) -> Iterator[list[Announcement]]:
    """Yield the announcements of the complete lines of each read, as one batch.

    Raises UnreadableAnnouncement for an unreadable line, after yielding the announcements before it.
    """
    number, rest = 0, b""
    while True:
        data = read(_READ_BYTES)
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > MAX_BYTES or not data:  # a line longer than any announcement, or the last one
            lines, rest = [*lines, rest], b""
        batch: list[Announcement] = []
        for line in lines:
            number += 1
            if not line.strip():
                continue
            try:
                batch.append(parse(line))
            except UnreadableAnnouncement as error:
                yield batch
                raise UnreadableAnnouncement(f"standard input, line {number}: {error.message}") from None
        yield batch
        if not data:
            return


async def _announce(config: Config, batches: Iterable[list[Announcement]]) -> int:
    """Write each batch as a whole; return how many announcements Kafka has acknowledged."""
    kafka = KafkaConnection(
        bootstrap_servers=config.kafka.bootstrap_servers,
        group=config.kafka.group,
        topics=factories.names_of(config),
        client=factories.kafka_arguments(config),
    )
    # Raises if it is missing: writing could make the broker create it.
    await factories.explained(config, "announce", factories.topics_of(config).partitions(kafka.topics.announcements))
    announcer = AnnouncementProducer(kafka)
    count = 0
    try:
        for batch in batches:
            await announcer.announce(batch)
            count += len(batch)
    except AnnouncementsNotWritten as error:
        count += error.accepted
        raise KafkaUnavailable(f"{error.message}; {count} announced before", next_step=error.next_step) from None
    except UnreadableAnnouncement as error:
        raise UnreadableAnnouncement(f"{error.message}; {count} announced before") from None
    finally:
        await announcer.close()
    return count
