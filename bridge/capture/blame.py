"""What follows from a transaction of several shards that failed: which fail with it, and which are written again.

Pure. Whoever is written again is written as before, in a new transaction: nothing of the failed one was committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.errors import KafkaUnavailable, ShardFenced, TransactionHeldUp

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Mapping

    from bridge.errors import BridgeError

PATIENCE: Final = 5.0
"""Seconds after which records that Kafka does not acknowledge no longer hold up other shards."""


def error_of(one: asyncio.Future[None]) -> Exception | None:
    """Return the error that a wait for a shard's records ended with: a BridgeError, or a defect in what it writes."""
    if not one.done():
        return None
    if one.cancelled():
        return KafkaUnavailable("the producer was closed")
    error = one.exception()
    if error is None or isinstance(error, Exception):
        return error
    raise error


def failed_parts(outcomes: Mapping[int, Exception]) -> Mapping[int, Exception]:
    """Return which shards fail, with the error of each: those whose records were refused, or have a defect.

    `outcomes` are those of all shards of the transaction that ended with an error. None fails when the worker was
    fenced: claims tell which shards are still its own. All fail when Kafka refused no shard in particular.
    """
    if any(isinstance(error, ShardFenced) for error in outcomes.values()):
        return {}
    refused = {shard: error for shard, error in outcomes.items() if not isinstance(error, TransactionHeldUp)}
    return refused or outcomes


def late_parts(late: Collection[int], seconds: float, *, others: bool, most: float) -> Mapping[int, BridgeError]:
    """Return which shards fail: records or offsets of theirs are late after so many seconds; empty: wait on.

    `late` are those shards, `others` says whether any others were acknowledged or wait for their turn. If there are
    none, Kafka is away as a whole, and there is nobody to be held up: that is waited for, for `most` seconds.
    """
    if seconds < (PATIENCE if others else most):
        return {}
    error = KafkaUnavailable(f"Kafka did not acknowledge what the shard writes within {seconds:.0f} s")
    return dict.fromkeys(late, error)
