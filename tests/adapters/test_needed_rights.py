"""Which rights a command needs, which of them are missing, and the sentence about it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from bridge.adapters.kafka.rights import (
    CLUSTER,
    COMMANDS_WITH_RIGHTS,
    OPERATION_CODES,
    Right,
    by_resource,
    denied,
    not_permitted,
    principal_of,
    rights_of,
)
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.adapters.kafka.verb_rights import VERBS, verb_rights
from bridge.cli import main
from bridge.errors import EXIT_CONFIGURATION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.adapters.kafka.rights import Operation

NAMES = TopicNames("p.")
ALL: tuple[Operation, ...] = tuple(OPERATION_CODES)


def bits(operations: Iterable[Operation]) -> int:
    return sum(1 << OPERATION_CODES[operation] for operation in operations)


def topic(*operations: Operation) -> list[Right]:
    return [Right("topic", "events", operation) for operation in operations]


def test_a_worker_needs_nothing_beyond_its_topics_its_group_and_its_transactional_ids() -> None:
    needed = by_resource(rights_of("run", NAMES, "g", create=False))
    assert {(one.kind, one.name, one.prefixed): set(one.operations) for one in needed} == {
        **{
            ("topic", name, False): {"Read", "Write", "DescribeConfigs"}
            for name in (NAMES.events, NAMES.sessions, NAMES.announcements, NAMES.checkpoints, NAMES.stored)
        },
        ("topic", NAMES.quarantine, False): {"Write", "DescribeConfigs"},
        ("group", "g", False): {"Read"},
        ("transactional id", "g-", True): {"Write"},
    }
    created = set(rights_of("run", NAMES, "g", create=True)) - set(rights_of("run", NAMES, "g", create=False))
    assert {(right.kind, right.operation) for right in created} == {("topic", "Create")}
    assert len(created) == 6


def test_a_key_to_sign_with_brings_the_rights_on_the_topics_of_the_log() -> None:
    without, signing = (set(rights_of("run", NAMES, "g", create=True, evidence=signs)) for signs in (False, True))
    more = by_resource(sorted(signing - without))
    assert {one.name: set(one.operations) for one in more} == {
        NAMES.anchors: {"Write", "DescribeConfigs", "Create"},
        NAMES.leaves: {"Read", "Write", "DescribeConfigs", "Create"},
    }
    assert without < signing


def test_reading_commands_only_read_and_planning_only_looks() -> None:
    for command in ("tail", "verify", "verify --keys", "verify --audit", "export", "export --log", "proof"):
        assert {right.operation for right in rights_of(command, NAMES, "g", create=True)} == {"Read"}
    planned = {right.operation for right in rights_of("topics plan", NAMES, "g", create=True)}
    assert planned == {"Describe", "DescribeConfigs"}


def test_verifying_with_keys_reads_the_log_too() -> None:
    plain, keyed = (set(rights_of(each, NAMES, "g", create=False)) for each in ("verify", "verify --keys"))
    assert keyed - plain == {Right("topic", name, "Read") for name in (NAMES.anchors, NAMES.leaves)}
    assert plain < keyed


@pytest.mark.parametrize(
    ("needed", "permitted", "missing"),
    [
        (topic("Read", "Write"), bits(ALL), []),
        (topic("Read", "Write"), bits(["Read", "Describe"]), topic("Write")),
        (topic("Read", "DescribeConfigs"), bits([]), topic("Read", "DescribeConfigs")),
        (topic("Write", "DescribeConfigs", "Create"), None, topic("Write")),
        (topic("DescribeConfigs"), None, topic("Describe")),
        (topic("Create"), None, []),
        (topic("Create"), bits([]), []),
    ],
)
def test_what_is_missing_is_told_from_what_is_permitted(
    needed: list[Right], permitted: int | None, missing: list[Right]
) -> None:
    assert not_permitted(needed, permitted) == missing


@pytest.mark.parametrize("right", rights_of("run", NAMES, "g", create=True), ids=str)
def test_the_sentence_names_resource_operation_principal_and_how_to_grant_it(right: Right) -> None:
    error = denied([right], "User:bridge")
    assert error.code == "ACCESS_DENIED"
    assert error.message.startswith(f"Kafka denies User:bridge: {right.operation} on {right.kind} {right.name}")
    assert f"--allow-principal User:bridge --operation {right.operation} --" in error.next_step
    assert right.name in error.next_step
    assert "chatbridge acls" in error.next_step


def test_several_missing_rights_are_one_sentence() -> None:
    error = denied([Right("group", "g", "Read"), *topic("Write", "Read")], "the user of this client's certificate")
    assert error.message == (
        "Kafka denies the user of this client's certificate: Read on group g; Read and Write on topic events"
    )
    assert "--allow-principal User:... --operation Read --group g" in error.next_step


@pytest.mark.parametrize(
    ("client", "principal"),
    [
        ({}, "User:ANONYMOUS"),
        ({"security_protocol": "SASL_SSL", "sasl_plain_username": "bridge"}, "User:bridge"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "GSSAPI"}, "the user of this client's credentials"),
        ({"security_protocol": "SSL"}, "the user of this client's certificate"),
    ],
)
def test_the_principal_is_the_user_where_the_settings_know_it(client: dict[str, str], principal: str) -> None:
    assert principal_of(client) == principal


@pytest.mark.parametrize("command", COMMANDS_WITH_RIGHTS)
def test_every_form_lists_the_same_rights(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--for", command, "--topic-prefix", "p.", "--set", "kafka.group=g", "--principal", "User:bridge")
    needed = verb_rights(command, [NAMES], "g") if command in VERBS else rights_of(command, NAMES, "g", create=True)
    assert main(["acls", *given]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"# chatbridge {command}"
    assert sum(line.count("--operation ") for line in lines) == len(needed)
    assert all(line.startswith("kafka-acls --bootstrap-server localhost:9092 --add ") for line in lines[1:])

    assert main(["acls", *given, "--format", "strimzi"]) == 0
    user = yaml.safe_load(capsys.readouterr().out)
    kinds = {"topic": "topic", "group": "group", "transactionalId": "transactional id", "cluster": "cluster"}
    found = [
        (
            kinds[acl["resource"]["type"]],
            acl["resource"].get("name", CLUSTER),  # there is one cluster, and it has no name
            operation,
            acl["resource"].get("patternType") == "prefix",
        )
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    ]
    expected = [(right.kind, right.name, right.operation, right.prefixed) for right in needed]
    assert sorted(found) == sorted(expected)
    assert user["metadata"]["name"] == "bridge"

    assert main(["acls", *given, "--format", "terraform"]) == 0
    blocks = capsys.readouterr().out.split("resource ")[1:]
    values = [
        {
            name.strip(): json.loads(value)
            for name, _, value in (line.partition("=") for line in block.splitlines() if "=" in line)
        }
        for block in blocks
    ]
    assert sorted((one["resource_name"], one["acl_operation"]) for one in values) == sorted(
        (right.name, right.operation) for right in needed
    )
    assert len({block.split("{")[0] for block in blocks}) == len(needed), "two blocks have one name"
    assert {one["acl_principal"] for one in values} == {"User:bridge"}


def test_the_user_is_that_of_the_settings_if_they_have_one(capsys: pytest.CaptureFixture[str]) -> None:
    user = [f"kafka.client.{name}" for name in ("sasl_plain_username=someone", "security_protocol=SASL_SSL")]
    assert main(["acls", "--for", "tail", "--set", user[0], "--set", user[1]]) == 0
    _, comment, line = capsys.readouterr().out.splitlines()
    assert comment == "# admin.properties: the client file of an administrator of Kafka, not of chatbridge"
    assert line.startswith("kafka-acls --bootstrap-server localhost:9092 --command-config admin.properties --add ")
    assert "--allow-principal User:someone " in line
    assert main(["acls", "--for", "tail"]) == 0
    assert "--allow-principal User:chatbridge " in capsys.readouterr().out


@pytest.mark.parametrize("principal", ["User:CN=bridge,OU=Chat Platform,O=Example", "User:svc$HOME", "User:o'neil"])
def test_a_shell_gives_kafka_acls_the_principal_as_it_is(principal: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acls", "--for", "tail", "--principal", principal]) == 0
    _, line, *_ = capsys.readouterr().out.splitlines()
    script = f'told() {{ printf "%s\\n" "$@"; }}\n{line.replace("kafka-acls", "told", 1)}'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    words = told.stdout.splitlines()
    assert words[words.index("--allow-principal") + 1] == principal


def test_terraform_takes_a_principal_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["acls", "--for", "tail", "--format", "terraform", "--principal", 'User:CN=a,O="B ${c} %{d}"']
    assert main(words) == 0
    assert 'acl_principal                = "User:CN=a,O=\\"B $${c} %%{d}\\""' in capsys.readouterr().out


def test_a_principal_without_its_kind_is_refused() -> None:
    assert main(["acls", "--principal", "chatbridge"]) == EXIT_CONFIGURATION
