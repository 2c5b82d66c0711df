"""`chatbridge doctor`: examines everything that a worker depends on, and says what is wrong and what to do."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from bridge import __version__
from bridge.addresses import split_address
from bridge.commands import settings
from bridge.commands.formatting import escaped, say
from bridge.commands.interruption import run_until_interrupted
from bridge.doctor.examination import examine
from bridge.doctor.examination_report import as_json, exit_code, lines_of, summary_of
from bridge.doctor.kafka_checks import KafkaChecks
from bridge.doctor.peer_checks import PeerChecks
from bridge.doctor.process_checks import ProcessChecks
from bridge.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from bridge.doctor.examination import CheckedSubject


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "--chat-server",
        metavar="HOST:PORT",
        action="append",
        default=[],
        help="a Chat Server to register with; may be repeated (they are in announcements, not in the settings)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object; its fields: docs/operating.md")
    settings.define(
        parser,
        """\
  chatbridge doctor --config bridge.yaml
  chatbridge doctor --config bridge.yaml --chat-server chat-1:4800
  chatbridge doctor --config bridge.yaml --json | jq '.checks[] | select(.state == "failed")'

Run it with the settings of a worker, best on its host, whether the worker runs or not. It asks, and changes nothing: it
writes no record, joins no group and no chat, and registers no schema. With a Chat Server it opens a connection,
registers as a worker does, and leaves. It ends within 30 seconds even if nothing answers.

What is examined: connections to Kafka with their cause when one fails; brokers and their releases; certificates and
when they end; the rights of a worker; topics and settings that deviate; how fast the topics grow and when records are
deleted; members of the consumer group; the schema registry; Chat Servers; this host's clock against Kafka's; limits of
the process and of the brokers; what a worker on this host says of itself.

Each line is `ok`; `WARNING`: works, and should not stay so; `FAILED`: keeps a worker from its work; or `not checked`,
with the reason. All but `ok` have a code (docs/reference/codes.md), and what to do next. Read from the top: what
depends on something that failed is not checked.

exit codes: 0 nothing failed (there may be warnings), 1 something failed, 2 wrong settings or arguments, 3 doctor could
not do its work. Rights beyond those of a worker: Describe and DescribeConfigs on the cluster, for sizes, clock and
limits of the brokers; without them those lines are not checked (`chatbridge acls --for doctor`).""",
    )


def run(args: argparse.Namespace) -> int:
    """Examine and print."""
    for address in args.chat_server:
        try:
            split_address(address)
        except ValueError as error:
            raise UsageError(f"--chat-server: {error}", next_step="such as --chat-server chat-1:4800") from error
    config = settings.config_of(args)
    process, peers = ProcessChecks(config), PeerChecks(config, list(dict.fromkeys(args.chat_server)))
    checks = [*KafkaChecks(config).checks(), *peers.checks(), *process.checks()]
    about = {"version": __version__, "group": config.kafka.group, "workerId": config.worker_id}
    if not args.json:
        say(f"chatbridge {__version__}: group {config.kafka.group}, worker {config.worker_id}\n")
    disabled = logging.root.manager.disable
    logging.disable()  # what clients log about a connection that fails is said by the lines, with its cause
    try:
        subjects = run_until_interrupted(examine(checks, _nothing if args.json else _told))
    finally:
        logging.disable(disabled)
    say(json.dumps(as_json(subjects, about)) if args.json else f"\n{summary_of(subjects)}")
    return exit_code(subjects)


def _told(subject: CheckedSubject) -> None:
    for line in lines_of(subject):
        say(escaped(line))


def _nothing(_: CheckedSubject) -> None:
    """All is printed at the end."""
