"""A port of this machine that leads to a broker over a slow link."""

from __future__ import annotations

import asyncio
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bridge.sandbox import LocalBroker
from tests.support.movable_address import MovableAddress

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS: Final = 0.01
"""After which another rate counts, also for what is on its way."""


class SlowAddress(MovableAddress):
    """What comes back from the target shares so many bytes per second; the connections take turns, as on a real link.

    `passed` is how many came.
    """

    def __init__(self) -> None:
        super().__init__(0)
        self.bytes_per_second = math.inf
        self.passed = 0
        self._link = asyncio.Lock()

    async def _comes(self, data: bytes) -> None:
        async with self._link:
            left = float(len(data))
            while (left := left - self.bytes_per_second * _SECONDS) > 0:  # noqa: ASYNC110 - a pace
                await asyncio.sleep(_SECONDS)
            self.passed += len(data)


@contextmanager
def broker_over_slow_link() -> Iterator[SlowAddress]:
    """Give the address that a broker of its own advertises."""
    with SlowAddress() as address, LocalBroker(overrides={"advertised.listeners": f"PLAINTEXT://{address}"}) as broker:
        address.target = broker.nodes[0].port
        yield address
