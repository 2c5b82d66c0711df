"""Every command runs with exactly the rights that `chatbridge acls` prints, and names each one that is missing."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from bridge.adapters.kafka.rights import CLUSTER
from bridge.cli import main
from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS
from tests.integration.e2e_environment import (
    PARTITIONS,
    E2EEnvironment,
    all_joined,
    captured,
    joins_and_leaves,
    reasons,
)
from tests.support.kafka_tools import SECONDS, alter
from tests.support.processes import Bridge, wait_for
from tests.support.secured_broker import USER, SecuredBroker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CHATS = 6
RETURNED_SECONDS = 15
"""After rights have come back, shards are taken within this time."""
DENIED_SECONDS = 10
"""A command without rights ends within this time."""
PRINCIPAL = f"User:{USER}"
RESOURCES = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
    "--cluster": ResourceType.BROKER,
}
OPERATIONS = {each.name.replace("_", "").lower(): each for each in AclOperation}
Granted = tuple[str, str, str, bool]
"""Kind of resource as an option of `kafka-acls`, its name, an operation, whether the name is a prefix."""


class Rights:
    """The rights of one user on the resources of one test."""

    def __init__(self, broker: SecuredBroker, environment: E2EEnvironment) -> None:
        self.environment = environment
        self._broker = broker
        self._admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        self._present: set[Granted] = set()

    @property
    def flags(self) -> list[str]:
        values = {
            **{name.replace("__", "."): value for name, value in self.environment.settings.items()},
            "kafka.topic_prefix": self.environment.prefix,
            "kafka.group": f"{self.environment.prefix}bridge",
            "kafka.partitions": PARTITIONS,
        }
        return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]

    def printed(self, command: str) -> list[Granted]:
        """Return what `chatbridge acls` prints for a command."""
        done = chatbridge("acls", "--for", command, *self.flags)
        assert done.returncode == 0, done.stderr
        found: list[Granted] = []
        for line in done.stdout.splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            assert words[words.index("--allow-principal") + 1] == PRINCIPAL
            [option] = [word for word in words if word in RESOURCES]
            name = CLUSTER if option == "--cluster" else words[words.index(option) + 1]
            operations = [words[at + 1] for at, word in enumerate(words) if word == "--operation"]
            found += [(option, name, operation, "prefixed" in words) for operation in operations]
        return found

    def only(self, rights: Sequence[Granted]) -> None:
        """Grant these, withdraw all others of this test, and wait until the broker knows."""
        wanted = set(rights)
        withdrawn, new = self._present - wanted, wanted - self._present
        if withdrawn:
            for done in self._admin.delete_acls([self._filter(one) for one in withdrawn]).values():
                done.result(SECONDS)
        if new:
            for done in self._admin.create_acls([self._binding(one) for one in new]).values():
                done.result(SECONDS)
        self._present = wanted
        wait_for(self._known, SECONDS, "the broker does not know the rights")

    def denials(self) -> list[str]:
        """Return the lines of the broker's authorizer log about denials to the user on resources of this test."""
        log = self._broker.nodes[0].directory / "server.log"
        lines = log.read_text("utf-8").splitlines()
        return [line for line in lines if f"{PRINCIPAL} is Denied" in line and self.environment.prefix in line]

    def _known(self) -> bool:
        everything = AclBindingFilter(
            ResourceType.ANY,
            None,  # type: ignore[arg-type]  # any name, as its documentation has it
            ResourcePatternType.ANY,
            PRINCIPAL,
            None,  # type: ignore[arg-type]  # any host, likewise
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        found = self._admin.describe_acls(everything).result(SECONDS)
        ours = {str(one) for one in found if one.name.startswith((self.environment.prefix, CLUSTER))}
        return ours == {str(self._binding(one)) for one in self._present}

    @staticmethod
    def _arguments(
        right: Granted,
    ) -> tuple[ResourceType, str, ResourcePatternType, str, str, AclOperation, AclPermissionType]:
        option, name, operation, prefixed = right
        pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
        code = OPERATIONS[operation.lower()]
        return RESOURCES[option], name, pattern, PRINCIPAL, "*", code, AclPermissionType.ALLOW

    def _binding(self, right: Granted) -> AclBinding:
        return AclBinding(*self._arguments(right))

    def _filter(self, right: Granted) -> AclBindingFilter:
        return AclBindingFilter(*self._arguments(right))


def chatbridge(*words: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.fixture
def rights(secured_broker: SecuredBroker, tmp_path: Path) -> Iterator[Rights]:
    settings = {**secured_broker.settings, **SHORT_KAFKA_TIMEOUTS}
    found = Rights(secured_broker, E2EEnvironment(secured_broker.bootstrap_servers, tmp_path, **settings))
    yield found
    found.only([])


def missing(right: Granted) -> str:
    """Return the middle of the sentence that names a right."""
    option, name, operation, _ = right
    kind = option.removeprefix("--").replace("-", " ")
    return rf"Kafka denies {PRINCIPAL}: (.*; )?(\w+ and )*{operation}( and \w+)* on {kind} {re.escape(name)}"


@pytest.mark.timeout(240)
def test_each_command_runs_with_exactly_its_rights_and_nothing_is_denied(rights: Rights) -> None:
    environment = rights.environment
    rights.only(rights.printed("topics apply"))
    assert chatbridge("topics", "apply", *rights.flags).stdout.count("done: create ") == 5
    alter(environment.broker, environment.topic("events"), "retention.ms", "1000")
    rights.only(rights.printed("topics plan"))
    assert chatbridge("topics", "plan", *rights.flags).returncode == 1
    rights.only(rights.printed("topics apply"))
    assert "done: alter " in chatbridge("topics", "apply", *rights.flags).stdout
    rights.only(rights.printed("announce"))
    assert chatbridge("announce", "s1", "127.0.0.1:1", *rights.flags).returncode == 0
    rights.only(rights.printed("run"))
    with environment.bridge() as bridge, environment.chats(concurrent_chats=CHATS) as chats:
        wait_for(lambda: captured(bridge) > 100, 40, lambda: str(reasons(bridge)))
        assert bridge.post("/v1/sessions", {"sessionId": "s2", "host": "127.0.0.1", "port": 1})[0] == 202
        with environment.bridge("worker-2") as second:
            wait_for(lambda: second.ready and second.metric("chatbridge_shards"), 40, lambda: str(reasons(second)))
            assert bridge.terminate() == 0
            wait_for(lambda: second.metric("chatbridge_shards") == PARTITIONS, 40, "not taken over")
            chats.terminate()
            assert second.terminate() == 0
    rights.only(rights.printed("tail"))
    assert len(chatbridge("tail", "--from-beginning", "--max", "3", *rights.flags).stdout.splitlines()) == 4
    rights.only(rights.printed("verify"))
    assert chatbridge("verify", *rights.flags).returncode == 0
    assert rights.denials() == []


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command here, for many are run; return exit code, message and next step."""
    capsys.readouterr()
    code = main([*words])
    lines = capsys.readouterr().err.splitlines()
    told = [line.removeprefix("chatbridge: ") for line in lines if line.startswith("chatbridge: ")]
    steps = [line for line in lines if line.startswith("  next: ")]
    return code, " ".join(told), " ".join(steps)


def test_each_missing_right_ends_a_command_with_its_name_and_how_to_grant_it(
    rights: Rights, capsys: pytest.CaptureFixture[str]
) -> None:
    apply = rights.printed("topics apply")
    made = ("events", "sessions", "quarantine", "announcements", "checkpoints")  # in this order
    for right in [("--topic", rights.environment.topic(kind), "Create", False) for kind in made]:
        rights.only([one for one in apply if one != right])
        code, message, step = ended(capsys, "topics", "apply", *rights.flags)
        assert code == 3, message
        assert re.search(missing(right), message), message
        assert f"--operation Create --topic {right[1]}" in step
    rights.only(apply)
    assert ended(capsys, "topics", "apply", *rights.flags)[0] == 0
    rest = [one for one in apply if one[2] != "Create"]
    longer = [word for kind in ("", "announcement_") for word in ("--set", f"kafka.{kind}retention_seconds=99999999")]
    larger = ("--set", "kafka.max_record_bytes=2000000")
    cases = {
        ("topics", "apply", *longer, *larger): rest,
        ("topics", "plan"): rights.printed("topics plan"),
        ("announce", "s1", "127.0.0.1:1"): rights.printed("announce"),
        ("tail", "--max", "1"): rights.printed("tail"),
        ("verify",): rights.printed("verify"),
    }
    for words, needed in cases.items():
        for right in needed:
            rights.only([one for one in needed if one != right])
            code, message, step = ended(capsys, *words, *rights.flags)
            assert code == 3, (words, right, message)
            assert re.search(missing(right), message), (words, right, message)
            assert f"--operation {right[2]} --topic {right[1]}" in step
    rights.only([])
    for command in ("tail", "verify"):
        assert chatbridge(command, *rights.flags, seconds=DENIED_SECONDS).returncode == 3


def test_a_worker_waits_for_each_missing_right_and_names_it(rights: Rights) -> None:
    rights.only(rights.printed("topics apply"))
    assert chatbridge("topics", "apply", *rights.flags).returncode == 0
    needed = [one for one in rights.printed("run") if one[2] != "Create"]
    kinds = {one[0]: one for one in needed}
    chosen = [*kinds.values(), *[one for one in needed if "quarantine" in one[1]]]
    rights.only([one for one in needed if one != chosen[0]])
    with rights.environment.bridge() as bridge:
        for right in chosen:
            rights.only([one for one in needed if one != right])
            wait_until_named(bridge, right)
            assert re.search(missing(right), bridge.log.read_text("utf-8"))
        assert "TOPIC_MISSING" not in bridge.log.read_text("utf-8")
        rights.only(needed)  # not the right to create topics, which are there
        bridge.wait_ready(RETURNED_SECONDS)
        assert bridge.terminate() == 0


def wait_until_named(bridge: Bridge, right: Granted) -> None:
    def details() -> list[str]:
        status, body = bridge.get("/readyz")
        return [one["detail"] for one in json.loads(body)["reasons"]] if status else []

    named = re.compile(missing(right))
    wait_for(lambda: any(named.search(one) for one in details()), 30, lambda: f"{right} is not named: {details()}")


def wait_until_captured(bridge: Bridge, seconds: float) -> None:
    """Wait until it is ready and goes on capturing."""
    began, before = time.monotonic(), captured(bridge)
    wait_for(lambda: bridge.ready, seconds, lambda: str(reasons(bridge)))
    wait_for(lambda: captured(bridge) > before, seconds - (time.monotonic() - began), "not captured")


def test_rights_that_are_withdrawn_cost_no_chat_and_shards_are_taken_when_they_come_back(rights: Rights) -> None:
    needed = rights.printed("run")
    rights.only(needed)
    environment = rights.environment
    with environment.bridge() as bridge:
        bridge.wait_ready()
        with environment.chats(concurrent_chats=CHATS) as chats:
            wait_for(lambda: all_joined(bridge, CHATS) and captured(bridge) > 100, 40, lambda: str(reasons(bridge)))
            asked = joins_and_leaves(chats)
            of_announcements = [one for one in needed if "announcements" in one[1]]
            for withdrawn in (needed, of_announcements, [one for one in needed if one[0] == "--group"]):
                rights.only([one for one in needed if one not in withdrawn])
                wait_for(
                    lambda: any(f"Kafka denies {PRINCIPAL}" in one for one in reasons(bridge)),
                    60,
                    lambda: str(reasons(bridge)),
                )
                assert not any("TOPIC_MISSING" in one for one in reasons(bridge))
                rights.only(needed)
                wait_until_captured(bridge, RETURNED_SECONDS)
            assert joins_and_leaves(chats) == asked
            environment.finish(chats)
        assert bridge.terminate() == 0
    said = bridge.log.read_text("utf-8")
    assert "kafka_problem_began code=ACCESS_DENIED" in said
    assert "kafka_problem_ended code=ACCESS_DENIED" in said
