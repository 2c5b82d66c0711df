"""The attempts of a shard to open its writer: how long to wait between them, and what is told of those that failed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from bridge.errors import KafkaUnavailable, PartitionsRaised, TopicMismatch
from bridge.facts import KafkaErrorMet, PartitionsAdopted, ShardNotOpened, TransactionFailed

if TYPE_CHECKING:
    from bridge.backoff import Backoff
    from bridge.capture.ports import Clock
    from bridge.telemetry import Telemetry

_WORKED_SECONDS: Final = 10.0
"""A shard that ran for longer than this before it failed is opened again after the shortest delay."""
_HURRIED_SECONDS: Final = 0.5
"""Longest pause of a shard that has to end."""


class Attempts:
    """One attempt after the other. `begin`, then `opened` once it is restored, `failed` if it failed, then `pause`.

    `began` is the monotonic time at which the last one began.
    """

    def __init__(self, partition: int, backoff: Backoff, clock: Clock, telemetry: Telemetry) -> None:
        """`partition` is the shard's number, for the log."""
        self._partition = partition
        self._backoff = backoff
        self._clock = clock
        self._telemetry = telemetry
        self._hurried = False
        self._woken = asyncio.Event()
        self.began = 0.0
        self._opened = False
        self._told = ""

    def hurry(self) -> None:
        """End the pause under way, and keep the next ones short."""
        self._hurried = True
        self._woken.set()

    def wake(self) -> None:
        """End the pause under way, or skip that after the attempt under way: something has changed meanwhile."""
        self._backoff.reset()
        self._woken.set()

    def begin(self) -> None:
        """Begin an attempt."""
        self.began = self._clock.monotonic()
        self._opened = False
        self._woken.clear()

    def opened(self) -> None:
        """Note that the shard is restored: what fails now is a transaction."""
        self._opened = True
        self._woken.clear()

    def failed(self, error: Exception) -> None:
        """Report the error: by the class of the client's error, which is more specific than the bridge's own."""
        name = type(error.__cause__ or error).__name__
        if isinstance(error, KafkaUnavailable | TopicMismatch):  # else what fails is a key, or a checkpoint
            self._telemetry.emit(KafkaErrorMet(error=name))
        if isinstance(error, PartitionsRaised):
            self._telemetry.emit(PartitionsAdopted(shard=self._partition))
        elif self._opened:
            self._telemetry.emit(TransactionFailed(shard=self._partition, error=name))
        elif name != self._told:  # once, not every ten seconds of an outage
            self._telemetry.emit(ShardNotOpened(shard=self._partition, error=name))
        self._told = "" if self._opened else name

    async def pause(self) -> None:
        """Wait until it is time for the next attempt."""
        if self._clock.monotonic() - self.began > _WORKED_SECONDS:
            self._backoff.reset()
        delay = self._backoff.next()
        if self._hurried:
            await asyncio.sleep(min(delay, _HURRIED_SECONDS))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._woken.wait()
