"""The topics and the user that Strimzi makes are those that the commands of the bridge ask for."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bridge.adapters.kafka.topic_plan import IN_SYNC, SAFE_IN_SYNC, SAFE_REPLICAS
from bridge.cli import main
from bridge.config import load
from bridge.factories import every_topic
from tests.deploy.rendered_chart import KINDS, Document, documents, of_kind, template
from tests.deploy.test_rendered_pods import settings_text

if TYPE_CHECKING:
    from pathlib import Path


SIGNS = "evidence.signing_key_file=/run/secrets/chatbridge/signing.pem"
"""The setting that brings topics and rights of the log."""
SEALS = "sealing.master_key_file=/run/secrets/chatbridge/master.key"
"""The setting that brings the topic of keys."""
TOKEN = json.dumps(
    {
        "pkcs11_module": "/usr/lib/token.so",
        "pkcs11_token": "audit",
        "pkcs11_key_label": "evidence",
        "pkcs11_pin_file": __file__,  # any that there is
    }
)
"""The section that does, too."""
OUTPUTS = json.dumps(
    [{"name": "default"}, {"name": "Archive_1", "topic_prefix": "archive.", "rules": [], "max_record_bytes": 200_000}]
)


def kafka_settings(found: list[Document], folder: Path) -> Path:
    """Write the settings that names and rights depend on, without those that name files."""
    settings = yaml.safe_load(settings_text(found))
    settings["kafka"].pop("client", None)
    kept = {name: settings[name] for name in ("kafka", "evidence", "outputs", "sealing") if name in settings}
    file = folder / "kafka.yaml"
    file.write_text(yaml.safe_dump(kept), "utf-8")
    return file


def rights(acls: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    return {
        (one["resource"]["type"], one["resource"]["name"], one["resource"]["patternType"], operation)
        for one in acls
        for operation in one["operations"]
    }


@pytest.mark.parametrize(
    "more",
    [
        ("--set", "settings.kafka.manage_topics=create"),
        ("--set", "settings.kafka.manage_topics=never"),
        ("--set", f"settings.{SIGNS}"),
        ("--set", f"settings.{SEALS}"),
        ("--set-json", f"settings.evidence={TOKEN}"),
        ("--set-json", f"settings.outputs={OUTPUTS}"),
    ],
    ids=["create", "never", "signed", "sealed", "token", "outputs"],
)
@pytest.mark.parametrize("kind", ["mtls", "no-management", "everything"])
def test_the_user_has_the_rights_that_the_command_prints(
    chart: Path, tmp_path: Path, kind: str, more: tuple[str, str]
) -> None:
    values = ("--values", str(KINDS[kind]), *more)
    found = list(yaml.safe_load_all(template(chart, *values)))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["acls", "--for", "run", "--format", "strimzi", "--config", str(kafka_settings(found, tmp_path))])
    assert code == 0
    [user] = [one for one in yaml.safe_load_all(printed.getvalue()) if one]
    made = of_kind(found, "KafkaUser")
    assert made["apiVersion"] == user["apiVersion"]
    assert rights(made["spec"]["authorization"]["acls"]) == rights(user["spec"]["authorization"]["acls"])


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--set", f"settings.{SIGNS}"),
        ("--set", f"settings.{SEALS}"),
        ("--set-json", f"settings.evidence={TOKEN}"),
        ("--set-json", f"settings.outputs={OUTPUTS}"),
    ],
    ids=["unsigned", "signed", "sealed", "token", "outputs"],
)
@pytest.mark.parametrize("kind", ["no-management", "everything"])
def test_the_topics_are_those_that_the_bridge_would_create(
    chart: Path, tmp_path: Path, kind: str, more: tuple[str, ...]
) -> None:
    found = documents(template(chart, "--values", str(KINDS[kind]), *more))
    config = load(kafka_settings(found, tmp_path), {}, {})
    assert config.kafka.manage_topics == "never"
    made = {one["spec"]["topicName"]: one["spec"] for one in found if one["kind"] == "KafkaTopic"}
    wanted = {one.name: one for one in every_topic(config)}
    assert made.keys() == wanted.keys()
    for name, topic in wanted.items():
        assert (made[name]["partitions"], made[name]["replicas"]) == (topic.partitions, topic.replication_factor)
        common = {"message.timestamp.type": "LogAppendTime"}
        if (topic.replication_factor or 0) >= SAFE_REPLICAS:
            common[IN_SYNC] = str(SAFE_IN_SYNC)
        assert made[name]["config"] == {**topic.config, **common}


def test_the_topics_have_the_number_that_is_set_while_partitions_grow(chart: Path) -> None:
    values = ("--values", str(KINDS["no-management"]), "--set", "settings.kafka.partitions_before={12}")
    for number in (12, 24):
        found = documents(template(chart, *values, "--set", f"settings.kafka.partitions={number}"))
        topics = [one for one in found if one["kind"] == "KafkaTopic" and not one["metadata"]["name"].endswith("audit")]
        assert {one["spec"]["partitions"] for one in topics} == {number}
