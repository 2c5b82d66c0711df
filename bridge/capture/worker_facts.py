"""What a worker tells of the transactions that it commits for all its shards together."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bridge.facts import Fact

if TYPE_CHECKING:
    from bridge.meters import Meters


@dataclass(slots=True, frozen=True, kw_only=True)
class TransactionRepeated(Fact):
    """A transaction of several shards failed before its end; what is not to blame, of so many, is written again."""

    level: ClassVar[int] = logging.WARNING

    shards: int

    def count(self, meters: Meters) -> None:
        """Count the transaction."""
        meters.transactions.labels("failed").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class WorkerFenced(Fact):
    """Another producer initialised the transactional id under which this worker commits all its shards."""

    level: ClassVar[int] = logging.WARNING

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.worker_fenced.inc()
