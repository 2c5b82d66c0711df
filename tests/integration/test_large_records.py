"""A record that Kafka refuses for its size: quarantine and a GAP in its place; the chat continues (P2)."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from bridge.chatserver.messages import FORCE_CLOSE, RequestJoin, RequestMessage, RequestReleaseParty
from bridge.transcript.events import CLIENT, MessageText
from bridge.transcript.gap_codes import TOO_LARGE
from tests.integration.e2e_environment import (
    CUSTOMER,
    E2EEnvironment,
    all_joined,
    captured,
    gap_codes,
    joins_and_leaves,
    reasons,
)
from tests.simulator.raw_client import TestClient, run_test
from tests.support.kafka_tools import alter, fence
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.processes import Simulator

LIMIT = 12_000
LONG = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz ", k=25_000))


async def customer_says(server: Simulator, ready: Callable[[], bool], *texts: str) -> str:
    """A customer opens a chat, waits until `ready`, sends these messages and ends it; returns the session id."""
    client = await TestClient.monitor(int(server.address.rpartition(":")[2]), user_type=CLIENT, nickname=CUSTOMER)
    answer = await client.ask(RequestJoin(reference_id=1, visibility="ALL"))
    session_id: str = answer.chat_transcript.session_id  # type: ignore[attr-defined]
    while not await asyncio.to_thread(ready):  # noqa: ASYNC110 - another process is waited for
        await asyncio.sleep(0.05)
    for reference, text in enumerate(texts, start=2):
        await client.ask(RequestMessage(session_id, MessageText(text), reference_id=reference))
    await client.ask(RequestReleaseParty(session_id=session_id, after_action=FORCE_CLOSE, reference_id=99))
    return session_id


def test_a_record_larger_than_the_topic_takes_is_quarantined_and_leaves_a_gap(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path, kafka__partitions=1, kafka__compression="none")
    with environment.bridge() as bridge, environment.simulator(no_traffic=True) as server:
        bridge.wait_ready()
        alter(broker, environment.topic("events"), "max.message.bytes", str(LIMIT))
        session_id = run_test(customer_says(server, lambda: all_joined(bridge), "short", LONG, "short again"))
        wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") == 1, 30, "the chat is not closed")
        assert bridge.metric("chatbridge_gaps_total", reason="too_large") == 1
        assert bridge.metric("chatbridge_quarantined_total", reason="too_large") == 1
        assert bridge.metric("chatbridge_transactions_total", outcome="failed") == 1
        wait_for(lambda: bridge.ready, 10, "not ready again")
        assert server.stats()["requests"]["RequestJoin"] == 2  # the customer's and ours
        result = environment.finish(server)
    assert len(result.explained) == 1
    assert gap_codes(environment) == {TOO_LARGE: 1}
    texts = [record["message"]["text"] for record in environment.records("events") if record["message"]]
    assert texts == ["short", "short again"]
    parts = environment.records("quarantine")
    assert {part["sessionId"] for part in parts} == {session_id}
    assert LONG in b"".join(part["bytes"] for part in parts).decode()
    [certificate] = environment.certificates().values()
    assert (certificate["verdict"], certificate["reasons"]) == ("INCOMPLETE", [TOO_LARGE])


def test_a_limit_that_is_lowered_for_a_while_costs_time_and_no_record(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path, kafka__partitions=1)
    events = environment.topic("events")
    with environment.bridge() as bridge, environment.chats() as chats:
        bridge.wait_ready()
        wait_for(lambda: all_joined(bridge, 10) and captured(bridge) > 100, 30, "the chats are not captured")
        for too_little in (100, 200):
            alter(broker, events, "max.message.bytes", str(too_little))
            reason = f"{events} accepts no records above {too_little} bytes"
            wait_for(lambda: reason in str(reasons(bridge)), 20, "the reason is not given")  # noqa: B023
            assert all_joined(bridge, 10)
            alter(broker, events, "max.message.bytes", None)
            bridge.wait_ready(30)
            before = captured(bridge)
            wait_for(lambda: captured(bridge) > before + 50, 20, "nothing is captured any more")  # noqa: B023
        assert bridge.metric("chatbridge_quarantined_total") == 0
        assert joins_and_leaves(chats)["RequestJoin"] == 10
        result = environment.finish(chats)
    assert result.explained == []


def test_a_limit_that_is_raised_again_is_used_before_anything_is_set_aside(broker: str, tmp_path: Path) -> None:
    one = {"kafka__partitions": 1, "kafka__compression": "none"}
    environment = E2EEnvironment(broker, tmp_path, **one, kafka__transactions="shard")  # whose id is fenced
    with environment.bridge() as bridge, environment.simulator(no_traffic=True) as server:
        bridge.wait_ready()
        alter(broker, environment.topic("events"), "max.message.bytes", str(LIMIT))
        fence(broker, f"{environment.prefix}bridge-0")  # the shard is re-opened and reads the lowered limit

        def ready_to_raise() -> bool:
            if not all_joined(bridge) or bridge.metric("chatbridge_shard_changes_total", change="taken") < 2:
                return False
            alter(broker, environment.topic("events"), "max.message.bytes", None)
            return True

        run_test(customer_says(server, ready_to_raise, LONG, "short"))
        result = environment.finish(server)
        assert bridge.metric("chatbridge_quarantined_total") == 0
    assert result.explained == []
    assert [record["message"]["text"] for record in environment.records("events") if record["message"]] == [
        LONG,
        "short",
    ]
