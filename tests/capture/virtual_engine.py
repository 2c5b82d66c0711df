"""Workers over a scripted Kafka and virtual Chat Servers: all between is the engine, with real session managers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self, TypeVar

from bridge.capture.drain import drain
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.virtual_servers import VirtualServers

if TYPE_CHECKING:
    from bridge.capture.worker import Worker
    from bridge.facts import Fact
    from tests.capture.scripted_kafka import ScriptedAnnouncements

_Fact = TypeVar("_Fact", bound="Fact")


class VirtualEngine:
    """As an asynchronous context manager, it ends all workers, and checks that they leave nothing open."""

    def __init__(self, *servers: str) -> None:
        self.servers = VirtualServers(*servers)
        self.kafka = ScriptedKafka(self.servers.clock)
        self.workers: list[Worker] = []
        self._runs: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.kafka.away = False
        for run in self._runs:
            run.cancel()
        async with asyncio.timeout(600):
            await asyncio.gather(*(worker.close() for worker in self.workers))
            await asyncio.wait(self._runs)
        await asyncio.sleep(0.01)  # transports tell their protocols that they are closed
        assert self.kafka.open == set()
        assert self.open_connections() == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def start(self, *partitions: int) -> Worker:
        """Start a worker and wait until it has opened its shards."""
        worker = self.kafka.worker(self.servers.make_source, frozenset(partitions))
        self.workers.append(worker)
        self._runs.append(asyncio.get_running_loop().create_task(worker.run()))
        await asyncio.sleep(0.5)
        return worker

    def member(self, worker: Worker) -> ScriptedAnnouncements:
        """The worker's newest group member."""
        name = self.workers.index(worker)
        return [member for member in self.kafka.members if member.name == name][-1]

    async def assign(self, *partitions: tuple[int, ...]) -> None:
        """A rebalance: the partitions of each worker, in the order in which they were started."""
        for worker, own in zip(self.workers, partitions, strict=True):
            await self.member(worker).rebalance(*own)

    async def drain(self, worker: Worker, seconds: float = 25.0) -> bool:
        """SIGTERM; whether the exit code would be 0."""
        return await drain(worker, seconds, self.kafka.telemetry)

    def says(self, server: str, chat: str, event_id: int, status: str = "Alive") -> None:
        """Let a server send one event of a chat to those who have joined it."""
        there = self.servers[server]
        for wire in there.watched.get(chat, []):
            wire.says(**there.info(chat, status, there.message(event_id)))

    def facts(self, kind: type[_Fact]) -> list[_Fact]:
        return [fact for fact in self.kafka.telemetry.facts if isinstance(fact, kind)]

    def open_connections(self) -> list[str]:
        """The server of each connection that the bridge has not closed."""
        servers = self.servers.servers.items()
        return [name for name, server in servers for wire in server.wires if not wire.closed]


def joined_at(worker: Worker, chat: str) -> str | None:
    """The server at which a worker's shards have joined a chat."""
    return next((there for shard in worker.shards if (there := shard.source.joined_at(chat))), None)


def state_of(worker: Worker, chat: str) -> str | None:
    return next((shard.store.chats[chat].state for shard in worker.shards if chat in shard.store.chats), None)
