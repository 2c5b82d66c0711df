"""A shard that is opened while somebody else could still commit looks at its logs anew before it reads again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.capture.inbox import Inbox
from bridge.capture.pacing import EventRate
from bridge.capture.preparation import NothingToPrepare
from bridge.capture.shard_recovery import ShardRecovery
from bridge.capture.shard_transactions import ShardTransactions
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_logs import NAMES, SteadyLogs
from tests.capture.test_session_store import settings
from tests.capture.virtual_servers import VirtualClock, play
from tests.capture.written_topics import same_limits

if TYPE_CHECKING:
    from bridge.records.shard_facts import Logs


class FencesOnce(SteadyLogs):
    """Logs and a writer that had to fence somebody; `asked` has what was asked for, in order."""

    def __init__(self) -> None:
        super().__init__(NAMES)
        self.asked: list[str] = []
        self.limits = same_limits(1_000_000)

    async def look(self) -> Logs:
        self.asked.append("look")
        return await super().look()

    async def checkpoints(self) -> list[tuple[str, bytes]] | None:
        self.asked.append("checkpoints")
        return None if self.asked.count("checkpoints") == 1 else []


def test_logs_are_looked_at_anew_before_checkpoints_are_read_again() -> None:
    clock, telemetry, own = VirtualClock(), RecordedFacts(), settings(partition_of=lambda _: 0)
    inbox = Inbox(1_000, print, print)
    transactions = ShardTransactions(
        0,
        own,
        inbox,
        preparation=NothingToPrepare(),
        clock=clock,
        rate=EventRate(),
        linger_max=0.0,
        rest=0.0,
        telemetry=telemetry,
    )
    both = FencesOnce()
    writer: Any = both
    recovery = ShardRecovery(0, both, own, partitions=2, interval=30.0, clock=clock, telemetry=telemetry)

    async def scene() -> None:
        await transactions.restore(writer, recovery, since=0.0)

    play(scene())
    assert both.asked == ["look", "checkpoints"] * 2
