"""A batch that a shard has handed in, to be written in a transaction of its worker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.capture.ports import Batch
    from bridge.capture.shard_claims import HeldShard


@dataclass(slots=True, eq=False)
class HandedIn:
    """`done` is how its shard hears of it: `fail` or `committed`, of which the first counts."""

    held: HeldShard
    batch: Batch
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, error: BaseException) -> None:
        """Tell the shard why it is not written, or not known to be."""
        if not self.done.done():
            self.done.set_exception(error)

    def committed(self) -> None:
        """Tell the shard that it is durable."""
        if not self.done.done():
            self.done.set_result(None)


def batches_of(parts: Mapping[int, HandedIn]) -> dict[int, Batch]:
    """Return the batch of each shard."""
    return {shard: part.batch for shard, part in parts.items()}
