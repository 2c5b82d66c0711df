"""Who owns a shard: what it asks, and when.

Before opening a writer, a shard always asks the group coordinator whether the partition is still assigned to this
worker: one that was paused for a minute does not know that it lost its partitions, and would fence their new owner.

Whoever opens a shard initialises its transactional id and, as the claims in its checkpoints say, those of the workers
that could write it, and with that fences every former owner. So the outcome of any transaction, with the claims where
one id is that of all shards of a worker, says for certain whether another worker opened the shard meanwhile, whatever
the group knows of it. A shard that has nothing to commit probes: it commits a transaction that holds nothing but a
marker.

On the way out the worker leaves the group, and the shard goes on as before, after `Shard.hand_over`, and probes every
second: it is fenced when its new owner has opened it. That others are in the group does not end it: if a commit fails
meanwhile, it goes on as long as its claim is the last one. After `Shard.drain` nothing comes in any more: the chats are
left at once, and what is in the inbox is committed, in as many attempts as that takes; before each of them the claims,
or else the group, are asked whether another worker has the partition by now. An announcement that is not committed by
then is left to the next owner, who reads it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.errors import KafkaUnavailable, ShardFenced

if TYPE_CHECKING:
    from bridge.capture.ports import CheckAssignment

_HANDING_OVER_SECONDS: Final = 1.0


class ProbeTimer:
    """Tells when the next probe is due. Times are monotonic, in seconds, and arguments of every call."""

    def __init__(self, interval: float) -> None:
        """`interval`: longest time between two transactions."""
        self._interval = interval
        self._proved_at = 0.0
        self._asked = False

    def ask(self) -> None:
        """Make a probe due now."""
        self._asked = True

    def hand_over(self) -> None:
        """Probe every second from now on: another worker is about to open the shard."""
        self._interval = min(self._interval, _HANDING_OVER_SECONDS)

    def rest(self, now: float) -> float:
        """Return the seconds until the next probe is due, 0.0 when it is."""
        return 0.0 if self._asked else max(self._proved_at + self._interval - now, 0.0)

    def begin(self, now: float) -> bool:
        """Return whether the transaction that begins now has to be a probe, too; it answers what was asked."""
        due = not self.rest(now)
        self._asked = False
        return due

    def proved(self, now: float) -> None:
        """Kafka accepted this owner: the shard was opened, or a transaction was committed."""
        self._proved_at = now


async def still_ours(check_assignment: CheckAssignment, *, draining: bool, leaving: bool) -> bool:
    """Return whether this worker may open a shard again, although its producer was fenced.

    While that is unknown the shard asks again before it opens a writer. But if it is `leaving` the group and another
    one is expected to take it over, then that is who fenced it.
    """
    try:
        await check_assignment()
    except ShardFenced:
        return False
    except KafkaUnavailable:
        return draining or not leaving
    return True
