"""The shards of the whole group: this worker's own, and those of which the group tells the owner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.overview.worker_report import ShardRow, Shards

if TYPE_CHECKING:
    from collections.abc import Mapping

OPEN: Final = "open"
OPENING: Final = "opening"
CLOSING: Final = "closing"
FENCED: Final = "fenced"
ELSEWHERE: Final = "elsewhere"
UNOWNED: Final = "unowned"
UNKNOWN: Final = "unknown"
STABLE: Final = "Stable"


@dataclass(slots=True, frozen=True)
class OwnShard:
    """A shard of this worker. `detail` says why it is not open."""

    state: str
    chats: int
    detail: str = ""


@dataclass(slots=True, frozen=True)
class ShardOwner:
    """A member of the group: its worker_id, and the host that it names, if it names one."""

    worker: str
    host: str


@dataclass(slots=True, frozen=True, kw_only=True)
class GroupView:
    """What the group told. `owners`: shard -> member. `unknown_because`: why it told nothing; empty when it did.

    `at` is monotonic, in seconds; None without an answer.
    """

    state: str = ""
    owners: Mapping[int, ShardOwner] = field(default_factory=dict)
    unknown_because: str = ""
    at: float | None = None


def shards_of(partitions: int, own: Mapping[int, OwnShard], this: ShardOwner, group: GroupView, now: float) -> Shards:
    """Return a row for each shard. Without an answer of a stable group, a shard of others is `unknown`."""
    known = not group.unknown_because and group.state == STABLE
    rows = []
    for shard in range(max(partitions, *(number + 1 for number in own), 0)):
        mine, owner = own.get(shard), group.owners.get(shard) if known else None
        if mine is not None:
            row = ShardRow(
                shard=shard,
                state=mine.state,
                owner=this.worker,
                host=this.host,
                here=True,
                chats=mine.chats,
                detail=mine.detail,
            )
        else:
            state = ELSEWHERE if owner is not None else UNOWNED if known else UNKNOWN
            row = ShardRow(
                shard=shard,
                state=state,
                owner="" if owner is None else owner.worker,
                host="" if owner is None else owner.host,
                here=False,
                chats=None,
                detail="",
            )
        rows.append(row)
    return Shards(
        partitions=partitions,
        group_state=group.state,
        unknown_because=group.unknown_because,
        asked_seconds_ago=None if group.at is None else max(now - group.at, 0.0),
        rows=rows,
    )
