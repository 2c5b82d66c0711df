"""What rules hide is hidden everywhere, and found as people type it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bridge.records.detectors import ibans, payment_cards, phones
from tests.field.field_environment import PRIVACY, E2EEnvironment, alter, preconditions, starts, wait_for, wrong_today

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

pytestmark = pytest.mark.field

CARD = "4111 1111 1111 1111"
STORED_CHAT = """<?xml version="1.0" encoding="UTF-8"?>
<chatTranscript startAt="2031-03-05T10:00:00Z" sessionId="0000CARD00000001">
<newParty userId="01" timeShift="0" visibility="ALL" eventId="1">
<userInfo userNick="Visitor 1" userType="CLIENT" protocolType="FLEX" timeZoneOffset="0"/></newParty>
<message userId="01" timeShift="4" visibility="ALL" eventId="2"><msgText>my card is {card}</msgText></message>
<message userId="01" timeShift="5" visibility="ALL" eventId="3"><msgText>my card is {card}, {long}</msgText></message>
<message userId="01" timeShift="6" visibility="ALL" eventId="4"><msgText>bye</msgText></message>
</chatTranscript>
"""
RULES = [{"name": "cards", "detector": "payment_card", "action": "mask"}]


@wrong_today(PRIVACY, "the quarantine holds the event's JSON as it came, whatever the rules say")
def test_a_card_number_that_is_masked_in_the_events_is_not_in_clear_in_the_quarantine(
    field_broker: str, tmp_path: Path
) -> None:
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    chat = STORED_CHAT.format(card=CARD, long="too large for the topic " * 1000)
    (recorded / "chat.xml").write_text(chat, encoding="utf-8")
    (tmp_path / "rules.json").write_text(json.dumps({"privacy": {"rules": RULES}}), encoding="utf-8")
    environment = E2EEnvironment(
        field_broker, tmp_path, kafka__partitions=1, kafka__compression="none", privacy__rules=json.dumps(RULES)
    )
    with environment.bridge() as bridge:
        with preconditions():
            starts(bridge)
        alter(field_broker, environment.topic("events"), "max.message.bytes", "12000")
        with environment.simulator(replay=recorded, speed=2):
            with preconditions():
                wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") == 1, 40, "the chat is not closed")
    texts = [record["message"]["text"] for record in environment.records("events") if record["message"]]
    parts = b"".join(record["bytes"] for record in environment.records("quarantine"))
    with preconditions():
        assert len(texts) == 2
        assert texts[0].startswith("my card is ")
        assert CARD not in texts[0]
        assert b"too large for the topic" in parts
    assert CARD.encode() not in parts


GROUPS = ("4111", "1111", "1111", "1111")
FOUND_TODAY = (" ", "-")
MISSED_TODAY = (
    "\u00a0",
    "\u2013",
    "\u2011",
    ".",
    "/",
    ",",
    "\u200b",
    "\u202f",
    "&nbsp;",
    "  ",
    "\n",
)


@pytest.mark.parametrize("separator", FOUND_TODAY, ids=ascii)
def test_a_card_number_in_groups_is_found(separator: str) -> None:
    assert len(list(payment_cards(separator.join(GROUPS)))) == 1


@wrong_today(PRIVACY, "the detectors know one blank or hyphen between ASCII digits, nothing else")
@pytest.mark.parametrize(
    ("detect", "text"),
    [
        *((payment_cards, separator.join(GROUPS)) for separator in MISSED_TODAY),
        (payment_cards, "\uff14" + "\uff11" * 15),
        (payment_cards, " ".join("4" + "1" * 15)),
        (payment_cards, "41 11 11 11 11 11 11 11"),
        (ibans, "DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000"),
        (phones, "+49\u00a0151\u00a023456789"),
    ],
    ids=ascii,
)
def test_a_number_is_found_as_people_type_it(detect: Callable[[str], Iterable[object]], text: str) -> None:
    assert len(list(detect(text))) == 1
