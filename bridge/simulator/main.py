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

from bridge.announcement import Announcement
from bridge.chatserver.versions import HIGHEST
from bridge.errors import UsageError
from bridge.simulator.harness.announcer import Announcer, HttpAnnouncer, KafkaAnnouncer, SilentAnnouncer
from bridge.simulator.harness.control import ControlApi
from bridge.simulator.harness.faults import fail_over
from bridge.simulator.harness.journal import Journal
from bridge.simulator.harness.ledger import Ledger
from bridge.simulator.model.effects import Closed, Effect, Opened, Restored
from bridge.simulator.model.sessions import ModelSettings
from bridge.simulator.protocol.server import ChatServer, ServerSettings
from bridge.simulator.traffic.replay import Replay, read_folder
from bridge.simulator.traffic.scenario import ScenarioSettings, scenario
from bridge.simulator.traffic.traffic import Pace, Traffic
from bridge.transcript.events import find

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bridge.simulator.model.restoration import RestorePlan
    from bridge.simulator.traffic.actions import Scenario
    from bridge.transcript.events import Items

_FLUSH_SECONDS = 0.5
_TOLD = ("MediaType", "GCTI_LanguageCode", "GCTI_Chat_AsyncMode")  # what an announcement says of the customer's data


@dataclass(slots=True, frozen=True)
class SimulatorOptions:
    """What to simulate. `seed` None chooses one, so that two runs never share session ids.

    Announcing: over HTTP with `announce_url` (the bridge's base URL), or to Kafka with `kafka_bootstrap_servers`, or
    not at all. `announce_host` and `announce_port` replace the address that is announced (containers, proxies).
    With `print_listening` the first line on stdout is `{"listening":"host:port","seed":...,"control":...}`.

    `think_scale` stretches all pauses of people (1.0 as they are). `replay_folder` plays stored transcripts instead of
    invented chats, each once, or again and again if `chats` or `duration_seconds` say how long; `speed` divides their
    time. `control_port` opens the HTTP API (0 chooses a port). `standby` runs a second server to fail over to.
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
    standby: bool = False
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
    """A witness of one server that has every new chat announced, and those that it takes over from another one."""

    def __init__(
        self, announcer: Announcer, server: ChatServer, options: SimulatorOptions, others: Callable[[], list[str]]
    ) -> None:
        """`others` gives the addresses (host:port) where a chat may go on when this server dies."""
        self.takes_over_quietly = False
        self._announcer = announcer
        self._server = server
        self._options = options
        self._others = others
        self._announced: set[str] = set()

    def see(self, effect: Effect, now: float) -> None:
        """Announce; a restart of the same server is no news, since the address stays."""
        if isinstance(effect, Opened):
            self._announce(effect.session_id, effect.password, effect.tenant, effect.user_data, now)
        elif isinstance(effect, Closed):
            self._announced.discard(effect.session_id)
        elif isinstance(effect, Restored) and not self.takes_over_quietly and effect.session_id not in self._announced:
            session = self._server.sessions.by_id[effect.session_id]
            self._announce(session.session_id, session.password, session.tenant, session.events[0].user_data, now)

    def _announce(self, session_id: str, password: str | None, tenant: str, user_data: Items, now: float) -> None:
        self._announced.add(session_id)
        told = {key: value for key in _TOLD if (value := find(user_data, key)) is not None}
        self._announcer.announce(
            Announcement(
                session_id=session_id,
                host=self._options.announce_host or self._options.host,
                port=self._options.announce_port or self._server.port,
                servers=self._others(),
                password=password,
                tenant=tenant,
                user_data=dict(told),
                announced_at=int(now * 1000),
            )
        )


class Simulation:
    """One run: the parts, and what the control API may do with them."""

    def __init__(self, options: SimulatorOptions, announcer: Announcer, stop: asyncio.Event) -> None:
        """Nothing is opened but the ledger's and the journal's files."""
        self.seed = secrets.randbits(32) if options.seed is None else options.seed
        self.journal = Journal(options.journal)
        self.ledger = None if options.ledger is None else Ledger(options.ledger)
        self._options = options
        self._stop = stop
        self.announcer = announcer
        self._heralds: dict[ChatServer, Herald] = {}
        self._server = self._new_server(announcer, options.port, self.seed)
        self._standby = self._new_server(announcer, 0, self.seed + 1) if options.standby else None
        self.traffic = Traffic(self._server, _pace(options), _source(options, self.seed))

    def _new_server(self, announcer: Announcer, port: int, seed: int) -> ChatServer:
        server = ChatServer(_server_settings(self._options, port), seed=seed, journal=self.journal)
        if self.ledger is not None:
            server.witnesses.append(self.ledger)
        self._heralds[server] = Herald(
            announcer, server, self._options, lambda: [one.address for one in self._servers() if one is not server]
        )
        server.witnesses.append(self._heralds[server])
        return server

    @property
    def server(self) -> ChatServer:
        """The server that has the chats now."""
        return self._server

    async def run(self) -> None:
        """Serve and play until the pace's end or `stop`; without traffic until `stop`."""
        async with contextlib.AsyncExitStack() as stack:
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
        """Write the rest of the files."""
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
        """Start no more chats; let those that run end."""
        self._stop.set()

    async def fail_over(self, plan: RestorePlan, *, announce: bool) -> str:
        """Kill the server that has the chats and restore them on the standby; return its address.

        With `announce` the new address is announced, as by somebody who watches the interactions' properties.

        Raises UsageError when there is no standby (any longer: it is used up by the first fail-over).
        """
        heir, self._standby = self._standby, None
        if heir is None:
            raise UsageError("no standby is left", next_step="start the simulator with a standby")
        self._heralds[heir].takes_over_quietly = not announce
        dead, self._server = self._server, heir
        await fail_over(dead, heir, plan)
        self.traffic.move_to(heir)
        return heir.address

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
        if control is not None:
            line["control"] = f"127.0.0.1:{control}"
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()


async def run_simulator(options: SimulatorOptions, *, stop: asyncio.Event) -> SimulatorSummary:
    """Run until the pace's end or `stop`. Chats that run are played to their end, for at most `finish_seconds`.

    Raises UsageError when `replay_folder` holds no transcript, OSError when a port is taken.
    """
    begun = time.monotonic()
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
        seconds=round(time.monotonic() - begun, 3),
        chats_started=simulation.traffic.started,
        chats_finished=simulation.traffic.finished,
        events=simulation.traffic.events,
        announced=announcer.announced,
        requests=dict(simulation.journal.requests),
        caused=dict(simulation.journal.caused),
        dropped_connections=dict(simulation.journal.dropped_connections),
    )


def _server_settings(options: SimulatorOptions, port: int) -> ServerSettings:
    model = ModelSettings(
        client_version=options.client_version,
        passwords=options.passwords,
        replay_typing=options.replay_typing,
        tenant=options.tenant,
    )
    return ServerSettings(options.host, port, options.inbound_frame_bytes, options.write_buffer_bytes, model)


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
    return SilentAnnouncer()
