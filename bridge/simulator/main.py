"""Puts a simulated Chat Server together and runs it: what `chatbridge simulate` calls."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import msgspec

from bridge.chat.announcement import Announcement
from bridge.chat.events import find
from bridge.chat.versions import HIGHEST
from bridge.simulator.announcer import Announcer, HttpAnnouncer, KafkaAnnouncer, SilentAnnouncer
from bridge.simulator.effects import Effect, Opened
from bridge.simulator.journal import Journal
from bridge.simulator.ledger import Ledger
from bridge.simulator.scenario import ScenarioSettings, scenario
from bridge.simulator.server import ChatServer, ServerSettings
from bridge.simulator.sessions import ModelSettings
from bridge.simulator.traffic import Pace, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bridge.simulator.actions import Scenario

_FLUSH_SECONDS = 0.5
_TOLD = ("MediaType", "GCTI_LanguageCode", "GCTI_Chat_AsyncMode")  # what an announcement says of the customer's data


@dataclass(slots=True, frozen=True)
class SimulatorOptions:
    """What to simulate. `seed` None chooses one, so that two runs never share session ids.

    Announcing: over HTTP with `announce_url` (the bridge's base URL), or to Kafka with `kafka_bootstrap_servers`, or
    not at all. `announce_host` and `announce_port` replace the address that is announced (containers, proxies).
    With `print_listening` the first line on stdout is `{"listening":"host:port",...}`.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int | None = None
    chats_per_second: float | None = None
    concurrent_chats: int | None = None
    events_per_second: float | None = None
    duration_seconds: float | None = None
    chats: int | None = None
    finish_seconds: float = 30.0
    mean_events: int = 30
    think_scale: float = 1.0
    traffic: bool = True
    replay_folder: Path | None = None
    speed: float = 1.0
    announce_url: str | None = None
    announce_token: str | None = None
    kafka_bootstrap_servers: str | None = None
    kafka_topic: str = "chat.capture.announcements.v1"
    kafka_options: dict[str, object] = field(default_factory=dict)
    announce_host: str | None = None
    announce_port: int | None = None
    ledger: Path | None = None
    journal: Path | None = None
    passwords: bool = False
    client_version: int = HIGHEST
    replay_typing: bool = True
    tenant: str = "Resources"
    inbound_frame_bytes: int = 32_768
    write_buffer_bytes: int = 64 << 20
    control_port: int | None = None
    print_listening: bool = False


@dataclass(slots=True, frozen=True)
class SimulatorSummary:
    """What a run came to. `requests` and `caused`: what clients asked for, and what that changed in the chats."""

    listening: str
    seed: int
    seconds: float
    chats_started: int
    chats_finished: int
    events: int
    announced: int
    requests: dict[str, int]
    caused: dict[str, int]
    dropped_connections: dict[str, int]

    def as_json(self) -> str:
        """Return the summary as one line."""
        return msgspec.json.encode(asdict(self)).decode()


class Herald:
    """A witness that has every new chat announced."""

    def __init__(self, announcer: Announcer, host: str, port: Callable[[], int]) -> None:
        """`port` is asked late: it is chosen when the server starts."""
        self._announcer = announcer
        self._host = host
        self._port = port

    def see(self, effect: Effect, now: float) -> None:
        """Announce what was opened."""
        if isinstance(effect, Opened):
            told = {key: value for key in _TOLD if (value := find(effect.user_data, key)) is not None}
            self._announcer.announce(
                Announcement(
                    session_id=effect.session_id,
                    host=self._host,
                    port=self._port(),
                    password=effect.password,
                    tenant=effect.tenant,
                    user_data=dict(told),
                    announced_at=int(now * 1000),
                )
            )


async def run_simulator(options: SimulatorOptions, *, stop: asyncio.Event) -> SimulatorSummary:
    """Run until the pace's end or `stop`; without traffic until `stop`. Chats that run are played to their end."""
    begun = time.monotonic()
    seed = secrets.randbits(32) if options.seed is None else options.seed
    journal = Journal(options.journal)
    ledger = None if options.ledger is None else Ledger(options.ledger)
    server = ChatServer(_server_settings(options), seed=seed, journal=journal)
    if ledger is not None:
        server.witnesses.append(ledger)
    traffic = Traffic(server, _pace(options), _source(options, seed))
    announcer = _announcer(options)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(announcer)
        host = options.announce_host or options.host
        server.witnesses.append(Herald(announcer, host, lambda: options.announce_port or server.port))
        await server.start()
        stack.push_async_callback(server.stop)
        flushing = asyncio.create_task(_flush(ledger, journal))
        stack.callback(flushing.cancel)
        if options.print_listening:
            _print_listening(server, seed)
        if options.traffic:
            await traffic.run(stop)
        else:
            await stop.wait()
    if ledger is not None:
        ledger.close()
    journal.close()
    return SimulatorSummary(
        listening=server.address,
        seed=seed,
        seconds=round(time.monotonic() - begun, 3),
        chats_started=traffic.started,
        chats_finished=traffic.finished,
        events=traffic.events,
        announced=announcer.announced,
        requests=dict(journal.requests),
        caused=dict(journal.caused),
        dropped_connections=dict(journal.dropped_connections),
    )


def _server_settings(options: SimulatorOptions) -> ServerSettings:
    model = ModelSettings(
        client_version=options.client_version,
        passwords=options.passwords,
        replay_typing=options.replay_typing,
        tenant=options.tenant,
    )
    return ServerSettings(options.host, options.port, options.inbound_frame_bytes, options.write_buffer_bytes, model)


def _pace(options: SimulatorOptions) -> Pace:
    return Pace(
        options.chats_per_second,
        options.concurrent_chats,
        options.events_per_second,
        options.duration_seconds,
        options.chats,
        options.finish_seconds,
    )


def _source(options: SimulatorOptions, seed: int) -> Callable[[], Scenario | None]:
    settings = ScenarioSettings(seed, options.mean_events, options.think_scale, options.tenant)
    numbers = itertools.count(1)
    return lambda: scenario(settings, next(numbers))


def _announcer(options: SimulatorOptions) -> Announcer:
    if options.announce_url is not None:
        return HttpAnnouncer(options.announce_url, token=options.announce_token)
    if options.kafka_bootstrap_servers is not None:
        return KafkaAnnouncer(options.kafka_bootstrap_servers, options.kafka_topic, options.kafka_options)
    return SilentAnnouncer()


async def _flush(ledger: Ledger | None, journal: Journal) -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        if ledger is not None:
            ledger.flush()
        journal.flush()


def _print_listening(server: ChatServer, seed: int) -> None:
    line = {"listening": server.address, "seed": seed}
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()
