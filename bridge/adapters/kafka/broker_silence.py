"""How long no broker has answered a client that keeps asking. Pure."""

from __future__ import annotations

from typing import Final

SILENCE_SECONDS: Final = 45.0
"""A client that no broker has answered for so long is given up; the next one asks the bootstrap servers.

aiokafka asks only the brokers that it knows: it never finds those that have moved to other addresses meanwhile
(aio-libs/aiokafka#456). A new consumer joins its group within seconds, and shards try to open every ten seconds: a
minute after the last answer they write again. Other clients are made anew anyway: the producer of a shard, or of
all shards of a worker, after each transaction that fails, the others each time.
"""
_LONGEST_STEP: Final = 2.0


class BrokerSilence:
    """Adds up the time between answers, from one call of `note` to the next. Times in seconds, from any origin.

    A step counts for two seconds at most: a process that stood still itself has missed no answers.
    """

    def __init__(self) -> None:
        """It begins with the first call of `note`."""
        self.seconds = 0.0
        self._answered_at = 0.0
        self._noted_at: float | None = None

    def note(self, answered_at: float, now: float) -> None:
        """Note when a broker has answered last."""
        passed = 0.0 if self._noted_at is None else now - self._noted_at
        self._noted_at = now
        if answered_at > self._answered_at:
            self._answered_at, self.seconds = answered_at, 0.0
        else:
            self.seconds += min(passed, _LONGEST_STEP)
