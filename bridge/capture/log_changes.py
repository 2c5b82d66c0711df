"""What became of a shard's logs since they were looked at last. Pure: two looks in, findings out.

A topic that was made again has another id, or an end that went back. One that `DeleteRecords` has emptied begins where
it ended, or later. Of the checkpoints, which are compacted, the beginning never moves otherwise; of the other topics
it moves with the retention too, which deletes what nobody needs any more: that is told only if nothing is left of what
was there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.capture.readiness_codes import PARTITIONS_CHANGED
from bridge.errors import CheckpointsOfOthers, Problem, TopicMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.records.shard_facts import LogMark, Logs, ShardFacts

NEW_TOPICS = (
    "Kafka cannot lower a number of partitions: use another kafka.topic_prefix and kafka.group with the new one, and "
    "announce the open chats there; or delete the raised topic, if it is that of the announcements, and start again"
)
"""What to do when partitions were raised: nothing of it gives a chat two owners on the same topics."""


@dataclass(slots=True, frozen=True)
class LogChange:
    """`made_again`: it is another log than before. `emptied`: nothing is left of what was there. `lost`: offsets."""

    made_again: bool = False
    emptied: bool = False
    lost: int = 0

    def __bool__(self) -> bool:
        """Whether anything was forgotten."""
        return self.made_again or self.emptied


def change_of(kind: str, before: LogMark | None, now: LogMark | None) -> LogChange:
    """Compare two looks at one log; without both of them nothing can be told."""
    if before is None or now is None:
        return LogChange()
    ids_differ = bool(before.topic_id) and bool(now.topic_id) and before.topic_id != now.topic_id
    if ids_differ or now.end < before.end:
        return LogChange(made_again=True, lost=max(before.end - before.start, 0))
    if now.start <= before.start:
        return LogChange()
    if kind == "checkpoints" or now.start >= before.end:
        return LogChange(emptied=True, lost=now.start - before.start)
    return LogChange()


def changes(before: Logs, now: Logs) -> dict[str, LogChange]:
    """Return what became of each kind of topic."""
    return {kind: change_of(kind, before.get(kind), mark) for kind, mark in now.items()}


def lasting_problems(names: Mapping[str, str], partitions: int, now: Logs) -> list[Problem]:
    """Return what is wrong with the topics as long as it is: missing, or with another number of partitions."""
    found = [TopicMissing(name).problem for kind, name in names.items() if kind not in now]
    for kind, mark in now.items():
        if mark.partitions not in {partitions, 0}:
            detail = (
                f"{names[kind]} has {mark.partitions} partitions, not {partitions}: what lies on others is not read"
            )
            found.append(Problem(PARTITIONS_CHANGED, f"{detail} ({NEW_TOPICS})"))
    return found


def check_owner(marker: ShardFacts | None, group: str, partitions: int) -> None:
    """Raise CheckpointsOfOthers when a marker names another group, or another number of partitions."""
    if marker is None:
        return
    if marker.group != group:
        raise CheckpointsOfOthers(
            f"the checkpoints belong to the group {marker.group!r}, not {group!r}: both would publish every event",
            next_step="set kafka.group to that of the checkpoints, or kafka.topic_prefix to topics of your own",
        )
    if marker.partitions != partitions:
        raise CheckpointsOfOthers(
            f"the checkpoints were written with {marker.partitions} partitions, not {partitions}: chats would be "
            "followed from two partitions",
            next_step=f"set kafka.partitions={marker.partitions} if the topics still have as many; or: {NEW_TOPICS}",
            code=PARTITIONS_CHANGED,
        )
