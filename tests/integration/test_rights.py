"""Every command runs with exactly the rights that `chatbridge acls` prints, and names each one that is missing."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from bridge.cli import main
from bridge.config import load
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
from tests.integration.user_rights import PRINCIPAL, Granted, Rights, chatbridge
from tests.support.kafka_tools import alter
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.config import Config
    from tests.support.secured_broker import SecuredBroker

SAMPLE = str(SAMPLES[0])
CHATS = 6
RETURNED_SECONDS = 15
"""After rights have come back, shards are taken within this time."""
DENIED_SECONDS = 10
"""A command without rights ends within this time."""


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


@pytest.mark.timeout(240)
def test_each_command_runs_with_exactly_its_rights_and_nothing_is_denied(
    rights: Rights, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = rights.environment
    rights.only(rights.printed("topics apply"))
    assert printed_by(capsys, 0, "topics", "apply", *rights.flags).count("done: create ") == 8
    alter(environment.broker, environment.topic("events"), "retention.ms", "1000")
    rights.only(rights.printed("topics plan"))
    printed_by(capsys, 1, "topics", "plan", *rights.flags)
    rights.only(rights.printed("topics apply"))
    assert "done: alter " in printed_by(capsys, 0, "topics", "apply", *rights.flags)
    rights.only(rights.printed("announce"))
    printed_by(capsys, 0, "announce", "s1", "127.0.0.1:1", *rights.flags)
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
    rights.only(rights.printed("simulate"))
    done = chatbridge("simulate", "--kafka", "", "--chats", "1", "--mean-events", "2", *rights.flags)
    assert json.loads(done.stdout.splitlines()[-1])["announced"] == 1, done.stderr
    rights.only(rights.printed("tail"))
    assert len(printed_by(capsys, 0, "tail", "--from-beginning", "--max", "3", *rights.flags).splitlines()) == 4
    rights.only(rights.printed("verify"))
    printed_by(capsys, 0, "verify", *rights.flags)
    rights.only(rights.printed("reconcile"))
    printed_by(capsys, 1, "reconcile", SAMPLE, *rights.flags)
    rights.only(rights.printed("reconcile --fill"))
    printed_by(capsys, 0, "reconcile", "--fill", SAMPLE, *rights.flags)
    rights.only(rights.printed("backfill"))
    printed_by(capsys, 0, "backfill", SAMPLE, *rights.flags)
    assert rights.denials() == []


def test_a_worker_that_signs_and_proofs_run_with_exactly_their_rights(
    rights: Rights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = rights.environment
    key, keys = str(tmp_path / "key.pem"), str(tmp_path / "keys.txt")
    printed_by(capsys, 0, "keys", "new", "--out", key, "--list", keys, *rights.flags)
    environment.settings |= {"evidence__signing_key_file": key, "evidence__key_list_file": keys}
    environment.settings |= {"evidence__anchor_seconds": 1}
    rights.only(rights.printed("topics apply"))
    assert printed_by(capsys, 0, "topics", "apply", *rights.flags).count("done: create ") == 10
    rights.only(rights.printed("run"))
    with environment.bridge() as bridge, environment.chats(concurrent_chats=CHATS, mean_events=10) as chats:
        wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") > 1, 40, lambda: str(reasons(bridge)))
        chats.terminate()
        assert bridge.terminate() == 0
    proof = rights.printed("proof")
    rights.only(proof)
    printed_by(capsys, 1, "proof", "unknown", *rights.flags)
    assert rights.denials() == []
    for right in proof:
        rights.only([one for one in proof if one != right])
        code, message, _ = ended(capsys, "proof", "unknown", *rights.flags)
        assert (code, bool(re.search(missing(right), message))) == (3, True), message


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
        ("simulate", "--kafka", "", "--chats", "1"): rights.printed("simulate"),
        ("backfill", SAMPLE): rights.printed("backfill"),
        ("backfill", "--wait", SAMPLE): rights.printed("backfill --wait"),
        ("reconcile", SAMPLE): rights.printed("reconcile"),
        ("reconcile", "--fill", SAMPLE): rights.printed("reconcile --fill"),
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


def test_what_a_worker_asks_before_it_begins_names_each_single_right(rights: Rights) -> None:
    rights.environment.prepare()
    config = settings_of(rights)
    needed = [one for one in rights.printed("run") if one[2] != "Create"]  # the topics are there
    for right in needed:
        rights.only([one for one in needed if one != right])
        with pytest.raises(AccessDenied) as told:
            asyncio.run(rights_check_of(config, "run").check())
        assert str(told.value).startswith(said_of(right))
    rights.only(needed)
    asyncio.run(rights_check_of(config, "run").check())


def settings_of(rights: Rights) -> Config:
    """Return the settings that the flags of a test give."""
    return load(None, {}, dict(word.split("=", 1) for word in rights.flags[1::2]))


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
        bridge.kill()  # it holds less than a worker that reads stored transcripts


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
