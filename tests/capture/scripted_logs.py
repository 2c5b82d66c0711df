"""The logs of a scripted Kafka's shards: they begin at 0, and their topics may be made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.capture.outputs import log_topics
from bridge.capture.shard_recovery import ShardRecovery
from bridge.records.shard_facts import LogMark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bridge.capture.ports import Clock, StoredRecord
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.records.shard_facts import Logs
    from bridge.telemetry import Telemetry

NAMES = {kind: f"test.{kind}" for kind in ("announcements", "events", "sessions", "checkpoints")}

_MANY = 1_000_000


@dataclass
class SteadyLogs:
    """Logs that nobody has changed, and in which nothing is to be read; no announcement is left."""

    names: Mapping[str, str]

    async def look(self) -> Logs:
        return {kind: LogMark(kind.encode(), 0, _MANY if kind == "announcements" else 0) for kind in self.names}

    async def marked(self, kind: str) -> int:
        return (await self.look())[kind].end

    async def committed(self) -> int:
        return 0

    async def read(self, kind: str, start: int, end: int) -> AsyncIterator[Sequence[StoredRecord]]:
        assert start == end or kind == "announcements", f"nothing of {kind} is to be read"
        for _ in ():
            yield []


def steady(
    partition: int, settings: SessionStoreSettings, clock: Clock, telemetry: Telemetry, interval: float = 30.0
) -> ShardRecovery:
    """Return the recovery of a shard whose logs never change."""
    return ShardRecovery(
        partition,
        SteadyLogs(NAMES | log_topics(settings.outputs)),
        settings,
        partitions=2,
        interval=interval,
        clock=clock,
        telemetry=telemetry,
    )
