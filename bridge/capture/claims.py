"""Claims to shards: how workers that commit all their shards in one transaction agree who writes a shard.

With one transactional id per worker, fencing a worker fences all its shards. So a former holder is not told apart by
the shard's id but by the *claims* in the shard's checkpoint partition: records outside of transactions, each with a key
of its own, removed by a tombstone for that key. The claim that was written last and was not removed is in force. The
steps of who takes a shard, and what goes wrong without any one of them, are in `tests/handover` (DECISIONS 334).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.records.checkpoint_keys import claiming_worker

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bridge.capture.worker_ports import ClaimRecord


@dataclass(slots=True)
class ClaimList:
    """The claims of one shard that are not removed, in the order of the log, as far as it was read.

    `position` is the offset up to which it was read. A claim that is not seen counts as removed: so a list that begins
    at the offset of a claim shows whether that one is there, and whether it is the last one.
    """

    position: int = 0
    found: dict[str, str] = field(default_factory=dict)

    def read(self, records: Iterable[ClaimRecord], position: int) -> None:
        """Take what was read from `position` before to `position` now, in the order of the log."""
        for key, claimant in records:
            self.found.pop(key, None)
            if claimant is not None:
                self.found[key] = claimant
        self.position = position

    def last(self) -> str | None:
        """Return the key of the claim in force; None when there is none."""
        return next(reversed(self.found), None)

    def others(self, key: str) -> list[str]:
        """Return the keys of all claims but one."""
        return [one for one in self.found if one != key]

    def strangers(self, own: str) -> set[str]:
        """Return the transactional ids of the claims of others than `own`."""
        return {claimant for claimant in self.found.values() if claimant != own}

    def workers(self, own: str) -> set[str]:
        """Return the names of the workers whose claims are under other transactional ids than `own`."""
        return {claiming_worker(key) for key, claimant in self.found.items() if claimant != own}

    def twins(self, own: str, written: Collection[str]) -> bool:
        """Return whether there are claims under the id `own` with other keys than the `written` ones.

        They are of another process under the same name, which may run or have ended.
        """
        return any(claimant == own and key not in written for key, claimant in self.found.items())
