"""What a worker finds out about its topics before it joins the group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.capture.log_changes import check_group
from bridge.capture.partition_numbers import check_former
from bridge.capture.retention import closed_retention
from bridge.capture.stored_marker import stored_marker
from bridge.errors import LeaderMissing
from bridge.facts import ClosedRetentionExtended
from bridge.output_topics import names_by_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.adapters.kafka.topic_manager import TopicManager
    from bridge.capture.ports import ShardLogs
    from bridge.config import Config
    from bridge.records.writer_schemas import WriterSchemas
    from bridge.telemetry import Telemetry


async def check_first_marker(
    config: Config, logs: Callable[[int], ShardLogs], writers: WriterSchemas, partitions: int
) -> None:
    """Compare the settings with the first marker that any shard has: one without chats may have none yet.

    A partition without a leader is passed over: shards that can be captured do not wait for it. Raises LeaderMissing
    only if no other one has a marker; CheckpointsOfOthers when it is of another group, or goes by numbers of partitions
    that are not set.
    """
    former, leaderless = config.kafka.partitions_before, None
    for partition in range(partitions):
        try:
            marker = await stored_marker(logs(partition), writers)
        except LeaderMissing as error:
            leaderless = error
            continue
        if marker is not None:
            check_group(marker.facts, config.kafka.group)
            check_former(marker.numbers, former, partitions)
            return
    if leaderless is not None:
        raise leaderless
    check_former((), former, partitions)


async def used_closed_retention(config: Config, topics: TopicManager, telemetry: Telemetry) -> float | None:
    """Return how long closed chats are remembered, in seconds; None: for ever. Says so when it is not as set."""
    setting, names = config.capture.closed_retention_seconds, names_by_output(config)
    events: float | None = 0.0
    for one in names.values():
        lifetime = await topics.lifetime(one.events)
        events = None if events is None or lifetime is None else max(events, lifetime)
    announcements = await topics.lifetime(next(iter(names.values())).announcements)
    used = closed_retention(setting, (events, announcements))
    if used is None or used > setting:
        telemetry.emit(ClosedRetentionExtended(setting=setting, events=events, announcements=announcements, used=used))
    return used
