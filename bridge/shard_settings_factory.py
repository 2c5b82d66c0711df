"""The limits of the shards of a worker, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.capture.pacing import REST
from bridge.capture.shard_settings import ShardSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.capture.outputs import Output
    from bridge.config import Config

_LEAST_INBOX_BYTES: Final = 1 << 20


def shard_settings(config: Config, partitions: int, outputs: Sequence[Output], probe_after: float) -> ShardSettings:
    """Return the settings of one of so many shards. Messages wait only for an output that looks for split numbers."""
    looks = any(one.recording.redactor.split_rules for one in outputs)
    transactions_of_its_own = config.kafka.transactions == "shard"
    return ShardSettings(
        inbox_bytes=max(config.capture.inbox_bytes // partitions, _LEAST_INBOX_BYTES),
        # One transaction for all shards is as large as it gets, and the shards decide when it is about to begin.
        linger_max=config.capture.linger_max_seconds if transactions_of_its_own else 0.0,
        rest=REST if transactions_of_its_own else 0.0,
        probe_after=probe_after,
        hold_back=config.privacy.hold_back_seconds if looks else 0.0,
    )
