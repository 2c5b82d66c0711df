"""The topic `__transaction_state`, in which brokers keep what becomes of transactions, one record for each change.

The key is a version (two bytes) and the transactional id after its length (two bytes). In the value the state follows a
version, the producer's id and epoch, and the time-out (2, 8, 2 and 4 bytes), by Kafka's message definitions
TransactionLogKey and TransactionLogValue.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

TRANSACTIONS: Final = "__transaction_state"
"""The topic's name."""
COMPLETE_COMMIT: Final = 4
_ID_AT: Final = 4
_VALUE: Final = struct.Struct(">2xqhib")


class TransactionState(NamedTuple):
    """What a record says of the last transaction of an id; `producer` is Kafka's id of who has it."""

    transactional_id: str
    producer: int
    state: int


def transaction_state(key: bytes | None, value: bytes | None) -> TransactionState | None:
    """Return what a record of the topic says; None if it says that an id is not known any more."""
    if key is None or value is None:
        return None
    producer, _, _, state = _VALUE.unpack_from(value)
    return TransactionState(key[_ID_AT:].decode(), producer, state)
