"""The topics and the user that Strimzi makes are those that the commands of the bridge ask for."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bridge.adapters.kafka.topic_plan import IN_SYNC, SAFE_IN_SYNC, SAFE_REPLICAS
from bridge.cli import main
from bridge.config import load
from bridge.factories import wanted_topics
from tests.deploy.rendered_chart import KINDS, Document, of_kind, template
from tests.deploy.test_rendered_pods import settings_text

if TYPE_CHECKING:
    from pathlib import Path


def kafka_settings(found: list[Document], folder: Path) -> Path:
    """Write the settings that names and rights depend on, without those that name files."""
    kafka = yaml.safe_load(settings_text(found))["kafka"]
    kafka.pop("client", None)
    file = folder / "kafka.yaml"
    file.write_text(yaml.safe_dump({"kafka": kafka}), "utf-8")
    return file


def rights(acls: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    return {
        (one["resource"]["type"], one["resource"]["name"], one["resource"]["patternType"], operation)
        for one in acls
        for operation in one["operations"]
    }


@pytest.mark.parametrize("more", ["create", "never"])
@pytest.mark.parametrize("kind", ["mtls", "no-management", "everything"])
def test_the_user_has_the_rights_that_the_command_prints(chart: Path, tmp_path: Path, kind: str, more: str) -> None:
    values = ("--values", str(KINDS[kind]), "--set", f"settings.kafka.manage_topics={more}")
    found = list(yaml.safe_load_all(template(chart, *values)))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["acls", "--for", "run", "--format", "strimzi", "--config", str(kafka_settings(found, tmp_path))])
    assert code == 0
    [user] = [one for one in yaml.safe_load_all(printed.getvalue()) if one]
    made = of_kind(found, "KafkaUser")
    assert made["apiVersion"] == user["apiVersion"]
    assert rights(made["spec"]["authorization"]["acls"]) == rights(user["spec"]["authorization"]["acls"])


@pytest.mark.parametrize("kind", ["no-management", "everything"])
def test_the_topics_are_those_that_the_bridge_would_create(
    objects: dict[str, list[Document]], tmp_path: Path, kind: str
) -> None:
    config = load(kafka_settings(objects[kind], tmp_path), {}, {})
    assert config.kafka.manage_topics == "never"
    made = {one["spec"]["topicName"]: one["spec"] for one in objects[kind] if one["kind"] == "KafkaTopic"}
    wanted = {one.name: one for one in wanted_topics(config)}
    assert made.keys() == wanted.keys()
    for name, topic in wanted.items():
        assert (made[name]["partitions"], made[name]["replicas"]) == (topic.partitions, topic.replication_factor)
        more = {"message.timestamp.type": "LogAppendTime"}
        if (topic.replication_factor or 0) >= SAFE_REPLICAS:
            more[IN_SYNC] = str(SAFE_IN_SYNC)
        assert made[name]["config"] == {**topic.config, **more}
