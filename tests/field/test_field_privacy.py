"""What rules hide is hidden everywhere, and found as people type it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from bridge.chatserver.messages import FORCE_CLOSE, RequestJoin, RequestMessage, RequestReleaseParty
from bridge.records.detectors import ibans, payment_cards, phones
from bridge.transcript.events import CLIENT, MessageText
from tests.field.field_environment import (
    E2EEnvironment,
    TestClient,
    all_joined,
    alter,
    preconditions,
    run_test,
    starts,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.field.field_environment import Simulator

pytestmark = pytest.mark.field

CARD = "4111 1111 1111 1111"
TOO_LARGE = "too large for the topic " * 1000
RULES = [{"name": "cards", "detector": "payment_card", "action": "mask"}]


async def customer_says(server: Simulator, ready: Callable[[], bool], *texts: str) -> None:
    """A customer opens a chat, waits until `ready`, says these things and ends it."""
    client = await TestClient.monitor(int(server.address.rpartition(":")[2]), user_type=CLIENT, nickname="customer")
    answer = await client.ask(RequestJoin(reference_id=1, visibility="ALL"))
    session_id: str = answer.chat_transcript.session_id  # type: ignore[attr-defined]
    while not await asyncio.to_thread(ready):  # noqa: ASYNC110 - another process is waited for
        await asyncio.sleep(0.05)
    for reference, text in enumerate(texts, start=2):
        await client.ask(RequestMessage(session_id, MessageText(text), reference_id=reference))
    await client.ask(RequestReleaseParty(session_id=session_id, after_action=FORCE_CLOSE, reference_id=99))


def test_a_card_number_that_is_masked_in_the_events_is_not_in_clear_in_the_quarantine(
    field_broker: str, tmp_path: Path
) -> None:
    settings = {"kafka__partitions": 1, "kafka__compression": "none", "privacy__rules": json.dumps(RULES)}
    environment = E2EEnvironment(field_broker, tmp_path, **settings)
    said = f"my card is {CARD}"
    with environment.bridge() as bridge, environment.simulator(no_traffic=True) as server, preconditions():
        starts(bridge)
        alter(field_broker, environment.topic("events"), "max.message.bytes", "12000")
        run_test(customer_says(server, lambda: all_joined(bridge), said, f"{said}, {TOO_LARGE}", "bye"))
        wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") == 1, 40, "the chat is not closed")
    texts = [record["message"]["text"] for record in environment.records("events") if record["message"]]
    quarantined = b"".join(record["bytes"] for record in environment.records("quarantine"))
    with preconditions():
        assert [text[:10] for text in texts] == ["my card is", "bye"]
        assert CARD not in texts[0]
        assert len(quarantined) > len(TOO_LARGE)
    assert CARD.encode() not in quarantined


GROUPS = ("4111", "1111", "1111", "1111")
SEPARATORS = (" ", "-", "\u00a0", "\u2013", "\u2011", ".", "/", ",", "\u200b", "\u202f", "&nbsp;", "  ", "\n")


@pytest.mark.parametrize(
    ("detect", "text"),
    [
        *(pytest.param(payment_cards, one.join(GROUPS), id=f"card with {one!a}") for one in SEPARATORS),
        pytest.param(payment_cards, "\uff14" + "\uff11" * 15, id="card in full-width digits"),
        pytest.param(payment_cards, " ".join("4" + "1" * 15), id="card digit by digit"),
        pytest.param(payment_cards, "41 11 11 11 11 11 11 11", id="card in pairs"),
        pytest.param(ibans, "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", id="IBAN with no-break spaces"),
        pytest.param(phones, "+49\u00a0151\u00a023456789", id="telephone number with no-break spaces"),
    ],
)
def test_a_number_is_found_as_people_type_it(detect: Callable[[str], Iterable[object]], text: str) -> None:
    assert len(list(detect(text))) == 1
