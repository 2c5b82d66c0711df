"""A record that Kafka refuses for its size: quarantine and a GAP in its place, and the chat goes on (P2)."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from bridge.chat.events import CLIENT, MessageText
from bridge.chat.messages import FORCE_CLOSE, RequestJoin, RequestMessage, RequestReleaseParty
from bridge.chat.transcript import TOO_LARGE
from tests.integration.corner import Corner, all_joined, gap_reasons
from tests.line.kafka_tools import alter
from tests.line.processes import wait_for
from tests.simulator.talk import TestClient, play

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.line.processes import Simulator

LIMIT = 12_000
LONG = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz ", k=25_000))


async def customer_says(server: Simulator, ready: Callable[[], bool], *texts: str) -> str:
    """A customer opens a chat, waits until `ready`, says these things and ends it; returns the session id."""
    client = await TestClient.monitor(int(server.address.rpartition(":")[2]), user_type=CLIENT)
    answer = await client.ask(RequestJoin(reference_id=1, visibility="ALL"))
    session_id: str = answer.chat_transcript.session_id  # type: ignore[attr-defined]
    while not await asyncio.to_thread(ready):  # noqa: ASYNC110 - another process is waited for
        await asyncio.sleep(0.05)
    for reference, text in enumerate(texts, start=2):
        await client.ask(RequestMessage(session_id, MessageText(text), reference_id=reference))
    await client.ask(RequestReleaseParty(session_id=session_id, after_action=FORCE_CLOSE, reference_id=99))
    return session_id


def test_a_record_larger_than_the_topic_takes_is_quarantined_and_leaves_a_gap(broker: str, tmp_path: Path) -> None:
    corner = Corner(broker, tmp_path, kafka__partitions=1, kafka__compression="none")
    with corner.bridge() as bridge, corner.simulator(no_traffic=True) as server:
        bridge.wait_ready()
        alter(broker, corner.topic("events"), "max.message.bytes", str(LIMIT))
        session_id = play(customer_says(server, lambda: all_joined(bridge), "short", LONG, "short again"))
        wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") == 1, 30, "the chat is not closed")
        assert bridge.metric("chatbridge_gaps_total", reason="too_large") == 1
        assert bridge.metric("chatbridge_quarantined_total", reason="too_large") == 1
        assert bridge.metric("chatbridge_transactions_total", outcome="failed") == 1
        wait_for(lambda: bridge.ready, 10, "not ready again")
        assert server.stats()["requests"]["RequestJoin"] == 2  # the customer's and ours
        result = corner.finish(server)
    assert len(result.told) == 1
    assert gap_reasons(corner) == {TOO_LARGE: 1}
    texts = [record["message"]["text"] for record in corner.records("events") if record["message"]]
    assert texts == ["short", "short again"]
    parts = corner.records("quarantine")
    assert {part["sessionId"] for part in parts} == {session_id}
    assert LONG in b"".join(part["bytes"] for part in parts).decode()
    [certificate] = corner.certificates().values()
    assert (certificate["verdict"], certificate["reasons"]) == ("INCOMPLETE", [TOO_LARGE])
