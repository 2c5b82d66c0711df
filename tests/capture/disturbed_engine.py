"""Several workers, their Kafka and their Chat Servers, and what may happen to them; and what must hold all the same.

The servers remember what they said: a chat's history is told to whoever joins it, until the chat is over. So there is
only one way to lose an event: to have read it, and to have told Kafka nothing of it or of its absence.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

from bridge.capture.chat import GIVEN_UP
from bridge.capture.chat_facts import ChatFailed
from bridge.chatserver.messages import LOGGED_OUT
from bridge.facts import Drained, ShardCrashed
from bridge.transcript.updates import TranscriptUpdate
from tests.capture.scripted_kafka import CALL_SECONDS
from tests.capture.stored_records import nothing_is_lost, stored_events
from tests.capture.telling_server import ChatHistories, TellingServer
from tests.capture.virtual_engine import VirtualEngine, joined_at, state_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from bridge.capture.ports import Deliver, Failed
    from bridge.capture.worker import Worker
    from bridge.sources.chat_server.session_manager import SessionManager
    from bridge.transcript.updates import Update

_T = TypeVar("_T")

SERVERS: Final = ("chat-1:4800", "chat-2:4800")
SHARDS: Final = 3
_MOST_WORKERS: Final = 3
_CALM_SECONDS: Final = 300.0
_UNNOTICED_SECONDS: Final = 100.0
"""A shard has probed by then, if Kafka answers, and knows whether it has another owner."""


class DisturbedEngine(VirtualEngine):
    """Steps are methods; their argument chooses among what there is. `settle` ends the disturbance and checks all."""

    def __init__(self) -> None:
        super().__init__(*SERVERS)
        self.chats = ChatHistories()
        self.servers.servers = {name: TellingServer(self.chats) for name in SERVERS}
        self.announced: dict[str, int] = {}  #: chat -> shard
        self.delivered: dict[object, list[tuple[str, int]]] = {}  #: source -> chat and event id
        self.snapshots: Counter[str] = Counter()  #: chat -> how often its history was delivered
        self.live: list[Worker] = []
        self.stale: set[Worker] = set()
        self._failed: dict[object, Failed] = {}
        self._drains: list[asyncio.Task[None]] = []
        self._numbers = count(1)
        self._came: dict[Worker | None, float] = {}  #: who may have opened shards, None: nobody that is seen here

    # --- what may happen ------------------------------------------------------------------------------------------

    async def starts(self, number: int) -> None:
        if len(self.live) < _MOST_WORKERS:
            worker = self.kafka.worker(self._source, frozenset())
            self._came[worker] = self.kafka.clock.monotonic()
            self.workers.append(worker)
            self.live.append(worker)
            self._runs.append(asyncio.get_running_loop().create_task(worker.run()))
            await asyncio.sleep(0.05)
            await self.rebalances(number)

    async def rebalances(self, number: int) -> None:
        """All that hear of it get other partitions; the others keep what they think that they have."""
        hearing = [one for one in self.live if one not in self.stale]
        shares: list[list[int]] = [[] for _ in hearing]
        for shard in range(SHARDS) if hearing else ():
            shares[number // len(hearing) ** shard % len(hearing)].append(shard)
        for worker, share in zip(hearing, shares, strict=True):
            await self.member(worker).rebalance(*share)

    async def misses_a_rebalance(self, number: int) -> None:
        if len(self.live) - len(self.stale) > 1:
            worker = _chosen([one for one in self.live if one not in self.stale], number)
            self.stale.add(worker)
            self.member(worker).deaf = self.member(worker).cut_off = True
            await self.rebalances(number)

    async def hears_again(self, number: int) -> None:
        for worker in self.stale:
            self.member(worker).deaf = self.member(worker).cut_off = False
        self.stale.clear()
        await self.rebalances(number)

    async def breaks_down(self, number: int) -> None:
        if hearing := [one for one in self.live if one not in self.stale]:
            self.member(_chosen(hearing, number)).break_down()

    async def terminates(self, number: int) -> None:
        """SIGTERM under load, perhaps while commits fail; the others, if there are any, get the partitions later."""
        if not self.live:
            return
        for shard in range(SHARDS):
            self.kafka.refuses[shard] += number // 36 % 4
        for chat in self._open():
            self._says(chat, "Alive")
        worker = _chosen(self.live, number)
        self.live.remove(worker)
        self.stale.discard(worker)
        drain = self._drained(worker, (25.0, 4.0, 0.5)[number // 4 % 3])
        self._drains.append(asyncio.get_running_loop().create_task(drain))
        await asyncio.sleep((0.0, 0.5, 3.0)[number // 12 % 3])
        await self.rebalances(number)

    async def opens(self, number: int) -> None:
        if len(self.announced) < 8:
            chat = f"0000CHAT{next(self._numbers):08}"
            self.chats.said[chat] = number % 3
            self.announced[chat] = number % SHARDS
            self.kafka.announce(number % SHARDS, chat, *SERVERS[:: 1 if number % 2 else -1])

    async def is_announced_again(self, number: int) -> None:
        if self.announced:
            chat = _chosen(sorted(self.announced), number)
            self.kafka.announce(self.announced[chat], chat, *SERVERS[:: 1 if number % 2 else -1])

    async def speaks(self, number: int) -> None:
        if open_chats := self._open():
            self._says(_chosen(open_chats, number), "Alive")

    async def speaks_much(self, number: int) -> None:
        for _ in range(number % 40):
            await self.speaks(number)

    async def ends(self, number: int) -> None:
        if open_chats := self._open():
            chat = _chosen(open_chats, number)
            self._says(chat, "Over")
            self._is_over(chat)

    async def ends_unseen(self, number: int) -> None:
        if open_chats := self._open():
            chat = _chosen(open_chats, number)
            for server in self._servers():
                for wire in server.parties(chat):
                    wire.drops()
            self._is_over(chat)

    async def logs_out(self, number: int) -> None:
        if open_chats := self._open():
            chat = _chosen(open_chats, number)
            for server in self._servers():
                for wire in server.parties(chat):
                    wire.logs_out(LOGGED_OUT, chat)
                server.in_chat[chat] = []

    async def drops(self, number: int) -> None:
        self._server(number).drops()

    async def dies(self, number: int) -> None:
        self._server(number).dies()

    async def is_mute(self, number: int) -> None:
        self._server(number).mute = True

    async def serves_again(self, _: int) -> None:
        for server in self._servers():
            server.up, server.mute, server.deaf = True, False, False

    async def takes_no_bytes(self, number: int) -> None:
        self._server(number).deaf = True

    async def steals(self, number: int) -> None:
        self._came[None] = self.kafka.clock.monotonic()
        self.kafka.steal(number % SHARDS)

    async def refuses(self, number: int) -> None:
        self.kafka.refuses[number % SHARDS] += number // SHARDS % 4

    async def loses_an_answer(self, number: int) -> None:
        self.kafka.loses.add(number % SHARDS)

    async def is_slow(self, number: int) -> None:
        self.kafka.slow[number % SHARDS] = (0.0, 0.2, 2.0)[number // SHARDS % 3]

    async def answers_late(self, number: int) -> None:
        self.kafka.answers_after = (0.0, 0.1, 1.0)[number % 3]

    async def meets_a_defect(self, number: int) -> None:
        """A task of a shard's source ends with a defect: the shard is started again."""
        if shards := [shard for worker in self.live for shard in worker.shards]:
            self._failed[_chosen(shards, number).source](ZeroDivisionError())

    async def goes_away(self, number: int) -> None:
        self.kafka.away = bool(number % 2)

    async def does_not_answer(self, number: int) -> None:
        self.kafka.silent = bool(number % 2)

    # --- what must hold ------------------------------------------------------------------------------------------

    async def settle(self, number: int = 0) -> None:
        """Everything works again; then all is as it should be, and the workers stop one after the other."""
        kafka = self.kafka
        kafka.away = kafka.silent = False
        kafka.refuses.clear()
        kafka.loses.clear()
        kafka.slow.clear()
        kafka.answers_after = 0.0
        await self.serves_again(number)
        await self.hears_again(number)
        if not self.live:
            await self.starts(number)
        await asyncio.sleep(70)  # calls that are not answered end
        await asyncio.gather(*self._drains)
        await asyncio.sleep(_CALM_SECONDS)
        self._owners_watch_their_chats(but={chat for chat in self._open() if self._given_up(chat)})
        for chat in self._open():
            await self.is_announced_again(sorted(self.announced).index(chat))
        await asyncio.sleep(_CALM_SECONDS)
        self._owners_watch_their_chats()
        nothing_is_lost(self.kafka, self.chats, self.snapshots)
        for server in self._servers():
            server.in_chat = {chat: server.parties(chat) for chat in self.announced}
        for worker in list(self.live):
            self.live.remove(worker)
            for chat in self._open():
                self._says(chat, "Alive")
            if self.live:
                draining = asyncio.get_running_loop().create_task(self._drained(worker, 25.0, well=True))
                await asyncio.sleep(1)
                await self.rebalances(number)
                await draining
                await asyncio.sleep(_CALM_SECONDS)
                self._owners_watch_their_chats()
            else:
                await self._drained(worker, 25.0, well=True)
        nothing_is_lost(self.kafka, self.chats, self.snapshots)
        assert not any(any(server.in_chat.values()) for server in self._servers())  # P4: all left with KeepAlive
        assert {one.error for one in self.facts(ShardCrashed)} <= {ZeroDivisionError.__name__}
        assert self.facts(ChatFailed) == []

    def _given_up(self, chat: str) -> bool:
        return any(state_of(worker, chat) == GIVEN_UP for worker in self.live)

    def _owners_watch_their_chats(self, but: Collection[str] = ()) -> None:
        shards = {shard.partition: shard for worker in self.live for shard in worker.shards}
        assert sorted(shards) == list(range(SHARDS))
        assert sum(1 for worker in self.live for _ in worker.shards) == SHARDS
        assert [worker.problems() for worker in self.live if list(worker.shards)] == [
            [] for worker in self.live if list(worker.shards)
        ]
        for shard in shards.values():
            assert set(shard.source.followed) == {chat.session_id for chat in shard.store.followed()}
        for chat, shard_of_chat in self.announced.items():
            parties = [wire for server in self._servers() for wire in server.parties(chat)]
            watched = chat not in self.chats.over and chat not in but
            assert len(parties) == watched, (chat, parties)
            at = shards[shard_of_chat].source.joined_at(chat)
            assert (at is not None) == watched, (chat, at)
            assert sum(joined_at(worker, chat) is not None for worker in self.live) == watched
            assert (chat in self.kafka.closed()) >= (not watched), chat
        assert len(self.kafka.open) == len(self.live) + SHARDS
        assert len(self.open_connections()) == sum(shard.source.connections for shard in shards.values())

    async def _drained(self, worker: Worker, seconds: float, *, well: bool = False) -> None:
        """Drain a worker, and check that it says the truth; `well`: nothing disturbs it."""
        began = self.kafka.clock.monotonic()
        shards = [shard for shard in worker.shards if not shard.fenced]
        alone = not self.live and not any(list(one.shards) for one in self.workers if one is not worker)
        alone &= all(at < began - _UNNOTICED_SECONDS for one, at in self._came.items() if one is not worker)
        complete = await self.drain(worker, seconds)
        assert self.kafka.clock.monotonic() - began <= seconds + 2.1 + CALL_SECONDS
        assert list(worker.shards) == []
        told = self.facts(Drained)[-1]
        assert told.complete == complete
        assert complete or not well
        if alone and all(at < began for one, at in self._came.items() if one is not worker):
            assert not any(shard.fenced for shard in shards)
        stored = {(record["sessionId"], record["eventId"]) for record in stored_events(self.kafka)}
        for shard in shards:
            lost = set(self.delivered[shard.source]) - stored
            assert shard.source.connections == 0
            assert not (complete and not shard.fenced and lost), lost

    # --- inside --------------------------------------------------------------------------------------------------

    def _source(self, deliver: Deliver, failed: Failed) -> SessionManager:
        told: list[tuple[str, int]] = []

        def delivered(update: Update, size: int) -> None:
            if isinstance(update, TranscriptUpdate):
                told.extend((update.session_id, event.event_id) for event in update.transcript.chat_event_list)
                self.snapshots[update.session_id] += update.snapshot
            deliver(update, size)

        source = self.servers.make_source(delivered, failed)
        self.delivered[source] = told
        self._failed[source] = failed
        return source

    def _says(self, chat: str, status: str) -> None:
        self.chats.said[chat] += 1
        for server in self._servers():
            for wire in server.parties(chat):
                wire.says(**server.info(chat, status, server.message(self.chats.said[chat], "text")))

    def _is_over(self, chat: str) -> None:
        self.chats.over.add(chat)
        for server in self._servers():
            server.in_chat.pop(chat, None)

    def _open(self) -> list[str]:
        return [chat for chat in sorted(self.announced) if chat not in self.chats.over]

    def _servers(self) -> Iterator[TellingServer]:
        return (one for one in self.servers.servers.values() if isinstance(one, TellingServer))

    def _server(self, number: int) -> TellingServer:
        return list(self._servers())[number % len(SERVERS)]


def _chosen(among: Sequence[_T], number: int) -> _T:
    return among[number % len(among)]
