"""How many transactions a broker has completed, by its own log of them.

The topic `__transaction_state` has a record for each change of a transaction's state. Its key is a version (two bytes)
and the transactional id; in its value the state follows a version, the producer's id and epoch, and the time-out (2, 8,
2 and 4 bytes), by Kafka's message definitions TransactionLogKey and TransactionLogValue.
"""

from __future__ import annotations

from typing import Final

from tests.bench.read_topics import read

TOPIC: Final = "__transaction_state"
_STATE_AT: Final = 16
_COMPLETE_COMMIT: Final = 4


def commit_times(broker: str, group: str) -> list[float]:
    """Return when each transaction of a group of workers was completed, in seconds since the epoch."""
    ours = f"{group}-".encode()
    return [
        message.timestamp()[1] / 1000
        for message in read(broker, TOPIC)
        if ours in (message.key() or b"")
        and len(value := message.value() or b"") > _STATE_AT
        and value[_STATE_AT] == _COMPLETE_COMMIT
    ]
