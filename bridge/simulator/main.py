"""Builds a simulation from its options and runs it. Entry point: `run_simulator`."""

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

from bridge.chatserver.versions import HIGHEST
from bridge.errors import UsageError
from bridge.simulator.harness.announcer import Announcer, HttpAnnouncer, KafkaAnnouncer, NoAnnouncer
from bridge.simulator.harness.control import ControlApi
from bridge.simulator.harness.fault_injector import fail_over
from bridge.simulator.harness.journal import Journal
from bridge.simulator.harness.ledger import Ledger
from bridge.simulator.harness.session_announcer import AnnouncedAddress, SessionAnnouncer
from bridge.simulator.model.model_settings import ModelSettings
from bridge.simulator.protocol.server import ChatServer, ServerSettings
from bridge.simulator.traffic.generator import LoadProfile, TrafficGenerator
from bridge.simulator.traffic.replay import Replay, read_folder
from bridge.simulator.traffic.scenario import ScenarioSettings, scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bridge.simulator.model.restoration import RestorePlan
    from bridge.simulator.traffic.actions import Scenario
    from bridge.simulator.ucs.simulated_ucs import SimulatedUcs
    from bridge.simulator.ucs.stored_options import UcsOptions

_FLUSH_SECONDS = 0.5
_OF_THE_STANDBY = 1_000_000_000
"""The number from which the standby counts its connections: both write one journal."""


@dataclass(slots=True, frozen=True)
class SimulatorOptions:
    """What to simulate. With `seed` None a random one is used, so that two runs do not share session ids.

    Announcements are sent over HTTP with `announce_url` (the bridge's base URL), to Kafka with
    `kafka_bootstrap_servers` and the client's `kafka_options` (SASL, TLS), or not at all. `announce_host` and
    `announce_port` override the announced address (containers, proxies). With `print_listening` the first line on
    stdout is `{"listening":"host:port","seed":...,"control":...}`.

    `think_scale` multiplies all pauses between actions (1.0: realistic). `replay_folder` replays stored transcripts
    instead of generated chats, each once, or repeatedly if `chats` or `duration_seconds` is set; `speed` divides their
    pauses. `control_port` opens the control API (0 chooses a port). `standby` runs a second server to fail over to.
    `ucs` stores the chats in the table of a simulated Universal Contact Server.
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
    kafka_options: Mapping[str, object] = field(default_factory=dict)
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
    standby: bool = False
    ucs: UcsOptions | None = None
    print_listening: bool = False


@dataclass(slots=True, frozen=True)
class SimulatorSummary:
    """Figures of a finished run. `requests`: client requests by name; `caused`: their effects on chats (`Journal`)."""

    listening: str
    seed: int
    seconds: float
    chats_started: int
    chats_finished: int
    events: int
    announced: int
    refused: int
    unanswered: int
    requests: dict[str, int]
    caused: dict[str, int]
    dropped_connections: dict[str, int]

    def as_json(self) -> str:
        """Return the summary as one line."""
        return msgspec.json.encode(asdict(self)).decode()


class Simulation:
    """One run: servers, traffic, files, and the operations of the control API."""

    def __init__(self, options: SimulatorOptions, announcer: Announcer, stop: asyncio.Event) -> None:
        """Open the ledger and journal files; nothing listens before `run`."""
        self.seed = secrets.randbits(32) if options.seed is None else options.seed
        self.journal = Journal(options.journal)
        self.ledger = None if options.ledger is None else Ledger(options.ledger)
        self.ucs = None if options.ucs is None else _simulated_ucs(options.ucs, self.seed)
        self._options = options
        self._stop = stop
        self.announcer = announcer
        self._session_announcers: dict[ChatServer, SessionAnnouncer] = {}
        self._server = self._new_server(announcer, options.port, self.seed)
        standby = options.standby
        self._standby = self._new_server(announcer, 0, self.seed + 1, _OF_THE_STANDBY) if standby else None
        self.traffic = TrafficGenerator(self._server, _load_profile(options), _scenario_source(options, self.seed))

    def _new_server(self, announcer: Announcer, port: int, seed: int, connections_before: int = 0) -> ChatServer:
        server = ChatServer(_server_settings(self._options, port), seed=seed, request_observer=self.journal)
        server.connections_made = connections_before
        if self.ledger is not None:
            server.observers.append(self.ledger)
        if self.ucs is not None:
            server.observers.append(self.ucs)
        options = self._options
        self._session_announcers[server] = SessionAnnouncer(
            announcer,
            server,
            AnnouncedAddress(options.announce_host or options.host, options.announce_port),
            lambda: [other.address for other in self._servers() if other is not server],
        )
        server.observers.append(self._session_announcers[server])
        return server

    @property
    def server(self) -> ChatServer:
        """The server that has the chats; after a fail-over the standby."""
        return self._server

    async def run(self) -> None:
        """Serve, and generate traffic until the load profile's end or `stop`; without traffic until `stop`."""
        async with contextlib.AsyncExitStack() as stack:
            if self.ucs is not None:
                await stack.enter_async_context(self.ucs)
            for server in self._servers():
                await server.start()
                stack.push_async_callback(server.stop)
            flushing = asyncio.create_task(self._flush())
            stack.callback(flushing.cancel)
            control = None
            if self._options.control_port is not None:
                api = ControlApi(self)
                stack.push_async_callback(api.stop)
                control = await api.start(self._options.control_port)
            if self._options.print_listening:
                self._print_listening(control)
            if self._options.traffic:
                await self.traffic.run(self._stop)
            else:
                await self._stop.wait()

    def close(self) -> None:
        """Flush and close the files."""
        if self.ledger is not None:
            self.ledger.close()
        self.journal.close()

    def stats(self) -> dict[str, object]:
        """Return the figures of the run so far."""
        return {
            "listening": self._server.address,
            "seed": self.seed,
            "openChats": len(self._server.sessions),
            "connections": sorted(self._server.connections),
            "chatsStarted": self.traffic.started,
            "chatsFinished": self.traffic.finished,
            "events": self.traffic.events,
            "announced": self.announcer.announced,
            "pushedBytes": self._server.pushed_bytes,
            "requests": dict(self.journal.requests),
            "caused": dict(self.journal.caused),
            "droppedConnections": dict(self.journal.dropped_connections),
        }

    def stop_traffic(self) -> None:
        """Start no more chats; those that are open are played to their end."""
        self._stop.set()

    async def fail_over(self, plan: RestorePlan, *, announce: bool) -> str:
        """Kill the server that has the chats and restore them on the standby; return its address.

        With `announce` the new address is announced, as a site that watches interaction properties would.

        Raises UsageError when there is no standby; a fail-over uses it up.
        """
        standby, self._standby = self._standby, None
        if standby is None:
            raise UsageError("no standby is left", next_step="start the simulator with --standby")
        self._session_announcers[standby].announces_restored = announce
        failed, self._server = self._server, standby
        await fail_over(failed, standby, plan)
        self.traffic.move_to(standby)
        return standby.address

    def answer_for_ucs(self, fault: str, times: int) -> None:
        """Answer the next requests to the HTTP interfaces of UCS with a fault. Raises UsageError."""
        if self.ucs is None:
            raise UsageError("no chats are stored", next_step="start the simulator with --ucs-url and --ucs-http")
        self.ucs.interfaces.answer_instead(fault, times)

    def _servers(self) -> list[ChatServer]:
        return [self._server] if self._standby is None else [self._server, self._standby]

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            if self.ledger is not None:
                self.ledger.flush()
            self.journal.flush()

    def _print_listening(self, control: int | None) -> None:
        line: dict[str, object] = {"listening": self._server.address, "seed": self.seed}
        if self._standby is not None:
            line["standby"] = self._standby.address
        if self.ucs is not None and self.ucs.http_address is not None:
            line["ucsHttp"] = self.ucs.http_address
        if control is not None:
            line["control"] = f"127.0.0.1:{control}"
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()


async def run_simulator(options: SimulatorOptions, *, stop: asyncio.Event) -> SimulatorSummary:
    """Run until the load profile's end or `stop`, then play open chats to their end, for at most `finish_seconds`.

    Raises UsageError when `replay_folder` contains no transcript, OSError when a port is in use.
    """
    started = time.monotonic()
    announcer = _announcer(options)
    simulation = Simulation(options, announcer, stop)
    try:
        async with announcer:
            await simulation.run()
    finally:
        simulation.close()
    return SimulatorSummary(
        listening=simulation.server.address,
        seed=simulation.seed,
        seconds=round(time.monotonic() - started, 3),
        chats_started=simulation.traffic.started,
        chats_finished=simulation.traffic.finished,
        events=simulation.traffic.events,
        announced=announcer.announced,
        refused=announcer.refused,
        unanswered=announcer.unanswered,
        requests=dict(simulation.journal.requests),
        caused=dict(simulation.journal.caused),
        dropped_connections=dict(simulation.journal.dropped_connections),
    )


def _simulated_ucs(options: UcsOptions, seed: int) -> SimulatedUcs:
    try:
        from bridge.simulator.ucs.simulated_ucs import SimulatedUcs  # noqa: PLC0415 - it needs the extra `ucs`
    except ImportError as error:
        raise UsageError(f"--ucs-url needs {error.name}", next_step="pip install 'chatbridge[ucs]'") from None
    return SimulatedUcs(options, seed)


def _server_settings(options: SimulatorOptions, port: int) -> ServerSettings:
    model = ModelSettings(
        client_version=options.client_version,
        passwords=options.passwords,
        replay_typing=options.replay_typing,
        tenant=options.tenant,
    )
    return ServerSettings(options.host, port, options.inbound_frame_bytes, options.write_buffer_bytes, model)


def _load_profile(options: SimulatorOptions) -> LoadProfile:
    return LoadProfile(
        options.chats_per_second,
        options.concurrent_chats,
        options.events_per_second,
        options.duration_seconds,
        options.chats,
        options.finish_seconds,
    )


def _scenario_source(options: SimulatorOptions, seed: int) -> Callable[[], Scenario | None]:
    if options.replay_folder is not None:
        endless = options.chats is not None or options.duration_seconds is not None
        return Replay(read_folder(options.replay_folder), options.speed, seed, endless=endless)
    settings = ScenarioSettings(seed, options.mean_events, options.think_scale, options.tenant)
    numbers = itertools.count(1)
    return lambda: scenario(settings, next(numbers))


def _announcer(options: SimulatorOptions) -> Announcer:
    if options.announce_url is not None:
        return HttpAnnouncer(options.announce_url, token=options.announce_token)
    if options.kafka_bootstrap_servers is not None:
        return KafkaAnnouncer(options.kafka_bootstrap_servers, options.kafka_topic, options.kafka_options)
    return NoAnnouncer()
