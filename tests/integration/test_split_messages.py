"""A card that a customer sends in two messages, with a hold-back: in no byte of the topics, nor in both together."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from bridge.chatserver.messages import FORCE_CLOSE, RequestJoin, RequestMessage, RequestReleaseParty
from bridge.cli import main
from bridge.transcript.events import CLIENT, MessageText
from tests.integration.e2e_environment import CUSTOMER, E2EEnvironment, all_joined
from tests.integration.planted_values import CARDS, found_in
from tests.integration.test_planted_values import written
from tests.simulator.raw_client import TestClient, run_test
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SECONDS: Final = 15
"""The longest hold-back: the second message comes as soon as the first one is seen to wait."""
RULES: Final = [{"name": "cards", "detector": "payment_card"}]
HALVES: Final = (f"my card: {CARDS[0][:8]}", f"{CARDS[0][8:]}, please")
RECORDED: Final = ["my card: ********", "********, please"]


def age(bridge: Bridge) -> float:
    """Return the age in seconds of the oldest event that is not committed."""
    return bridge.metric("chatbridge_oldest_uncommitted_event_seconds")


async def chat(bridge: Bridge, server: Simulator) -> None:
    """Say the halves of a card, the second one once the first one waits, and end the chat."""
    client = await TestClient.monitor(int(server.address.rpartition(":")[2]), user_type=CLIENT, nickname=CUSTOMER)
    answer = await client.ask(RequestJoin(reference_id=1, visibility="ALL"))
    session_id: str = answer.chat_transcript.session_id  # type: ignore[attr-defined]
    await asyncio.to_thread(wait_for, lambda: all_joined(bridge), 30, "the chat is not followed")
    await client.ask(RequestMessage(session_id, MessageText(HALVES[0]), reference_id=2))
    await asyncio.to_thread(wait_for, lambda: age(bridge) > 0.5, SECONDS, "the first half does not wait")
    await client.ask(RequestMessage(session_id, MessageText(HALVES[1]), reference_id=3))
    await client.ask(RequestReleaseParty(session_id=session_id, after_action=FORCE_CLOSE, reference_id=99))


def test_a_card_over_two_messages_is_in_neither_record(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = E2EEnvironment(broker, tmp_path, kafka__compression="none")
    file = tmp_path / "privacy.yaml"
    file.write_text(json.dumps({"privacy": {"rules": RULES, "hold_back_seconds": SECONDS}}), "utf-8")
    monkeypatch.setenv("CHATBRIDGE_CONFIG", str(file))
    with environment.bridge() as bridge, environment.simulator(no_traffic=True) as server:
        bridge.wait_ready()
        run_test(chat(bridge, server), 90)
        wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") == 1, 30, "the chat is not closed")
        assert bridge.terminate() == 0
        server.terminate()
    assert main(["verify", "--bootstrap-servers", broker, "--topic-prefix", environment.prefix]) == 0
    records = [one for one in environment.records("events") if one["message"]]
    assert [one["message"]["text"] for one in records] == RECORDED
    assert [one["earlier"] for record in records for one in record["redactions"]] == [[], []]
    events = written(broker, environment.prefix, "events")
    assert not any(half[at : at + 8].encode() in b"".join(events) for half, at in ((HALVES[0], 9), (HALVES[1], 0)))
    assert found_in(b"".join(one["message"]["text"].encode() for one in records)) == []
    assert found_in("".join(HALVES).encode()) == [CARDS[0]]
