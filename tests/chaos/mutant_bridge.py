"""`python -m tests.chaos.mutant_bridge MUTANT run ...`: `chatbridge` with one deliberate defect.

That is one of `MUTANTS`, or a step of the hand-over that is left out (`left_out_steps.py`). The code on disk is
unchanged; the defect is patched in before the command starts.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from bridge import cli
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.capture.ports import Batch
from bridge.capture.shared_writer import SharedWriter
from bridge.errors import BridgeError
from bridge.transcript.entries import COMPLETE
from bridge.transcript.ranges import IdRanges
from bridge.transcript.state import SlowMemory
from bridge.transcript.watching import Watching
from tests.chaos.left_out_steps import leave_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.transcript.entries import Certificate

CHECKPOINT_FIRST: Final = "checkpoint-first"
BY_MAXIMUM: Final = "by-maximum"
FAILURE_IGNORED: Final = "failure-ignored"
ALWAYS_COMPLETE: Final = "always-complete"
INTERVAL_DROPPED: Final = "interval-dropped"
_CHECKPOINTS: Final = TopicNames("").checkpoints


def _checkpoint_first() -> None:
    """Break P3: checkpoints and offsets are committed before the events, in a transaction of their own."""
    commit = SharedWriter.commit

    async def in_two(self: SharedWriter, batch: Batch) -> None:
        await commit(self, replace(batch, records=[one for one in batch.records if one.topic.endswith(_CHECKPOINTS)]))
        await commit(self, Batch([one for one in batch.records if not one.topic.endswith(_CHECKPOINTS)]))

    SharedWriter.commit = in_two  # type: ignore[method-assign]


def _by_maximum() -> None:
    """Break P1: an id counts as delivered when it is not above the highest one."""

    def contains(self: IdRanges, value: int) -> bool:
        return self.maximum is not None and value <= self.maximum

    IdRanges.__contains__ = contains  # type: ignore[method-assign]


def _failure_ignored() -> None:
    """Break the rule about failed transactions: after an error the shard goes on as if there had been none."""
    commit = SharedWriter.commit

    async def whatever_happens(self: SharedWriter, batch: Batch) -> None:
        with contextlib.suppress(BridgeError):
            await commit(self, batch)

    SharedWriter.commit = whatever_happens  # type: ignore[method-assign]


def _always_complete() -> None:
    """Break what a certificate is for: whatever is missing, it says COMPLETE, without a reason."""
    certificate = SlowMemory.certificate

    def blind(self: SlowMemory, *args: Any, **more: Any) -> Certificate:
        return replace(certificate(self, *args, **more), verdict=COMPLETE, reasons=[])

    SlowMemory.certificate = blind  # type: ignore[method-assign]


def _interval_dropped() -> None:
    """Forget the intervals in which nobody was watching, once they are over."""

    def resumed(self: Watching, at: int) -> None:  # noqa: ARG001
        self.away = None

    Watching.resumed = resumed  # type: ignore[method-assign]


MUTANTS: Final[Mapping[str, Callable[[], None]]] = {
    CHECKPOINT_FIRST: _checkpoint_first,
    BY_MAXIMUM: _by_maximum,
    FAILURE_IGNORED: _failure_ignored,
    ALWAYS_COMPLETE: _always_complete,
    INTERVAL_DROPPED: _interval_dropped,
}

if __name__ == "__main__":
    mutant = sys.argv.pop(1)
    if mutant in MUTANTS:
        MUTANTS[mutant]()
    else:
        leave_out(mutant)
    sys.exit(cli.main())
