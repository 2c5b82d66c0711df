"""A shard that is fed by hand: no source delivers, and no group assigns."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest

from bridge.backoff import Backoff
from bridge.capture.inbox import Announced, Forgotten, PassedOver, StillWatched
from bridge.capture.pacing import EventRate
from bridge.capture.preparation import NothingToPrepare
from bridge.capture.session_store import SessionStore
from bridge.capture.shard import Shard
from bridge.capture.shard_settings import ShardSettings
from bridge.capture.stored_door import StoredDoor
from bridge.capture.stored_inputs import StoredInput, StoredRead
from tests.capture.scripted_logs import steady
from tests.capture.scripted_stored import NoStoredTopic
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from bridge.capture.consumer_ports import StoredTopic
    from bridge.capture.inbox import Input
    from bridge.capture.ports import (
        Batch,
        Clock,
        Deliver,
        Failed,
        MakeFeeder,
        PlaceUse,
        Preparation,
        TransactionalWriter,
    )
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.shard_recovery import ShardRecovery
    from bridge.telemetry import Telemetry


class SilentSource:
    """Delivers nothing: the tests do."""

    connections = 0
    followed: Collection[str] = ()
    unstable: ClassVar[dict[str, int]] = {}
    places: ClassVar[dict[str, PlaceUse]] = {}
    unreachable: ClassVar[dict[str, str]] = {}
    has_link = False
    chats_joined = 0

    def __init__(self, deliver: Deliver, failed: Failed) -> None:
        self.deliver = deliver
        self.failed = failed

    def joined_at(self, session_id: str) -> str | None:
        return "chat-1:4800" if session_id == CHAT else None

    def follow(self, session_id: str, places: tuple[str, ...], secret: str | None) -> None:
        pass

    def forget(self, session_id: str) -> None:
        pass

    def acknowledge(self, session_id: str) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    async def close(self, *, leave: bool) -> None:
        pass


@dataclass(slots=True, frozen=True)
class UnclaimedShard:
    """`WritersOfShard` that leave nothing behind."""

    writer: Callable[[int], TransactionalWriter]

    async def release(self, partition: int) -> None:
        """Nobody has to be told."""


def hand_fed_shard(
    partition: int,
    make_writer: Callable[[int], TransactionalWriter],
    clock: Clock,
    telemetry: Telemetry,
    store_settings: SessionStoreSettings,
    *,
    preparation: Preparation | None = None,
    recovery: ShardRecovery | None = None,
    stored_topic: StoredTopic | None = None,
    make_feeder: MakeFeeder | None = None,
    hold_back: float = 0.0,
) -> Shard:
    """Return a shard that is always assigned; its owner is that of `store_settings`. Its logs are steady by default."""

    async def check_assignment() -> None:
        await asyncio.sleep(0.01)

    return Shard(
        partition,
        ShardSettings(1 << 20, hold_back=hold_back),
        owner=store_settings.owner,
        store_settings=store_settings,
        check_assignment=check_assignment,
        writers=UnclaimedShard(make_writer),
        make_source=SilentSource,
        preparation=preparation or NothingToPrepare(),
        stored=StoredDoor(partition, stored_topic or NoStoredTopic(), make_feeder),
        recovery=recovery or steady(partition, store_settings, clock, telemetry),
        backoff=Backoff(lambda: 0.5),
        clock=clock,
        rate=EventRate(),
        telemetry=telemetry,
    )


_NOT_OF_THE_SOURCE = Forgotten | PassedOver | StillWatched | StoredRead | StoredInput


def feed(shard: Shard, inputs: Sequence[Input]) -> None:
    """Deliver inputs at once, so that they come into one batch."""
    for one in inputs:
        if isinstance(one, Announced):
            shard.announced(one)
        elif not isinstance(one, _NOT_OF_THE_SOURCE):
            shard.update_received(one, 100)


async def until(condition: Callable[[], bool]) -> None:
    """Wait, by the loop's time."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    pytest.fail("the condition was not met within 100 s")


async def settled(shard: Shard) -> None:
    """Wait until the shard is open and all that it was fed is committed."""
    await until(lambda: shard.problem is None and not shard.buffer_bytes)


@asynccontextmanager
async def while_it_runs(shard: Shard) -> AsyncIterator[Shard]:
    """Run a shard, and give it once it is settled; at the end its task is cancelled, as that of a process that dies."""
    task = asyncio.ensure_future(shard.run())
    try:
        await settled(shard)
        yield shard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def without_faults(partition: int, store_settings: SessionStoreSettings, *batches: Sequence[Input]) -> list[Batch]:
    """Return what one store, which nothing disturbs, makes of these batches."""
    store = SessionStore(partition, store_settings)
    return [store.fold(inputs, 1).batch for inputs in batches]
