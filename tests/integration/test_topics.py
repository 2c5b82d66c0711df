from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import pytest

from bridge.adapters.kafka.required_topics import TopicShape, wanted
from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames
from bridge.errors import EnvironmentFault, KafkaUnavailable, TopicMismatch, TopicMissing
from tests.support.kafka_tools import alter

SHAPE = TopicShape(
    partitions=3,
    replication_factor=1,
    max_record_bytes=1_000_000,
    retention_seconds=604_800,
    announcement_retention_seconds=259_200,
)


@pytest.fixture
def names() -> TopicNames:
    return TopicNames(f"t{uuid.uuid4().hex}.")


def topics(broker: str, names: TopicNames, shape: TopicShape = SHAPE) -> TopicManager:
    return TopicManager(broker, {}, wanted(names, shape))


def test_missing_topics_are_created_once(broker: str, names: TopicNames) -> None:
    async def main() -> None:
        ours = topics(broker, names)
        planned = await ours.plan()
        assert [change.create for change in planned.changes] == [True] * 6
        assert (await ours.apply()).changes == planned.changes
        assert (await ours.plan()).changes == []
        assert (await ours.apply()).changes == []
        assert await ours.partitions(names.events) == 3

    asyncio.run(main())


def test_looking_at_topics_does_not_create_them(broker: str, names: TopicNames) -> None:
    async def main() -> None:
        ours = topics(broker, names)
        await ours.plan()
        with pytest.raises(EnvironmentFault, match="there is no topic"):
            await ours.partitions(names.events)

    asyncio.run(main())


def test_a_retention_is_shortened_on_purpose_only_and_what_others_set_is_kept(broker: str, names: TopicNames) -> None:
    async def main() -> None:
        first = wanted(names, SHAPE)
        first[0].config["retention.bytes"] = "123456789"  # set by another tool
        await TopicManager(broker, {}, first).apply()
        shorter = replace(SHAPE, retention_seconds=3600)
        assert (await topics(broker, names, shorter).apply()).changes == []
        done = await topics(broker, names, shorter).apply(allow_shorter=True)
        assert [(change.create, change.config) for change in done.changes] == [(False, {"retention.ms": "3600000"})] * 3
        assert (await TopicManager(broker, {}, first[:1]).plan()).changes[0].config == {"retention.ms": "604800000"}

    asyncio.run(main())


def test_how_long_a_record_can_be_read_is_what_the_topic_says(broker: str, names: TopicNames) -> None:
    day, hour = 86_400, 3_600

    async def main() -> None:
        ours = topics(broker, names)
        await ours.apply()

        async def becomes(expected: int | None) -> None:
            for _ in range(600):  # a broker hears of a new setting a moment after it is acknowledged
                if await ours.lifetime(names.events) == expected:
                    return
                await asyncio.sleep(0.05)
            pytest.fail(f"it does not become {expected}")

        alter(broker, names.events, "segment.ms", str(day * 1000))
        await becomes(7 * day + day + hour)
        alter(broker, names.events, "retention.ms", str(30 * day * 1000))
        await becomes(30 * day + day + hour)
        alter(broker, names.events, "retention.ms", "-1")
        await becomes(None)

    asyncio.run(main())


def test_the_partitions_that_are_there_are_taken_and_missing_topics_get_as_many(broker: str, names: TopicNames) -> None:
    async def main() -> None:
        await TopicManager(broker, {}, wanted(names, SHAPE)[:2]).apply()
        plan = await topics(broker, names, replace(SHAPE, partitions=4)).apply()
        assert (plan.partitions, len(plan.changes)) == (3, 4)
        assert {await topics(broker, names).partitions(topic.name) for topic in wanted(names, SHAPE)} == {3}

    asyncio.run(main())


def test_different_partition_counts_are_never_changed_but_explained(broker: str, names: TopicNames) -> None:
    async def main() -> None:
        await TopicManager(broker, {}, wanted(names, SHAPE)[:2]).apply()
        await TopicManager(broker, {}, wanted(names, replace(SHAPE, partitions=4))[2:]).apply()
        with pytest.raises(TopicMismatch, match=r"events\.v1 has 3 partitions.*quarantine\.v1 has 4") as caught:
            await topics(broker, names).apply()
        assert "kafka.topic_prefix" in caught.value.next_step

    asyncio.run(main())


def test_preparing_creates_what_is_missing_alters_nothing_and_may_be_forbidden(broker: str, names: TopicNames) -> None:
    async def main() -> None:
        ours = topics(broker, names)
        with pytest.raises(TopicMissing, match=r"events\.v1, .*stored\.v1 do not exist") as missing:
            await ours.prepare(create=False)
        assert all(
            name in missing.value.message
            for name in (names.sessions, names.quarantine, names.announcements, names.checkpoints)
        )
        assert "who owns the topics create them" in missing.value.next_step
        plan = await ours.prepare(create=True)
        assert (plan.partitions, {warning.code for warning in plan.warnings}) == (3, {"ONE_REPLICA"})
        alter(broker, names.events, "retention.ms", "1000")
        again = await ours.prepare(create=True)
        assert [change.config for change in again.changes] == [{"retention.ms": "604800000"}]
        assert [change.config for change in (await ours.plan()).changes] == [{"retention.ms": "604800000"}]

    asyncio.run(main())


def test_without_a_number_of_replicas_the_broker_decides(broker: str, names: TopicNames) -> None:
    async def main() -> None:
        assert len((await topics(broker, names, replace(SHAPE, replication_factor=None)).apply()).changes) == 6
        assert (await topics(broker, names).plan()).changes == []

    asyncio.run(main())


def test_another_cleanup_policy_is_never_changed_but_explained(broker: str, names: TopicNames) -> None:
    async def main() -> None:
        compacted = wanted(names, SHAPE)
        compacted[0].config["cleanup.policy"] = "compact"
        await TopicManager(broker, {}, compacted).apply()
        with pytest.raises(TopicMismatch, match=r"events\.v1 has cleanup\.policy=compact, required: delete"):
            await topics(broker, names).apply()

    asyncio.run(main())


def test_too_few_brokers_for_the_replicas_are_an_environment_fault(broker: str, names: TopicNames) -> None:
    with pytest.raises(EnvironmentFault, match="refuses to create") as caught:
        asyncio.run(topics(broker, names, replace(SHAPE, replication_factor=7)).apply())
    assert "kafka.replication_factor" in caught.value.next_step


def test_a_broker_that_is_away_is_named(names: TopicNames) -> None:
    with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1 does not answer"):
        asyncio.run(topics("127.0.0.1:1", names).plan())
