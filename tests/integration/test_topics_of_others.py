"""Topics, settings and policies of who runs Kafka: what the bridge makes, leaves alone, names and waits for."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from bridge.adapters.kafka.required_topics import TopicShape
from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames
from bridge.sandbox import LocalCluster
from bridge.sandbox import broker as sandbox
from bridge.telemetry import Telemetry
from bridge.topic_watch import TopicWatch
from tests.capture.link_surroundings import FakeClock
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, reasons
from tests.support.kafka_tools import SECONDS, alter, create
from tests.support.processes import Bridge, wait_for
from tests.support.wanted_topics import wanted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.adapters.kafka.topic_plan import TopicPlan

KINDS = ("announcements", "events", "sessions", "quarantine", "checkpoints", "stored")
RATIO = "min.cleanable.dirty.ratio"
POLICY = """
import java.util.Map;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.AlterConfigPolicy;
import org.apache.kafka.server.policy.CreateTopicPolicy;

public class ProviderPolicy implements CreateTopicPolicy, AlterConfigPolicy {
    private static void check(Map<String, String> asked) {
        if (asked == null) return;
        if (asked.containsKey("min.cleanable.dirty.ratio"))
            throw new PolicyViolationException("min.cleanable.dirty.ratio cannot be set");
        if (asked.containsKey("segment.bytes") && Long.parseLong(asked.get("segment.bytes")) < 52428800)
            throw new PolicyViolationException("segment.bytes has to be at least 52428800");
    }
    @Override public void validate(CreateTopicPolicy.RequestMetadata request) { check(request.configs()); }
    @Override public void validate(AlterConfigPolicy.RequestMetadata request) { check(request.configs()); }
    @Override public void configure(Map<String, ?> settings) { }
    @Override public void close() { }
}
"""


@pytest.fixture(scope="module")
def managed_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give a Kafka of three brokers whose provider refuses two of the settings that tune the checkpoints topic."""
    folder: Path = tmp_path_factory.mktemp("managed")
    program = folder / "kafka"
    shutil.copytree(sandbox.KAFKA.fetch(), program)
    source = folder / "ProviderPolicy.java"
    source.write_text(POLICY, encoding="ascii")
    subprocess.run(["javac", "-cp", f"{program}/*", "-d", folder, source], check=True)
    subprocess.run(["jar", "cf", program / "policy.jar", "-C", folder, "ProviderPolicy.class"], check=True)
    policies = {f"{what}.policy.class.name": "ProviderPolicy" for what in ("create.topic", "alter.config")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "KAFKA", SimpleNamespace(fetch=lambda: program))
        overrides = {**policies, "default.replication.factor": "3", "min.insync.replicas": "1"}
        with LocalCluster(nodes=3, overrides=overrides) as cluster:
            yield cluster.bootstrap_servers


@pytest.fixture
def environment(managed_cluster: str, tmp_path: Path) -> E2EEnvironment:
    return E2EEnvironment(managed_cluster, tmp_path)


def topics_of(environment: E2EEnvironment) -> TopicManager:
    shape = TopicShape(PARTITIONS, None, 1_000_000, 7 * 86_400, 3 * 86_400)
    return TopicManager(environment.broker, {}, wanted(TopicNames(environment.prefix), shape))


def config_of(environment: E2EEnvironment, kind: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, environment.topic(kind))
    admin = AdminClient({"bootstrap.servers": environment.broker})
    found = admin.describe_configs([resource])[resource].result(SECONDS)
    return {name: str(entry.value) for name, entry in found.items()}


def make(environment: E2EEnvironment, kind: str, **config: str) -> None:
    """Make one topic as others do."""
    values = {"cleanup.policy": "compact"} if kind == "checkpoints" else {}
    values |= {name.replace("_", "."): value for name, value in config.items()}
    create(environment.broker, NewTopic(environment.topic(kind), PARTITIONS, 3, config=values))


def told(plan: TopicPlan) -> set[str]:
    return {warning.code for warning in plan.warnings}


def warnings(bridge: Bridge) -> list[dict[str, Any]]:
    status, body = bridge.get("/readyz")
    assert status in {200, 503}
    found: list[dict[str, Any]] = json.loads(body)["warnings"]
    return found


def log(bridge: Bridge) -> str:
    return bridge.log.read_text("utf-8")


def test_topics_get_the_cluster_s_replicas_two_in_sync_and_no_setting_that_a_policy_refuses(
    environment: E2EEnvironment,
) -> None:
    plan = asyncio.run(topics_of(environment).prepare(create=True))
    assert (plan.partitions, told(plan)) == (PARTITIONS, {"SETTING_REFUSED"})
    details = " ".join(warning.detail for warning in plan.warnings)
    assert f"Kafka refuses {RATIO}=0.1 of {environment.topic('checkpoints')}" in details
    assert "segment.bytes has to be at least 52428800" in details
    for kind in KINDS:
        config = config_of(environment, kind)
        assert config["min.insync.replicas"] == "2"
        assert config["cleanup.policy"] == ("compact" if kind == "checkpoints" else "delete")
        assert config["message.timestamp.type"] == "LogAppendTime"
    assert config_of(environment, "events")["retention.ms"] == "604800000"
    metadata = AdminClient({"bootstrap.servers": environment.broker}).list_topics(environment.topic("events"))
    partitions = metadata.topics[environment.topic("events")].partitions.values()
    assert [len(one.replicas) for one in partitions] == [3] * PARTITIONS


def test_what_was_refused_is_told_as_long_as_the_topic_is_without_it(environment: E2EEnvironment) -> None:
    async def look_again() -> list[str]:
        clock = FakeClock()
        watch = TopicWatch(lambda: topics_of(environment), Telemetry(), clock.monotonic)
        watch.found(await topics_of(environment).prepare(create=True))
        before = list(watch.warnings)
        clock.seconds += 61
        await watch.refresh()
        assert list(watch.warnings) == before
        return [one.code for one in before]

    assert asyncio.run(look_again()) == ["SETTING_REFUSED"] * 2


def test_altering_leaves_out_what_a_policy_refuses_and_does_the_rest(environment: E2EEnvironment) -> None:
    for kind in KINDS:
        make(environment, kind, max_message_bytes="2000000" if kind == "checkpoints" else "100000")
    plan = asyncio.run(topics_of(environment).apply())
    assert [warning.detail for warning in plan.warnings if RATIO in warning.detail]
    assert config_of(environment, "events")["max.message.bytes"] == "1262144"
    checkpoints = config_of(environment, "checkpoints")
    assert (checkpoints["max.message.bytes"], checkpoints["min.insync.replicas"]) == ("2000000", "2")
    assert checkpoints["segment.bytes"] == "1073741824"


def test_a_start_alters_nothing_and_names_what_matters(environment: E2EEnvironment) -> None:
    for kind in KINDS:
        make(environment, kind)
    altered = {"events": ("retention.ms", "-1"), "sessions": ("max.message.bytes", "100000")}
    for kind, (name, value) in altered.items():
        alter(environment.broker, environment.topic(kind), name, value)
    before = {kind: config_of(environment, kind) for kind in KINDS}
    for kind, (name, value) in altered.items():
        before[kind][name] = value  # of which the broker that answered may not have heard yet
    with environment.bridge() as bridge:
        bridge.wait_ready()
        found = {(one["code"], one["detail"].split()[0]) for one in warnings(bridge)}
        assert found >= {
            ("RETENTION_LONGER", environment.topic("events")),
            ("RECORD_LIMIT_LOW", environment.topic("sessions")),
            ("FEW_IN_SYNC", environment.topic("checkpoints")),
            ("FEW_IN_SYNC", environment.topic("stored")),
        }
        assert bridge.terminate() == 0
    assert "code=RETENTION_LONGER" in log(bridge)
    wait_for(lambda: {kind: config_of(environment, kind) for kind in KINDS} == before, 30, "a topic was altered")


def missed(bridge: Bridge) -> float:
    """Return how often a worker has found topics missing."""
    return bridge.metric("chatbridge_kafka_errors_total")


def test_topics_that_others_make_are_waited_for_and_so_is_a_cleanup_policy_that_they_have_to_correct(
    environment: E2EEnvironment,
) -> None:
    with environment.bridge(kafka__manage_topics="never") as bridge:
        wait_for(lambda: bridge.get("/livez")[0] == 200, 30, "it does not answer")
        wait_for(lambda: any("TOPIC_MISSING" in one for one in reasons(bridge)), 30, lambda: str(reasons(bridge)))
        asked = missed(bridge)
        while missed(bridge) < asked + 2:  # while it looks again, it goes on saying what it waits for
            assert any("TOPIC_MISSING" in one for one in reasons(bridge))
        assert bridge.metric("chatbridge_kafka_up") == 1  # it says that there are none
        for kind in KINDS:
            make(environment, kind, cleanup_policy="delete")
        policy = f"CLEANUP_POLICY: {environment.topic('checkpoints')} has cleanup.policy=delete, required: compact"
        wait_for(lambda: any(policy in one for one in reasons(bridge)), 30, lambda: str(reasons(bridge)))
        assert bridge.metric("chatbridge_kafka_up") == 1
        alter(environment.broker, environment.topic("checkpoints"), "cleanup.policy", "compact")
        bridge.wait_ready()
        assert bridge.terminate() == 0
    assert "start_waits code=CLEANUP_POLICY" in log(bridge)
