"""A simulated Chat Server for one run of a benchmark: it announces its chats to the bridge of that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.topic_manager import TopicNames
from tests.support.processes import Simulator

if TYPE_CHECKING:
    from pathlib import Path

FLAT_OUT: Final = 12_000
"""Events per second: more than this machine gets through, as the bare producer is not held back either."""


def announced_chats(broker: str, folder: Path, prefix: str, **flags: object) -> Simulator:
    """Start a Chat Server that announces its chats on the topic of the bridge whose topics begin with `prefix`."""
    return Simulator(
        folder / f"{prefix}simulator.log",
        folder / f"{prefix}jsonl",
        kafka=broker,
        kafka_topic=TopicNames(prefix).announcements,
        **flags,
    )
