"""`chatbridge simulate`: runs a simulated Chat Server with generated or replayed chats."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge import factories, logs
from bridge.adapters.event_loop import EventLoop
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.addresses import split_address
from bridge.commands import settings, simulated_storage
from bridge.commands.formatting import say, warn
from bridge.errors import EXIT_OK, EXIT_RUNTIME, ConfigError, UsageError
from bridge.simulator.main import SimulatorOptions, SimulatorSummary, run_simulator

if TYPE_CHECKING:
    import argparse

    from bridge.config import Config

_ANNOUNCEMENTS: Final = TopicNames("").announcements
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_EXAMPLES: Final = """\
  chatbridge simulate --listen 127.0.0.1:4800 --announce-url http://127.0.0.1:8080
  chatbridge simulate --chats-per-second 2 --duration 60 --ledger ledger.jsonl
  chatbridge simulate --events-per-second 500 --concurrent-chats 200 --kafka localhost:9092
  chatbridge simulate --concurrent-chats 20 --kafka --config bridge.yaml
  chatbridge simulate --replay transcripts/ --speed 60
  chatbridge simulate --chats 50 --think-scale 0.01 --ucs-url sqlite:///ucs.db --ucs-http 0
  chatbridge simulate --concurrent-chats 20 --ucs-url sqlite:///ucs.db --ucs-archive-url sqlite:///archive.db \
      --ucs-auto-save 1 --ucs-irregular all=0.1

With --kafka the settings are those of `run`: security, OAUTHBEARER, topic prefix. Without it they are not used.
Exit code 1 when every announcement was refused.
Ends after --duration or --chats, or on SIGTERM or SIGINT: no more chats start, and those that are open are played for
up to --finish seconds. The last line on standard output is a JSON summary. A second signal ends the process at once,
without a summary. The ledger holds every event of every chat, to compare with Kafka."""


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    standard = SimulatorOptions()
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default="127.0.0.1:0",
        help="address of the server, IPv6 in brackets; port 0 chooses a free one",
    )
    parser.add_argument("--seed", type=int, help="the same seed gives the same chats; default: a random one")

    pace = parser.add_argument_group("load")
    pace.add_argument("--chats-per-second", metavar="N", type=float, help="start N chats per second")
    pace.add_argument("--concurrent-chats", metavar="N", type=int, help="keep N chats open")
    pace.add_argument(
        "--events-per-second",
        metavar="N",
        type=float,
        help="N events per second over all chats, instead of the chats' own pauses",
    )
    pace.add_argument("--duration", metavar="SECONDS", type=float, help="start no more chats after so long")
    pace.add_argument("--chats", metavar="N", type=int, help="start no more than N chats")
    pace.add_argument(
        "--finish",
        metavar="SECONDS",
        type=float,
        default=standard.finish_seconds,
        help="time for open chats to end after that, and after a signal (default %(default)g)",
    )
    pace.add_argument("--no-traffic", action="store_true", help="serve only, without chats of its own")

    chats = parser.add_argument_group("chats")
    chats.add_argument(
        "--mean-events", metavar="N", type=int, default=standard.mean_events, help="mean number of events per chat"
    )
    chats.add_argument(
        "--think-scale",
        metavar="X",
        type=float,
        default=standard.think_scale,
        help="scales the pauses between events; 1: realistic",
    )
    chats.add_argument("--replay", metavar="FOLDER", type=Path, help="play stored transcripts instead")
    chats.add_argument(
        "--speed", metavar="X", type=float, default=standard.speed, help="speed of --replay; 2: twice as fast"
    )
    chats.add_argument("--passwords", action="store_true", help="require the session password to join")
    chats.add_argument(
        "--client-version", metavar="N", type=int, default=standard.client_version, help="ClientVersion of the server"
    )

    announcing = parser.add_argument_group("announcements")
    announcing.add_argument("--announce-url", metavar="URL", help="announce by POST to this bridge")
    announcing.add_argument("--announce-token-file", metavar="FILE", type=Path, help="file that holds its bearer token")
    announcing.add_argument(
        "--kafka",
        metavar="HOST:PORT",
        nargs="?",
        const="",
        help="announce by writing to the topic instead; without an address, at kafka.bootstrap_servers",
    )
    announcing.add_argument(
        "--kafka-topic", metavar="NAME", help="announcements topic, if kafka.topic_prefix does not give it"
    )
    announcing.add_argument(
        "--announce-address", metavar="HOST:PORT", help="address to announce instead of --listen, behind a proxy"
    )

    outputs = parser.add_argument_group("files and control")
    outputs.add_argument("--ledger", metavar="FILE", type=Path, help="write every event, as JSON lines")
    outputs.add_argument("--journal", metavar="FILE", type=Path, help="write every request received, as JSON lines")
    outputs.add_argument(
        "--control-port", metavar="PORT", type=int, help="HTTP API that injects faults; 0 chooses a free one"
    )
    outputs.add_argument("--standby", action="store_true", help="run a second server to fail over to")
    simulated_storage.define(parser)
    settings.define(parser, _EXAMPLES)


def run(args: argparse.Namespace) -> int:
    """Simulate until the end or a signal."""
    options, config = _options(args), _kafka_settings(args)
    logs.start("info", "text")
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        summary = runner.run(_simulate(options, config))
    say(summary.as_json())
    if summary.refused and not summary.announced:
        warn(f"chatbridge: all {summary.refused} announcements were refused")
        warn("  next: check the token, and that --announce-url is that of a bridge")
        return EXIT_RUNTIME
    if summary.unanswered:
        warn(f"chatbridge: {summary.unanswered} announcements were not answered")
        warn(f"  next: see whether {_asked(args)}")
        return EXIT_OK if summary.announced else EXIT_RUNTIME
    return EXIT_OK


def _asked(args: argparse.Namespace) -> str:
    return "Kafka has the topic, and leaders" if args.kafka is not None else f"a bridge listens at {args.announce_url}"


def _kafka_settings(args: argparse.Namespace) -> Config | None:
    """Return the settings with which to announce on Kafka; None without --kafka."""
    if args.kafka is None:
        if args.config or args.set or args.bootstrap_servers or args.topic_prefix or args.kafka_topic:
            raise UsageError("simulate: settings and --kafka-topic are for announcing on Kafka; give --kafka, too")
        return None
    if args.kafka:
        args.bootstrap_servers = args.kafka
    if args.kafka_topic is not None:
        if not args.kafka_topic.endswith(_ANNOUNCEMENTS):
            raise UsageError(
                f"simulate: --kafka-topic {args.kafka_topic}: expected a name that ends in {_ANNOUNCEMENTS}"
            )
        args.topic_prefix = args.kafka_topic.removesuffix(_ANNOUNCEMENTS)
    return settings.config_of(args)


async def _simulate(options: SimulatorOptions, config: Config | None) -> SimulatorSummary:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def finish() -> None:
        stop.set()
        for which in _SIGNALS:  # the next one ends the process
            loop.remove_signal_handler(which)

    for which in _SIGNALS:
        loop.add_signal_handler(which, finish)
    try:
        if config is None:
            return await run_simulator(options, stop=stop)
        options = replace(
            options,
            kafka_bootstrap_servers=config.kafka.bootstrap_servers,
            kafka_topic=factories.names_of(config).announcements,
            kafka_options=factories.kafka_arguments(config),
        )
        return await factories.explained(config, "simulate", run_simulator(options, stop=stop))
    except OSError as error:
        if error.filename is not None:  # a file of the simulation, not its port
            raise ConfigError(f"simulate: {error.strerror}: {error.filename}") from error
        raise ConfigError(f"simulate: {error.strerror or error}", next_step="is the port in use?") from error


def _options(args: argparse.Namespace) -> SimulatorOptions:
    if args.announce_url and args.kafka is not None:
        raise UsageError("simulate: --announce-url and --kafka exclude each other")
    if args.replay is not None and not args.replay.is_dir():
        raise UsageError(f"simulate: --replay {args.replay}: expected a folder")
    try:
        host, _, port = args.listen.rpartition(":")
        announced = split_address(args.announce_address) if args.announce_address else (None, None)
        listen_port = int(port)
    except ValueError as error:
        raise UsageError(f"simulate: {error}") from None
    return SimulatorOptions(
        host=host.removeprefix("[").removesuffix("]"),
        port=listen_port,
        seed=args.seed,
        chats_per_second=args.chats_per_second,
        concurrent_chats=args.concurrent_chats,
        events_per_second=args.events_per_second,
        duration_seconds=args.duration,
        chats=args.chats,
        finish_seconds=args.finish,
        mean_events=args.mean_events,
        think_scale=args.think_scale,
        traffic=not args.no_traffic,
        replay_folder=args.replay,
        speed=args.speed,
        announce_url=args.announce_url,
        announce_token=args.announce_token_file.read_text("utf-8").strip() if args.announce_token_file else None,
        announce_host=announced[0],
        announce_port=announced[1],
        ledger=args.ledger,
        journal=args.journal,
        passwords=args.passwords,
        client_version=args.client_version,
        control_port=args.control_port,
        standby=args.standby,
        ucs=simulated_storage.ucs_options(args),
        print_listening=True,
    )
