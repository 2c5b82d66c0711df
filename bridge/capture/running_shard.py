"""A shard and its task, as its worker sees them: in which state they are, and what became of them when it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Iterable

    from bridge.capture.shard import Shard


@dataclass(slots=True, eq=False)
class RunningShard:
    """A shard and the task that runs it. `reported`: a crash of the task is in the log."""

    shard: Shard
    task: asyncio.Task[None]
    reported: bool = False

    @property
    def crash(self) -> BaseException | None:
        """What a defect ended the task with; None when it runs, or ended otherwise."""
        return self.task.exception() if self.task.done() and not self.task.cancelled() else None


@dataclass(slots=True, frozen=True, kw_only=True)
class DrainResult:
    """What became of the shards of a worker that was drained: numbers of shards, and of what is not on Kafka.

    `unfinished` are those that were neither drained nor taken over by other workers.
    """

    handed_over: int = 0
    unfinished: int = 0
    inputs: int = 0
    bytes: int = 0


def states_of(runs: Collection[RunningShard], ending: Collection[RunningShard], *, draining: bool) -> dict[str, int]:
    """Return how many shards capture (open), are being opened, and are handed over or stopped (closing).

    `runs` are those that are assigned, `ending` those that are not any more. One that another worker has fenced is
    closing until the group has said whose it is.
    """
    kept = [run.shard for run in runs if not draining and not run.shard.fenced]
    opening = sum(shard.problem is not None for shard in kept)
    closing = len({*runs, *ending}) - len(kept)
    return {"open": len(kept) - opening, "opening": opening, "closing": closing}


def result_of(runs: Iterable[RunningShard]) -> DrainResult:
    """Return what became of the shards of a worker that was drained."""
    handed_over = sum(run.shard.fenced for run in runs)
    shards = [run.shard for run in runs if not (run.shard.fenced or run.shard.drained)]
    inputs = sum(shard.uncommitted for shard in shards)
    bytes_held = sum(shard.buffer_bytes for shard in shards if shard.uncommitted)
    return DrainResult(handed_over=handed_over, unfinished=len(shards), inputs=inputs, bytes=bytes_held)
