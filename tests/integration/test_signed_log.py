"""Signatures and logs of a running installation: over a hand-over, a crash and another key, before judges of others."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.cli import main
from bridge.commands.proof import prove_partition, read_keys
from bridge.config import load
from bridge.errors import SigningFailed
from bridge.evidence.anchors import STATEMENT, parsed_statement, parsed_tree_head
from bridge.evidence.key_list import KEYS
from bridge.evidence.merkle import MerkleTree
from bridge.evidence.signed_note import parsed_note
from tests.evidence.judgement import ACCEPTED, JudgeQuestion, judged
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, captured, reasons
from tests.support.oracle import read_all
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.commands.proof import ProvedCertificates
    from bridge.config import Config
    from tests.support.processes import Bridge, Simulator

SESSION_SECONDS = 6


@pytest.fixture
def environment(broker: str, tmp_path: Path) -> E2EEnvironment:
    found = E2EEnvironment(
        broker,
        tmp_path,
        kafka__session_timeout_seconds=SESSION_SECONDS,
        evidence__signing_key_file=tmp_path / "signing.pem",
        evidence__key_list_file=tmp_path / "keys.txt",
        evidence__anchor_seconds=1,
    )
    new_key(found, "signing.pem")
    return found


def options(environment: E2EEnvironment) -> list[str]:
    return ["--topic-prefix", environment.prefix, "--bootstrap-servers", environment.broker]


def new_key(environment: E2EEnvironment, name: str, *more: str) -> None:
    out, listed = str(environment.folder / name), str(environment.folder / "keys.txt")
    assert main(["keys", "new", "--out", out, "--list", listed, *more, *options(environment)]) == 0


def rotate(environment: E2EEnvironment) -> None:
    current = environment.folder / "signing.pem"
    new_key(environment, "next.pem", "--former", str(current))
    (environment.folder / "next.pem").replace(current)


def settings(environment: E2EEnvironment) -> Config:
    flags = {"kafka.bootstrap_servers": environment.broker, "kafka.topic_prefix": environment.prefix}
    return load(None, {}, {**flags, "evidence.key_list_file": str(environment.folder / "keys.txt")})


def more_certified(*bridges: Bridge, chats: int = 5) -> None:
    def closed() -> float:
        return sum(bridge.metric("chatbridge_chats_closed_total") for bridge in bridges)

    before = closed()
    wait_for(lambda: closed() >= before + chats, 60, "no more chats are closed")


def short_chats(environment: E2EEnvironment) -> Simulator:
    return environment.chats(concurrent_chats=10, events_per_second=200, mean_events=12, seed=3)


def proved(environment: E2EEnvironment) -> list[ProvedCertificates]:
    config, keys = settings(environment), read_keys(environment.folder / "keys.txt")[:1]  # the others it has to find

    async def every_partition() -> list[ProvedCertificates]:
        return [await prove_partition(config, one, keys) for one in range(PARTITIONS)]

    return asyncio.run(every_partition())


def notes(environment: E2EEnvironment) -> list[bytes]:
    return [value for _, _, value in read_all(environment.broker, TopicNames(environment.prefix).anchors)]


def first_line(note: bytes) -> str:
    return note.decode().split("\n", 1)[0]


def check_heads(environment: E2EEnvironment, keys: list[str]) -> None:
    """Let the judge see every head, and that each has grown from the one before it in its log."""
    heads: dict[str, list[bytes]] = {}
    for note in notes(environment):
        first = first_line(note)
        if not first.endswith((KEYS, STATEMENT)):
            heads.setdefault(first, []).append(note)
    leaves: dict[str, list[bytes]] = {}
    for partition, _, value in read_all(environment.broker, TopicNames(environment.prefix).leaves):
        leaves.setdefault(str(partition), []).append(value)
    questions: list[JudgeQuestion] = []
    for origin, found in heads.items():
        tree = MerkleTree(leaves.get(origin.rpartition("/")[2], []))
        public = [str(one.named(origin)) for one in read_keys(environment.folder / "keys.txt")]
        questions += [JudgeQuestion("head", public, note, origin) for note in found]
        for earlier, later in pairwise(found):
            sizes = [parsed_tree_head(parsed_note(note).text).size for note in (earlier, later)]
            growth = tree.consistency(*sizes)
            questions.append(JudgeQuestion("consistency", public, later, origin, earlier=earlier, consistency=growth))
    assert len(questions) > 2 * len(heads) > 0
    assert set(judged(questions)) == {ACCEPTED}
    signers = {one.hash for found in heads.values() for note in found for one in parsed_note(note).signatures}
    assert len(signers) == len(keys) * len(heads)


@pytest.mark.timeout(240)
def test_everything_is_proved_across_a_hand_over_a_crash_and_another_key(environment: E2EEnvironment) -> None:
    with environment.bridge("worker-1") as one:
        one.wait_ready()
        with short_chats(environment) as chats:
            more_certified(one)
            with environment.bridge("worker-2") as two:
                two.wait_ready()
                more_certified(two)
                rotate(environment)
                more_certified(one, two)
                one.kill()
                wait_for(lambda: two.metric("chatbridge_shards") == PARTITIONS, 60, "the shards are not taken over")
                more_certified(two)
                environment.finish(chats)
                wait_for(lambda: unsaid(environment) == [], 40, lambda: str(unsaid(environment)), poll=0.5)
    sessions = environment.records("sessions")
    keys = sorted({record["signature"]["keyId"] for record in sessions})
    assert len(keys) == 2
    check_heads(environment, keys)
    results = proved(environment)
    assert [str(each) for found in results for each in found.findings] == []
    assert all(found.sound for found in results)
    assert sum(found.certificates for found in results) == sum(bool(record["certificate"]) for record in sessions)
    check_inclusions(environment, results)


def check_inclusions(environment: E2EEnvironment, results: list[ProvedCertificates]) -> None:
    """Let the judge see the proof of every certificate."""
    public = read_keys(environment.folder / "keys.txt")
    questions = [
        JudgeQuestion(
            "inclusion",
            [str(key.named(bundle.origin)) for key in public],
            bundle.checkpoint,
            bundle.origin,
            leaf=bundle.record,
            index=bundle.index,
            inclusion=bundle.inclusion,
        )
        for found in results
        for bundle in found.bundles
    ]
    assert set(judged(questions)) == {ACCEPTED}


def unsaid(environment: E2EEnvironment) -> list[str]:
    """Return the logs whose last head does not cover all leaves yet."""
    sizes: dict[str, int] = {}
    for note in notes(environment):
        if first_line(note).endswith(STATEMENT):
            head = parsed_statement(parsed_note(note).text).head
            sizes[head.origin.rpartition("/")[2]] = head.size
    there = read_all(environment.broker, TopicNames(environment.prefix).leaves)
    counts = Counter(str(partition) for partition, _, _ in there)
    return [tree for tree, count in counts.items() if sizes.get(tree, 0) < count]


def waits_for_a_key(bridge: Bridge) -> bool:
    return any(reason.startswith(SigningFailed.code) for reason in reasons(bridge))


def test_a_broken_key_holds_everything_back_and_loses_nothing(environment: E2EEnvironment) -> None:
    key = environment.folder / "signing.pem"
    kept = key.read_bytes()
    with environment.bridge() as bridge:
        bridge.wait_ready()
        with short_chats(environment) as chats:
            more_certified(bridge)
            key.write_bytes(b"no key")
            wait_for(lambda: waits_for_a_key(bridge), 40, "it is ready without a key")
            before = captured(bridge)
            key.write_bytes(kept)
            wait_for(lambda: bridge.ready and captured(bridge) > before, 60, "it does not go on")
            environment.finish(chats)
    assert all(record["signature"] for record in environment.records("sessions"))
