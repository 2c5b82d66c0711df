from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from bridge.adapters.kafka.required_topics import TopicShape
from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames
from bridge.cli import main
from bridge.errors import EnvironmentFault, KafkaUnavailable, TopicMismatch, TopicMissing
from bridge.telemetry import Telemetry
from bridge.topic_watch import TopicWatch
from tests.capture.link_surroundings import FakeClock
from tests.support.kafka_tools import SECONDS, alter
from tests.support.processes import wait_for
from tests.support.unique_prefixes import unique_prefix
from tests.support.wanted_topics import wanted

SHAPE = TopicShape(
    partitions=3,
    replication_factor=1,
    max_record_bytes=1_000_000,
    retention_seconds=604_800,
    announcement_retention_seconds=259_200,
)


@pytest.fixture
def names() -> TopicNames:
    return TopicNames(unique_prefix())


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


def test_the_command_shortens_a_retention_with_its_option_only(
    broker: str, names: TopicNames, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(action: str, *words: str) -> tuple[int, str, str]:
        place = ("--bootstrap-servers", broker, "--topic-prefix", names.prefix, "--set", "kafka.partitions=1")
        code = main(["topics", action, *words, *place])
        told = capsys.readouterr()
        return code, told.out, told.err

    def retention() -> str | None:
        found = asyncio.run(topics(broker, names).states())
        return found[names.events].config.get("retention.ms")

    assert run("apply")[0] == 0
    wait_for(lambda: retention() == "604800000", SECONDS, "not made as the settings say")
    shorter = ("--set", "kafka.retention_seconds=3600")
    for action in ("plan", "apply"):
        code, out, err = run(action, *shorter)
        assert (code, out) == (0, "all topics are as required\n")
        assert f"RETENTION_LONGER: {names.events} has retention.ms=604800000" in err
    code, out, _ = run("plan", "--allow-shorter", *shorter)
    assert (code, f"alter {names.events}: retention.ms=3600000" in out.splitlines()) == (1, True), out
    assert retention() == "604800000"
    code, out, _ = run("apply", "--allow-shorter", *shorter)
    assert (code, f"done: alter {names.events}: retention.ms=3600000" in out.splitlines()) == (0, True), out
    wait_for(lambda: retention() == "3600000", SECONDS, "not shortened")


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


def test_partitions_that_somebody_adds_while_it_runs_are_a_reason_within_a_minute(
    broker: str, names: TopicNames
) -> None:
    async def main() -> None:
        clock = FakeClock()
        watch = TopicWatch(lambda: topics(broker, names), Telemetry(), clock.monotonic)
        watch.found(await topics(broker, names).prepare(create=True))
        assert list(watch.reasons) == []
        admin = AdminClient({"bootstrap.servers": broker})
        admin.create_partitions([NewPartitions(names.events, 4)])[names.events].result(SECONDS)
        async with asyncio.timeout(SECONDS):
            while not watch.reasons:  # a broker hears of them a moment later
                clock.seconds += 61
                await watch.refresh()
        assert [one.code for one in watch.reasons] == ["PARTITIONS_DIFFER"]
        assert f"{names.events} has 4 partitions" in watch.reasons[0].detail

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
