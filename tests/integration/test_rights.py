"""Every command runs with exactly the rights that `chatbridge acls` prints, and names each one that is missing."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from bridge.cli import main
from bridge.errors import AccessDenied
from bridge.factories import rights_check_of
from tests.commands.convert_process import SAMPLES
from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS
from tests.integration.e2e_environment import (
    PARTITIONS,
    E2EEnvironment,
    all_joined,
    captured,
    joins_and_leaves,
    reasons,
)
from tests.integration.user_rights import (
    DENIED_SECONDS,
    PRINCIPAL,
    RETURNED_SECONDS,
    Granted,
    Rights,
    chatbridge,
    grants,
    missing,
    settings_of,
    tries,
    wait_until_captured,
)
from tests.support.kafka_tools import alter
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.secured_broker import SecuredBroker

SAMPLE = str(SAMPLES[0])
CHATS = 6


@pytest.fixture
def rights(secured_broker: SecuredBroker, tmp_path: Path) -> Iterator[Rights]:
    settings = {**secured_broker.settings, **SHORT_KAFKA_TIMEOUTS}
    found = Rights(secured_broker, E2EEnvironment(secured_broker.bootstrap_servers, tmp_path, **settings))
    yield found
    found.only([])


def printed_by(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    """Run a command here, for many are run, until it ends with this exit code; return its standard output."""
    capsys.readouterr()
    ended_with = main([*words])
    found = capsys.readouterr()
    assert ended_with == code, found.err
    return found.out


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command likewise; return exit code, message and next step."""
    capsys.readouterr()
    code = main([*words])
    lines = capsys.readouterr().err.splitlines()
    told = [line.removeprefix("chatbridge: ") for line in lines if line.startswith("chatbridge: ")]
    steps = [line for line in lines if line.startswith("  next: ")]
    return code, " ".join(told), " ".join(steps)


def with_its_rights(rights: Rights, capsys: pytest.CaptureFixture[str], code: int, command: str, *words: str) -> str:
    """Run a command with exactly its rights until it ends with this exit code; return its standard output."""
    rights.exactly(command)
    return printed_by(capsys, code, *command.split(), *words, *rights.flags)


@pytest.mark.timeout(240)
@tries(
    *("topics apply", "topics plan", "announce", "run", "simulate", "tail", "verify", "verify --audit", "export"),
    *("reconcile", "reconcile --fill", "backfill"),
)
def test_each_command_runs_with_exactly_its_rights_and_nothing_is_denied(
    rights: Rights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = rights.environment
    assert with_its_rights(rights, capsys, 0, "topics apply").count("done: create ") == 8
    alter(environment.broker, environment.topic("events"), "retention.ms", "1000")
    with_its_rights(rights, capsys, 1, "topics plan")
    assert "done: alter " in with_its_rights(rights, capsys, 0, "topics apply")
    with_its_rights(rights, capsys, 0, "announce", "s1", "127.0.0.1:1")
    rights.exactly("run")
    with environment.bridge() as bridge, environment.chats(concurrent_chats=CHATS) as chats:
        wait_for(lambda: captured(bridge) > 100, 40, lambda: str(reasons(bridge)))
        assert bridge.post("/v1/sessions", {"sessionId": "s2", "host": "127.0.0.1", "port": 1})[0] == 202
        with environment.bridge("worker-2") as second:
            wait_for(lambda: second.ready and second.metric("chatbridge_shards"), 40, lambda: str(reasons(second)))
            assert bridge.terminate() == 0
            wait_for(lambda: second.metric("chatbridge_shards") == PARTITIONS, 40, "not taken over")
            chats.terminate()
            assert second.terminate() == 0
    rights.exactly("simulate")
    done = chatbridge("simulate", "--kafka", "", "--chats", "1", "--mean-events", "2", *rights.flags)
    assert json.loads(done.stdout.splitlines()[-1])["announced"] == 1, done.stderr
    assert len(with_its_rights(rights, capsys, 0, "tail", "--from-beginning", "--max", "3").splitlines()) == 4
    with_its_rights(rights, capsys, 0, "verify")
    assert "nothing to verify" in with_its_rights(rights, capsys, 1, "verify --audit")
    with_its_rights(rights, capsys, 0, "export", str(tmp_path / "exported"))
    printed_by(capsys, 0, "verify", str(tmp_path / "exported"))
    with_its_rights(rights, capsys, 1, "reconcile", SAMPLE)
    with_its_rights(rights, capsys, 0, "reconcile --fill", SAMPLE)
    with_its_rights(rights, capsys, 0, "backfill", SAMPLE)
    assert rights.denials() == []


@pytest.mark.timeout(240)  # what it waits for may take more than 160 s in all
@pytest.mark.parametrize("other", ["worker", "shard"])
@tries("run")
def test_workers_with_one_transaction_each_claim_and_fence_with_exactly_the_same_rights(
    rights: Rights, other: str
) -> None:
    environment = rights.environment
    environment.prepare()
    rights.exactly("run")
    with environment.bridge(kafka__transactions="worker") as bridge, environment.chats(concurrent_chats=CHATS) as chats:
        wait_for(lambda: captured(bridge) > 100, 40, lambda: str(reasons(bridge)))
        with environment.bridge("worker-2", kafka__transactions=other) as second:
            wait_for(lambda: second.ready and second.metric("chatbridge_shards"), 40, lambda: str(reasons(second)))
            bridge.kill()
            wait_for(lambda: second.metric("chatbridge_shards") == PARTITIONS, 40, "not taken over")
            wait_for(lambda: all_joined(second, CHATS), 40, "the chats are not followed")
            result = environment.finish(chats)
            assert second.terminate() == 0
    assert result.explained == []
    assert rights.denials() == []


def without_each(rights: Rights, capsys: pytest.CaptureFixture[str], command: str, *words: str) -> None:
    """Run a command without each of its rights: it ends, names what is missing, and says how to grant it."""
    for right in rights.each_missing(command):
        code, message, step = ended(capsys, *command.split(), *words, *rights.flags)
        assert code == 3, (command, right, message)
        assert re.search(missing(right), message), (command, right, message)
        assert grants(right) in step, (command, right, step)


@tries("topics apply", "run", "topics grow", lessened=["topics grow"])
def test_topics_grow_with_exactly_the_rights_for_it(rights: Rights, capsys: pytest.CaptureFixture[str]) -> None:
    with_its_rights(rights, capsys, 0, "topics apply")
    grow = ("--partitions", str(2 * PARTITIONS), "--set", f"kafka.partitions_before=[{PARTITIONS}]")
    rights.exactly("run")
    with rights.environment.bridge(kafka__partitions_before=f"[{PARTITIONS}]") as bridge:
        bridge.wait_ready()
        wait_for(
            lambda: bridge.metric("chatbridge_transactions_total", outcome="committed") >= 2 * PARTITIONS, 30, "idle"
        )
        assert bridge.terminate() == 0
    assert with_its_rights(rights, capsys, 0, "topics grow", *grow, "--dry-run").count("would raise") == 7
    assert with_its_rights(rights, capsys, 0, "topics grow", *grow).count("raised ") == 7
    assert rights.denials() == []
    without_each(rights, capsys, "topics grow", *grow)


@tries("topics apply", "run", "verify --keys", "export --log", "proof", lessened=["export --log", "proof"])
def test_a_worker_that_signs_and_proofs_run_with_exactly_their_rights(
    rights: Rights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = rights.environment
    key, keys = str(tmp_path / "key.pem"), str(tmp_path / "keys.txt")
    printed_by(capsys, 0, "keys", "new", "--out", key, "--list", keys, *rights.flags)
    environment.settings |= {"evidence__signing_key_file": key, "evidence__key_list_file": keys}
    environment.settings |= {"evidence__anchor_seconds": 1}
    assert with_its_rights(rights, capsys, 0, "topics apply").count("done: create ") == 10
    rights.exactly("run")
    with environment.bridge() as bridge, environment.chats(concurrent_chats=CHATS, mean_events=10) as chats:
        wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") > 1, 40, lambda: str(reasons(bridge)))
        chats.terminate()
        assert bridge.terminate() == 0
    assert "Kafka denies" not in with_its_rights(rights, capsys, 0, "verify --keys", keys)
    exported = str(tmp_path / "exported")
    with_its_rights(rights, capsys, 0, "export --log", exported)
    printed_by(capsys, 0, "verify", exported, "--keys", keys)
    with_its_rights(rights, capsys, 1, "proof", "unknown")
    assert rights.denials() == []
    needed = rights.printed("verify --keys")
    for kind in ("anchors", "leaves"):  # without it, what was not verified is named
        rights.only([one for one in needed if one[1] != environment.topic(kind)])
        said = printed_by(capsys, 0, "verify", "--keys", keys, *rights.flags)
        assert f"Kafka denies {PRINCIPAL}: Describe on topic {environment.topic(kind)}" in said
    without_each(rights, capsys, "proof", "unknown")
    without_each(rights, capsys, "export --log", str(tmp_path / "not exported"))


MISSING = {
    "topics plan": (),
    "announce": ("s1", "127.0.0.1:1"),
    "tail": ("--max", "1"),
    "verify": (),
    "verify --audit": (),
    "simulate": ("--kafka", "", "--chats", "1"),
    "backfill": (SAMPLE,),
    "backfill --wait": (SAMPLE,),
    "reconcile": (SAMPLE,),
    "reconcile --fill": (SAMPLE,),
}


@tries(lessened=["topics apply", *MISSING])
def test_each_missing_right_ends_a_command_with_its_name_and_how_to_grant_it(
    rights: Rights, capsys: pytest.CaptureFixture[str]
) -> None:
    apply = rights.printed("topics apply")
    kinds = ("events", "sessions", "quarantine", "announcements", "checkpoints", "stored")  # in this order
    made = (*kinds, "audit", "held")
    for right in [("--topic", rights.environment.topic(kind), "Create", False) for kind in made]:
        rights.only([one for one in apply if one != right])
        code, message, step = ended(capsys, "topics", "apply", *rights.flags)
        assert code == 3, message
        assert re.search(missing(right), message), message
        assert grants(right) in step
    rights.only(apply)
    assert ended(capsys, "topics", "apply", *rights.flags)[0] == 0
    rest = [one for one in apply if one[2] != "Create"]
    longer = [word for kind in ("", "announcement_") for word in ("--set", f"kafka.{kind}retention_seconds=99999999")]
    larger = ("--set", "kafka.max_record_bytes=2000000")
    for right in rest:
        rights.only([one for one in rest if one != right])
        code, message, step = ended(capsys, "topics", "apply", *longer, *larger, *rights.flags)
        assert code == 3, (right, message)
        assert re.search(missing(right), message), (right, message)
        assert grants(right) in step
    rights.lessened.add("topics apply")
    for command, words in MISSING.items():
        without_each(rights, capsys, command, *words)
    rights.only([])
    for command in ("tail", "verify"):
        before = len(rights.denied_at())
        assert chatbridge(command, *rights.flags).returncode == 3
        ended_at = time.time()
        assert ended_at - rights.denied_at()[before] < DENIED_SECONDS


def reasons_or_none(bridge: Bridge) -> list[str]:
    """Return the reasons of `/readyz`; none before the worker listens."""
    return reasons(bridge) if bridge.get("/livez")[0] else []


def said_of(right: Granted) -> str:
    """Return what is said of one missing right, up to its name in the command that grants it."""
    option, name, operation, prefixed = right
    kind = option.removeprefix("--").replace("-", " ")
    return (
        f"Kafka denies {PRINCIPAL}: {operation} on {kind} {name}{'*' if prefixed else ''} "
        f"(grant it, e.g. kafka-acls --add --allow-principal {PRINCIPAL} --operation {operation} {option} {name}"
    )


@tries(lessened=["run"])
def test_what_a_worker_asks_before_it_begins_names_each_single_right(rights: Rights) -> None:
    rights.environment.prepare()
    config = settings_of(rights)
    needed = [one for one in rights.printed("run") if one[2] != "Create"]  # the topics are there
    for right in needed:
        rights.only([one for one in needed if one != right])
        with pytest.raises(AccessDenied) as told:
            asyncio.run(rights_check_of(config, "run").check())
        assert str(told.value).startswith(said_of(right))
    rights.lessened.add("run")
    rights.only(needed)
    asyncio.run(rights_check_of(config, "run").check())


@pytest.mark.timeout(120)
def test_a_worker_waits_for_each_missing_right_and_names_it(rights: Rights) -> None:
    """The right to create each topic, and one of each kind and operation of the others."""
    needed = rights.printed("run")
    made = ("events", "sessions", "quarantine", "announcements", "checkpoints")  # in this order
    creations = [("--topic", rights.environment.topic(kind), "Create", False) for kind in made]
    others = [one for one in needed if one not in creations]
    stored = rights.environment.topic("stored")  # a worker goes on without it
    kinds = {
        (option, operation): (option, name, operation, prefix)
        for option, name, operation, prefix in others
        if name != stored
    }
    rights.only([one for one in needed if one != creations[0]])
    with rights.environment.bridge() as bridge:
        for right in (*creations, *kinds.values()):
            rights.only([one for one in needed if one != right])
            if right not in creations:
                rights.environment.prepare()  # the last topic, for which the worker had no right
            wait_for(
                lambda: any(one.startswith(f"ACCESS_DENIED: {said_of(right)}") for one in reasons_or_none(bridge)),  # noqa: B023
                30,
                lambda: f"{right} is not named: {reasons_or_none(bridge)}",  # noqa: B023
            )
            assert f"code=ACCESS_DENIED detail={said_of(right)}" in bridge.log.read_text("utf-8")
        assert "TOPIC_MISSING" not in bridge.log.read_text("utf-8")
        rights.only(others)  # not the right to create topics, which are there
        bridge.wait_ready(RETURNED_SECONDS)
        assert bridge.terminate() == 0


def test_a_worker_whose_rights_are_older_than_the_topic_of_stored_transcripts_goes_on(rights: Rights) -> None:
    environment = rights.environment
    stored = environment.topic("stored")
    needed = rights.printed("run")
    rights.only([one for one in needed if one[1] != stored])
    with environment.bridge() as bridge, environment.chats(concurrent_chats=CHATS) as chats:
        wait_for(lambda: all_joined(bridge, CHATS) and captured(bridge) > 100, 40, lambda: str(reasons(bridge)))
        unread = "stored_topic_unread code=ACCESS_DENIED"
        wait_for(lambda: unread in bridge.log.read_text("utf-8"), 30, "what cannot be read is not told")
        assert bridge.ready
        environment.finish(chats)
        assert bridge.terminate() == 0


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
            for withdrawn in (of_announcements, [one for one in needed if one[0] == "--group"]):
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
