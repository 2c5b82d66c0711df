"""What became of a shard's logs since they were looked at last. Pure: two looks in, findings out.

A topic that was made again has another id, or an end that went back. One that `DeleteRecords` has emptied begins where
it ended, or later. Of the checkpoints, which are compacted, the beginning never moves otherwise; of the other topics
it moves with the retention too, which deletes what nobody needs any more: that is told only if nothing is left of what
was there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.capture.partition_numbers import NEW_TOPICS
from bridge.capture.readiness_codes import PARTITIONS_CHANGED
from bridge.errors import CheckpointsOfOthers, Problem, TopicMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.records.shard_facts import LogMark, Logs, ShardFacts


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


def lasting_problems(names: Mapping[str, str], partitions: int, now: Logs, *, may_grow: bool = False) -> list[Problem]:
    """Return what is wrong with the topics as long as it is: missing, or with another number of partitions.

    `may_grow`: a higher number is what somebody is just giving them.
    """
    found = [TopicMissing(name).problem for kind, name in names.items() if kind not in now]
    for kind, mark in now.items():
        if mark.partitions not in {partitions, 0} and not (may_grow and mark.partitions > partitions):
            detail = (
                f"{names[kind]} has {mark.partitions} partitions, not {partitions}: what lies on others is not read"
            )
            step = f"name {partitions} in kafka.partitions_before, if all topics were raised; or: {NEW_TOPICS}"
            found.append(Problem(PARTITIONS_CHANGED, f"{detail} ({step})"))
    return found


def check_group(marker: ShardFacts | None, group: str) -> None:
    """Raise CheckpointsOfOthers when a marker names another group."""
    if marker is not None and marker.group != group:
        raise CheckpointsOfOthers(
            f"the checkpoints belong to the group {marker.group!r}, not {group!r}: both would publish every event",
            next_step="set kafka.group to that of the checkpoints, or kafka.topic_prefix to topics of your own",
        )
