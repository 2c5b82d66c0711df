"""Topics, settings and rights that belong to who runs Kafka."""

from __future__ import annotations

import shutil
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource, NewTopic, ResourceType

from bridge.sandbox import LocalBroker
from bridge.sandbox import broker as sandbox
from tests.field.field_environment import (
    OTHERS_KAFKA,
    SECONDS,
    TOPIC_KINDS,
    E2EEnvironment,
    PreconditionFailed,
    alter,
    create,
    deny,
    logged,
    reported,
    starts,
    wait_for,
    wrong_today,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.field


def retention_of(environment: E2EEnvironment, kind: str) -> str | None:
    resource = ConfigResource(ResourceType.TOPIC, environment.topic(kind))
    admin = AdminClient({"bootstrap.servers": environment.broker})
    value = admin.describe_configs([resource])[resource].result(SECONDS)["retention.ms"].value
    return None if value is None else str(value)


def keep_for_ever(environment: E2EEnvironment) -> None:
    alter(environment.broker, environment.topic("events"), "retention.ms", "-1")
    if retention_of(environment, "events") != "-1":
        raise PreconditionFailed("the retention was not raised")


@wrong_today(OTHERS_KAFKA, "a start writes its own retention over a longer one, and logs nothing")
def test_a_start_leaves_a_longer_retention_alone_and_says_so(prepared: E2EEnvironment) -> None:
    keep_for_ever(prepared)
    with prepared.bridge() as bridge:
        starts(bridge)
        assert retention_of(prepared, "events") == "-1"
        assert "retention" in f"{logged(bridge)} {reported(bridge)}"


@wrong_today(OTHERS_KAFKA, "exit 3 without the right to alter a retention that differs: nothing is captured")
def test_a_start_does_not_need_the_right_to_alter_a_longer_retention(prepared: E2EEnvironment) -> None:
    keep_for_ever(prepared)
    deny(prepared, AclOperation.ALTER_CONFIGS)
    with prepared.bridge() as bridge:
        starts(bridge)
        assert "retention" in f"{logged(bridge)} {reported(bridge)}"


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
def managed_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give a Kafka whose provider refuses two of the settings that tune the checkpoints topic."""
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
        with LocalBroker(overrides=policies) as broker:
            yield broker.bootstrap_servers


def starts_with_a_warning(environment: E2EEnvironment) -> None:
    with environment.bridge() as bridge:
        starts(bridge)
        assert "min.cleanable.dirty.ratio" in logged(bridge)


@wrong_today(OTHERS_KAFKA, "exit 3 when a policy refuses a setting that is only tuning")
def test_topics_are_created_without_tuning_that_a_policy_refuses(managed_broker: str, tmp_path: Path) -> None:
    starts_with_a_warning(E2EEnvironment(managed_broker, tmp_path))


@wrong_today(OTHERS_KAFKA, "exit 3 when a policy refuses to alter a setting that is only tuning")
def test_topics_made_with_a_providers_values_are_taken_as_they_are(managed_broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(managed_broker, tmp_path)
    for kind in TOPIC_KINDS:
        config = {"cleanup.policy": "compact"} if kind == "checkpoints" else {}
        create(environment.broker, NewTopic(environment.topic(kind), 3, 1, config=config))
    with environment.bridge() as bridge:
        starts(bridge)


@wrong_today(OTHERS_KAFKA, "a topic that may not be described is reported as 'Kafka does not answer'")
def test_a_missing_right_to_describe_configurations_is_named(prepared: E2EEnvironment) -> None:
    deny(prepared, AclOperation.DESCRIBE_CONFIGS)
    with prepared.bridge() as bridge:
        wait_for(
            lambda: "DescribeConfigs" in reported(bridge) and prepared.prefix in reported(bridge),
            20,
            lambda: f"reported: {reported(bridge)}",
        )
        assert "does not answer" not in reported(bridge)
