"""Two processes with one `worker_id`: one remains, the other ends and says why. A process that died is none of them."""

from __future__ import annotations

import json
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS
from tests.integration.e2e_environment import E2EEnvironment, all_joined, captured
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.sandbox import LocalBroker

CHATS = 6
DECIDED_SECONDS = 60
RESTARTS = 20


def told(bridge: Bridge) -> set[str]:
    status, body = bridge.get("/readyz")
    return {one["code"] for one in json.loads(body)["reasons"]} if status else set()


def in_group(bridge: Bridge) -> None:
    wait_for(lambda: bridge.metric("chatbridge_shards") > 0, 30, lambda: f"no shards: {told(bridge)}", poll=0.2)


@pytest.fixture
def environment(own_broker: LocalBroker, tmp_path: Path) -> E2EEnvironment:
    return E2EEnvironment(own_broker.bootstrap_servers, tmp_path, **SHORT_KAFKA_TIMEOUTS).prepare()


def test_of_two_living_workers_with_one_id_exactly_one_remains_and_the_other_names_it(
    environment: E2EEnvironment, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    twin = E2EEnvironment(environment.broker, tmp_path / "second", **SHORT_KAFKA_TIMEOUTS)
    twin.prefix = environment.prefix
    with environment.chats(concurrent_chats=CHATS) as chats, environment.bridge("same", log__format="json") as first:
        wait_for(lambda: all_joined(first, CHATS) and captured(first) > 60, 40, "the chats are not captured")
        with twin.bridge("same", log__format="json") as second:
            both, codes = (first, second), set[str]()

            def decided() -> bool:
                codes.update(*(told(one) for one in both))
                return [one.running for one in both].count(True) == 1

            wait_for(decided, DECIDED_SECONDS, lambda: f"both run: {codes}")
            [ended] = [one for one in both if not one.running]
            [remains] = [one for one in both if one.running]
            assert ended.wait(1) == 3
            said = ended.log.read_text("utf-8")
            assert f"another process with worker_id same runs on {socket.gethostname()} and" in said
            assert "Traceback" not in said
            assert "WORKER_ID_TAKEN" in codes
            logged = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
            (taken, *_) = [one for one in logged if one.get("code") == "WORKER_ID_TAKEN"]
            assert f"another process, on {socket.gethostname()}, has joined" in taken["detail"]
            (failed,) = [one for one in logged if one["event"] == "run_failed"]
            assert (failed["level"], failed["code"]) == ("error", "WORKER_ID_IN_USE")
            assert "chatbridge: WORKER_ID_IN_USE: another process with worker_id same" in said
            remains.wait_ready()
            before = captured(remains)
            wait_for(lambda: all_joined(remains, CHATS) and captured(remains) > before + 30, 40, "not captured")
            environment.finish(chats)
            assert remains.terminate() == 0


@pytest.mark.timeout(240)
def test_a_worker_that_is_killed_and_started_at_once_never_takes_its_predecessor_for_another_one(
    environment: E2EEnvironment,
) -> None:
    with environment.chats(concurrent_chats=CHATS, events_per_second=20) as chats:
        for _ in range(RESTARTS):
            with environment.bridge("same") as bridge:
                in_group(bridge)  # it has joined in the place of its predecessor, and has been given the shards
                bridge.send(signal.SIGKILL)
                assert bridge.wait(10) == -signal.SIGKILL
        with environment.bridge("same") as last:
            wait_for(lambda: all_joined(last, CHATS), 60, lambda: f"the chats are not joined: {told(last)}")
            environment.finish(chats)
            assert last.terminate() == 0
    said = last.log.read_text("utf-8")  # of all of them: they share the file
    assert said.count("bridge_started") == RESTARTS + 1
    assert [word for word in ("worker_id same runs on", "WORKER_ID_", "Traceback") if word in said] == []
