"""How many transactions a broker has completed, by its own log of them."""

from __future__ import annotations

from tests.bench.read_topics import read
from tests.support.transaction_states import COMPLETE_COMMIT, TRANSACTIONS, transaction_state


def commit_times(broker: str, group: str) -> list[float]:
    """Return when each transaction of a group of workers was completed, in seconds since the epoch."""
    return [
        message.timestamp()[1] / 1000
        for message in read(broker, TRANSACTIONS)
        if (found := transaction_state(message.key(), message.value())) is not None
        and found.transactional_id.startswith(f"{group}-")
        and found.state == COMPLETE_COMMIT
    ]
