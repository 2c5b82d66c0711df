"""Signatures and logs of a running installation: over a hand-over, a crash and another key, before judges of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.errors import SigningFailed
from tests.evidence.judged_log import SignedLog
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, captured, reasons
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

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
    log_of(found).new_key()
    return found


def log_of(environment: E2EEnvironment) -> SignedLog:
    return SignedLog(environment.broker, environment.prefix, environment.folder)


def more_certified(*bridges: Bridge, chats: int = 5) -> None:
    def closed() -> float:
        return sum(bridge.metric("chatbridge_chats_closed_total") for bridge in bridges)

    before = closed()
    wait_for(lambda: closed() >= before + chats, 60, "no more chats are closed")


def short_chats(environment: E2EEnvironment) -> Simulator:
    return environment.chats(concurrent_chats=10, events_per_second=200, mean_events=12, seed=3)


@pytest.mark.timeout(240)
def test_everything_is_proved_across_a_hand_over_a_crash_and_another_key(environment: E2EEnvironment) -> None:
    with environment.bridge("worker-1") as one:
        one.wait_ready()
        with short_chats(environment) as chats:
            more_certified(one)
            with environment.bridge("worker-2") as two:
                two.wait_ready()
                more_certified(two)
                log_of(environment).rotate()
                more_certified(one, two)
                one.kill()
                wait_for(lambda: two.metric("chatbridge_shards") == PARTITIONS, 60, "the shards are not taken over")
                more_certified(two)
                environment.finish(chats)
                wait_for(lambda: log_of(environment).unsaid() == [], 40, "no head covers all leaves", poll=0.5)
    sessions = environment.records("sessions")
    assert len({record["signature"]["keyId"] for record in sessions}) == 2
    found = log_of(environment).judge(PARTITIONS)
    assert found.problems == []
    assert found.signers == 2
    assert found.heads > found.growths > found.heads // 2
    assert found.statements >= found.heads
    certificates = sum(bool(record["certificate"]) for record in sessions)
    assert found.certificates == found.inclusions == certificates > 0


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
