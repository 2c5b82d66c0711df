"""The state of a worker in one word: what `/readyz` says, and what it cannot say.

A worker is ready as long as it can capture. Whether it does is another question: with chats of which none is joined it
captures nothing, whatever the reason, and is not shown as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.overview.shard_owners import UNOWNED
from bridge.overview.worker_report import Advice, Health

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.errors import Problem
    from bridge.overview.worker_report import Figures, Shards

OK: Final = "ok"
WARNING: Final = "warning"
BAD: Final = "bad"

NO_CHAT_JOINED: Final = "NO_CHAT_JOINED"
FEW_CHATS_JOINED: Final = "FEW_CHATS_JOINED"
SHARDS_UNOWNED: Final = "SHARDS_UNOWNED"
_AT_THE_SERVERS: Final = (
    "Look at the servers below: their addresses, their last errors, and the rate of joins (`sources.chat_server`)."
)
OVERVIEW_CODES: Final = {
    NO_CHAT_JOINED: ("The worker has chats, and none of them is joined: nothing is captured.", _AT_THE_SERVERS),
    FEW_CHATS_JOINED: ("Fewer than half of the chats are joined.", _AT_THE_SERVERS),
    SHARDS_UNOWNED: (
        "The group is stable, and no worker has these shards: their chats are not captured.",
        "Look at the log and the rights of the other workers.",
    ),
}
"""Code -> what it means, and what to do. They are only on the status page; `/readyz` does not know them."""
_FEW: Final = 0.5


def health_of(
    reasons: Sequence[Problem],
    warnings: Sequence[Problem],
    figures: Figures,
    shards: Shards,
    next_steps: Mapping[str, str],
) -> Health:
    """Return the state. `next_steps`: code -> what to do."""
    joined, followed = figures.joined, figures.joined + figures.waiting
    told = [_advice(one.code, one.detail, next_steps) for one in reasons]
    more = [_advice(one.code, one.detail, next_steps) for one in warnings]
    unowned = [row.shard for row in shards.rows if row.state == UNOWNED]
    if unowned:
        more.append(_own(SHARDS_UNOWNED, f"{_shards(len(unowned))} of {shards.partitions} without a worker"))
    captures = not followed or joined > 0
    if not captures:
        told.append(_own(NO_CHAT_JOINED, f"none of {_chats(followed)} is joined"))
    elif followed and joined < _FEW * followed:
        more.append(_own(FEW_CHATS_JOINED, f"{joined} of {_chats(followed)} are joined"))
    level = BAD if told else WARNING if more else OK
    return Health(
        level=level,
        title=_title(level, ready=not reasons, joined=joined, followed=followed),
        ready=not reasons,
        reasons=told,
        warnings=more,
    )


def _title(level: str, *, ready: bool, joined: int, followed: int) -> str:
    if not ready:
        return "Not ready"
    if followed and not joined:
        return "Ready, but captures nothing"
    what = f"captures {joined} of {_chats(followed)}" if followed else "no chats at present"
    return f"Ready, with warnings: {what}" if level == WARNING else f"Ready: {what}"


def _advice(code: str, detail: str, next_steps: Mapping[str, str]) -> Advice:
    return Advice(code=code, detail=detail, next_step=next_steps.get(code, ""))


def _own(code: str, detail: str) -> Advice:
    return Advice(code=code, detail=detail, next_step=OVERVIEW_CODES[code][1])


def _chats(number: int) -> str:
    return "1 chat" if number == 1 else f"{number} chats"


def _shards(number: int) -> str:
    return "1 shard" if number == 1 else f"{number} shards"
