"""The steps of the hand-over by claims (`tests/handover/claim_states.py`), each left out of the code of the engine.

A step is some words of methods: they are replaced in the source, and the method is compiled again.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.capture.shard_claims import ShardClaims
from bridge.capture.shared_writer import SharedWriter
from bridge.capture.worker_ids import WorkerIds
from bridge.capture.worker_transactions import WorkerTransactions

if TYPE_CHECKING:
    from collections.abc import Mapping

_WRITTEN: Final = "held.offset = await self._topic.write(partition, held.key, held.claimant)"
_FENCED: Final = "await self._fence_each(fenced)"
_FENCED_BEFORE: Final = _FENCED.replace("fenced", "before.strangers(held.claimant)")
_LOOKED_BEFORE: Final = "before = ClaimList(); before.read(*(await self._topic.read({partition: 0}))[partition])"
_LATER: Final = "claims.last() != held.key"
_LANDED: Final = "await self._landed(partition)"
_NOTHING: Final = "pass"


@dataclass(slots=True, frozen=True)
class LeftOutStep:
    """What a method says, each of which it has once, and what it says with the defect."""

    owner: type
    method: str
    words: Mapping[str, str]

    def apply(self) -> None:
        """Change the method in this process."""
        source = textwrap.dedent(inspect.getsource(getattr(self.owner, self.method)))
        for said, says in self.words.items():
            if source.count(said) != 1:
                raise LookupError(f"{self.owner.__name__}.{self.method} does not say once: {said}")
            source = source.replace(said, says)
        found: dict[str, Any] = {}
        code = compile("from __future__ import annotations\n" + source, f"<changed {self.method}>", "exec")
        exec(code, vars(sys.modules[self.owner.__module__]), found)  # noqa: S102 - it is the engine's own source
        setattr(self.owner, self.method, found[self.method])


LEFT_OUT_STEPS: Final[Mapping[str, tuple[LeftOutStep, ...]]] = {
    "claim-not-written": (
        LeftOutStep(ShardClaims, "_claim", {_WRITTEN: "held.offset = 0"}),
        LeftOutStep(ShardClaims, "_read", {_LATER: "False"}),
    ),
    "claims-read-before-the-own-one-is-written": (
        LeftOutStep(ShardClaims, "_claim", {_WRITTEN: f"{_LOOKED_BEFORE}; {_WRITTEN}", _FENCED: _FENCED_BEFORE}),
    ),
    "later-claim-ignored": (LeftOutStep(ShardClaims, "_read", {_LATER: "False"}),),
    "claimants-fenced-before-the-claim": (
        LeftOutStep(
            ShardClaims,
            "_claim",
            {_WRITTEN: f"{_LOOKED_BEFORE}; {_FENCED_BEFORE}; {_WRITTEN}", _FENCED: _NOTHING},
        ),
    ),
    "claimants-not-fenced": (LeftOutStep(ShardClaims, "_claim", {_FENCED: _NOTHING}),),
    "claims-of-fenced-ones-stay": (
        LeftOutStep(ShardClaims, "_claim", {"await self._topic.remove(partition, others)": _NOTHING}),
    ),
    "claims-of-others-removed": (
        LeftOutStep(
            ShardClaims,
            "remove",
            {
                "await self._topic.remove(held.partition, [held.key])": _LOOKED_BEFORE.replace(
                    "partition", "held.partition"
                )
                + "; await self._topic.remove(held.partition, before.found)"
            },
        ),
    ),
    "claims-with-the-same-key": (
        LeftOutStep(ShardClaims, "claim", {"claim_key(self._worker, self._number())": "claim_key(self._worker, '1')"}),
    ),
    "claims-not-checked": (LeftOutStep(WorkerIds, "_opened", {"await self._claims.check()": _NOTHING}),),
    "claims-checked-of-the-last-shard": (
        LeftOutStep(
            ShardClaims,
            "check",
            {"for held in self._held.values() if": "for held in list(self._held.values())[-1:] if"},
        ),
    ),
    "claim-removed-while-committing": (
        LeftOutStep(WorkerTransactions, "leave", {_LANDED.replace("partition", "held.partition"): _NOTHING}),
    ),
    "claim-removed-before-those-of-others": (LeftOutStep(ShardClaims, "claim", {"if not held.removing:": "if True:"}),),
    "shard-read-while-committing": (LeftOutStep(WorkerTransactions, "take", {_LANDED: _NOTHING}),),
    "shards-told-before-the-end": (
        LeftOutStep(
            WorkerTransactions,
            "_ended",
            {
                "marked = await producer.end()": (
                    "[part.committed() for part in parts.values()]; marked = await producer.end()"
                )
            },
        ),
    ),
    "committed-without-acknowledgement": (
        LeftOutStep(WorkerTransactions, "_sent", {"if not late:": "if len(late) < len(waits):"}),
    ),
    "marks-not-waited-for": (
        LeftOutStep(SharedWriter, "checkpoints", {"0 if self._held is None else self._held.settled": "0"}),
    ),
    "shards-kept-under-another-id": (LeftOutStep(ShardClaims, "use", {"self._held.clear()": _NOTHING}),),
    "former-id-not-fenced": (
        LeftOutStep(
            ShardClaims,
            "_claim",
            {
                "fenced = claims.strangers(held.claimant)": (
                    "fenced = claims.strangers(held.claimant) - self._abandoned.keys()"
                )
            },
        ),
    ),
    "own-id-not-fenced": (LeftOutStep(ShardClaims, "_claim", {"claims.twins(held.claimant, written)": "False"}),),
    "claim-renewed-that-was-not-the-last": (
        LeftOutStep(ShardClaims, "_claim", {"claims.others(held.key)[-1:] != [renews]": "False"}),
    ),
    "claim-of-a-former-id-removed": (LeftOutStep(ShardClaims, "remove", {"held.claimant == self._own": "True"}),),
}
"""Name of a mutant -> where it leaves the step out."""


def leave_out(step: str) -> None:
    """Leave a step out from now on, in this process."""
    for one in LEFT_OUT_STEPS[step]:
        one.apply()
