"""A bridge that captures chats, and what must be the same before and after a fault of Kafka."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.integration.e2e_environment import (
    E2EEnvironment,
    all_joined,
    captured,
    followed,
    joins_and_leaves,
    reasons,
)
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


QUICK_TRANSACTION_TIMEOUT = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"}
SHORT_KAFKA_TIMEOUTS = {
    "kafka__client__request_timeout_ms": 2000,
    "kafka__transaction_timeout_seconds": 10,
    "kafka__session_timeout_seconds": 6,
}
WAITING = "COMMIT_SLOW"


@dataclass
class CapturingBridge:
    """A bridge that captures chats. `asked`: joins and leaves so far, which a fault of Kafka must not change (P4)."""

    environment: E2EEnvironment
    bridge: Bridge
    chats: Simulator
    pid: int
    asked: dict[str, int] = field(default_factory=dict)

    def wait_unready(self, *wanted: str, seconds: float = 15) -> None:
        """Wait until `/readyz` gives a reason with one of these codes or words; the process stays alive."""

        def reported() -> bool:
            return any(word in reason for word in wanted for reason in reasons(self.bridge))

        wait_for(reported, seconds, lambda: f"no reason {wanted}: {self.bridge.get('/readyz')[1]!r}")
        assert self.bridge.get("/livez")[0] == 200

    def shards_with(self, code: str, words: str = "") -> set[int]:
        """Return the shards of which a reason of `/readyz` has this code and these words."""
        found = (re.match(rf"{code}: shard (\d+): ", reason) for reason in reasons(self.bridge) if words in reason)
        return {int(one[1]) for one in found if one}

    def wait_recovered(self, seconds: float = 45) -> None:
        """Wait until it is ready and captures again, without a restart and without leaving or rejoining a chat (P4)."""
        wait_for(lambda: self.bridge.ready, seconds, lambda: f"not ready: {self.bridge.get('/readyz')[1]!r}")
        before = captured(self.bridge)
        wait_for(lambda: captured(self.bridge) > before + 50, 20, "nothing is captured any more")
        assert self.bridge.running
        assert self.bridge.pid == self.pid
        assert joins_and_leaves(self.chats) == self.asked
        assert self.chats.stats()["droppedConnections"] == {}
        assert all_joined(self.bridge)
        wait_for(lambda: self.oldest_seconds() < 2, 20, "the backlog stays")

    def oldest_seconds(self) -> float:
        return self.bridge.metric("chatbridge_oldest_uncommitted_event_seconds")

    def transactions(self, outcome: str) -> float:
        return self.bridge.metric("chatbridge_transactions_total", outcome=outcome)

    def buffered(self) -> float:
        return self.bridge.metric("chatbridge_buffer_bytes")

    def sequences(self) -> dict[int, int]:
        """How many records of its chats each shard has folded."""
        found: Counter[int] = Counter()
        for chat in followed(self.bridge):
            found[chat["shard"]] += chat["sequence"]
        return dict(found)

    def finish(self) -> None:
        """End the chats once all that was said is captured, compare the topics with the ledger, end the bridge.

        A bridge that is behind would lose what a server that ends has not sent: the GAPs say so, correctly.
        """
        said = self.chats.stats()["events"]
        wait_for(lambda: captured(self.bridge) >= said, 60, lambda: f"{captured(self.bridge)} of {said} are captured")
        result = self.environment.finish(self.chats)
        assert result.explained == []
        # Nobody counts a commit whose shard ended (its partition was revoked) before it knew that it had succeeded.
        in_doubt = self.transactions("failed") + self.transactions("fenced")
        assert captured(self.bridge) == result.records or (in_doubt and captured(self.bridge) < result.records)
        assert self.bridge.terminate() == 0


@contextmanager
def capturing_bridge(
    environment: E2EEnvironment, count: int = 10, rate: int = 100, **settings: Any
) -> Iterator[CapturingBridge]:
    """Start a bridge and a Chat Server; yield when all chats are joined and captured."""
    with environment.bridge(**settings) as bridge:
        bridge.wait_ready()
        with environment.chats(concurrent_chats=count, events_per_second=rate) as chats:
            wait_for(lambda: all_joined(bridge, count) and captured(bridge) > 100, 30, "the chats are not captured")
            yield CapturingBridge(environment, bridge, chats, bridge.pid, joins_and_leaves(chats))
