"""Raises all topics of an installation to a new number of partitions, once every shard is ready for that.

A shard is ready when a worker with the present number among `kafka.partitions_before` has opened it: its checkpoints
say so. A worker without that setting, or of a version that has none, would not go by the new number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge import factories
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.log_positions import KafkaShardLogs
from bridge.adapters.kafka.topic_growth import TopicGrowth, number_before
from bridge.capture.stored_marker import stored_marker
from bridge.connection_factory import connection_of
from bridge.errors import ConfigError, EnvironmentFault
from bridge.records.writer_schemas import WriterSchemas

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.config import Config


async def raise_topics(config: Config, number: int, *, dry_run: bool, tell: Callable[[str], None]) -> None:
    """Raise every topic that is there and has fewer partitions; `tell` is called with a line for each step.

    Raises UsageError, ConfigError, EnvironmentFault, KafkaUnavailable: whatever was raised stays, and the same call
    goes on with the rest.
    """
    manager, names = factories.all_topics_of(config), factories.names_of(config)
    there = await manager.counts()
    counts = {one.name: there[one.name] for one in factories.every_topic(config) if one.sharded and one.name in there}
    if names.announcements not in counts:
        raise EnvironmentFault(
            f"there is no topic {names.announcements}",
            next_step="set kafka.partitions: `chatbridge topics apply` or a worker creates the topics with it",
        )
    before = number_before(counts, number)
    if before == number:
        tell(f"all topics have {number} partitions")
        return
    _check_settings(config, before)
    await _check_shards(config, before)
    tell(f"all {before} shards are ready to go by {number} partitions")
    growth = TopicGrowth(config.kafka.bootstrap_servers, factories.kafka_arguments(config), manager.partitions)
    left = [name for name, count in counts.items() if count < number and name != names.announcements]
    left += [names.announcements] if counts[names.announcements] < number else []
    for place, name in enumerate(left, len(counts) - len(left) + 1):
        await (growth.try_out(name, number) if dry_run else growth.raised(name, number))
        verb = "would raise" if dry_run else "raised"
        tell(f"{verb} {name} from {counts[name]} to {number} partitions ({place} of {len(counts)})")
    if not dry_run:
        tell("workers take the new partitions within half a minute; new chats go by the new number, others stay")


def _check_settings(config: Config, before: int) -> None:
    if before not in config.kafka.partitions_before:
        wanted = sorted({*config.kafka.partitions_before, before})
        raise ConfigError(
            f"kafka.partitions_before does not name {before}, the number of partitions that the topics have now",
            next_step=f"set kafka.partitions_before: {wanted} for all workers and commands, replace the workers one "
            "after the other, then call this again",
        )


async def _check_shards(config: Config, before: int) -> None:
    kafka, writers, unready = connection_of(config), WriterSchemas.shipped(), list[int]()
    questions = asking_client(kafka)
    try:
        for partition in range(before):
            marker = await stored_marker(KafkaShardLogs(kafka, questions, partition), writers)
            if marker is None or not (max(marker.numbers) > before or (before in marker.numbers and marker.grows)):
                unready.append(partition)
    finally:
        await questions.close()
    if unready:
        raise EnvironmentFault(
            f"the workers of the shards {', '.join(map(str, unready))} have not said that they know "
            f"kafka.partitions_before with {before}: after a raise they would not go by the new number",
            next_step="replace all workers, one after the other, by ones of this version with this setting; a shard "
            "says so at most half a minute after it was opened",
        )
