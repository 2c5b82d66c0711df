"""Content that is too large or nested too deeply costs its own event or line, not a link, a shard or another chat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.chatserver.psdk_json import INBOUND_LIMIT
from bridge.transcript import gap_codes
from bridge.transcript.attributes import MAX_DEPTH
from bridge.transcript.entries import MAX_FACT_CHARACTERS
from tests.capture.hostile_input import TEN_MEGABYTES, item
from tests.capture.link_harness import CHAT, OTHER, SERVER, LinkHarness, info, line, message, party
from tests.capture.written_topics import same_limits


def test_ten_megabytes_of_user_data_leave_a_gap_in_the_chat_that_the_line_names(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(2)), info(CHAT, message(3, userData=[item("big", TEN_MEGABYTES)])))
    assert harness.buffered <= INBOUND_LIMIT
    [aside] = harness.set_aside()
    assert (aside["sessionId"], aside["source"], aside["part"], aside["parts"]) == (CHAT, SERVER, 1, 1)
    assert (aside["code"], aside["detail"]) == ("TOO_LONG", f"longer than {INBOUND_LIMIT} bytes")
    assert aside["totalBytes"] > len(TEN_MEGABYTES) > 100 * len(aside["bytes"])
    assert harness.gaps() == [(None, None, gap_codes.UNREADABLE)]
    assert harness.gaps(OTHER) == []
    assert harness.quarantined() == {"too_long": 1}
    assert harness.still_works()


def test_ten_megabytes_that_name_no_chat_count_against_every_chat_of_the_link(harness: LinkHarness) -> None:
    nameless = info(CHAT, message(3, userData=[item("big", TEN_MEGABYTES)]))
    nameless["chatTranscript"] = dict(reversed(nameless["chatTranscript"].items()))
    harness.hears(nameless)
    [aside] = harness.set_aside()
    assert aside["sessionId"] is None
    assert harness.gaps() == []
    assert harness.still_works()
    for chat in (CHAT, OTHER):
        harness.hears(info(chat, status="Over"))
        assert (harness.certificate(chat)["verdict"], harness.certificate(chat)["unattributed"]) == ("INCOMPLETE", 1)


def test_a_user_data_too_large_for_a_record_is_quarantined_whole_and_leaves_a_gap_in_its_place() -> None:
    with LinkHarness(CHAT, limits=same_limits(65_536)) as harness:
        harness.hears(info(CHAT, message(2), message(3, userData=[item("big", "y" * 900_000)]), message(4)))
        assert harness.ids() == [1, 2, None, 4]
        assert harness.gaps() == [(3, 3, gap_codes.TOO_LARGE)]
        parts = harness.set_aside()
        assert len(parts) == parts[0]["parts"] > 900_000 // 65_536
        assert json.loads(b"".join(part["bytes"] for part in parts))["userData"][0]["value"] == "y" * 900_000
        assert harness.quarantined() == {"too_large": 1}
        assert harness.still_works()


DEPTHS = (MAX_DEPTH, MAX_DEPTH + 1, 300, 480, 490, 500, 990, 1_000, 5_000)


def deep(pattern: bytes, depth: int, opened: bytes, closed: bytes) -> bytes:
    """JSON that Python's own encoder would not write."""
    return pattern.replace(b'"@"', opened * depth + closed * depth)


@pytest.mark.parametrize("collection", ["userData", "eventAttributes"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_collection_is_captured_up_to_64_levels_and_costs_only_its_event_beyond(
    harness: LinkHarness, collection: str, depth: int
) -> None:
    attributes: dict[str, Any] = {collection: ["@"]}
    pattern = line(info(CHAT, message(2), message(3, **attributes), message(4)))
    harness.hears(deep(pattern, depth, b'{"key":"k","type":"kvlist","value":[', b"]}"))
    if depth <= MAX_DEPTH:
        assert harness.ids() == [1, 2, 3, 4]
        assert list(harness.published()[2][collection]) == [".".join("k" * depth)]
    else:
        # So deep that the line as a whole cannot be read, the gap has no number.
        assert harness.ids() in ([1, 2, 4, None], [1, None])
        [(low, high, reason)] = harness.gaps()
        assert (low, high) in ((3, 3), (None, None))
        assert reason == gap_codes.UNREADABLE
        assert [aside["sessionId"] for aside in harness.set_aside()] == [CHAT]
        assert set(harness.quarantined()) == {"unreadable_event" if low == 3 else "too_deep"}
    assert harness.still_works()


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "pattern",
    [
        info(CHAT, message(2, somethingNew="@")),
        info(CHAT, idleTimeExpire="@"),
        info(CHAT, monitored="@"),
        {**info(CHAT), "userStatus": "@"},
        {"messageName": "EventNobodyKnows", "sessionId": CHAT, "content": "@"},
        {"messageName": "EventError", "description": "@"},
        "@",
    ],
    ids=["event", "idleTimeExpire", "monitored", "userStatus", "unknown message", "wrong type", "line"],
)
def test_nesting_of_any_depth_anywhere_is_kept_as_text_or_quarantined(
    harness: LinkHarness, pattern: object, depth: int
) -> None:
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        middle = b"" if opened == b"[" else b"1"
        harness.hears(deep(line(pattern), depth, opened, middle + closed).replace(b"1}}", b"1}}"))
    assert harness.still_works()


def test_an_attribute_of_the_session_cannot_make_every_record_too_large(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(2), idleTimeExpire="9" * 1_000_000), info(CHAT, idleTimeExpire=10**4000))
    assert harness.ids() == [1, 2]
    assert harness.published()[-1]["session"]["idleTimeExpire"] == "9" * MAX_FACT_CHARACTERS
    assert harness.still_works()


def test_a_nickname_of_a_megabyte_costs_its_own_event_and_is_not_remembered(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, party(2, "00A2", "n" * 1_000_000)), info(CHAT, message(3, userId="00A2")))
    assert harness.ids() == [1, None, 3]
    assert harness.published()[-1]["party"]["userId"] == "00A2"
    assert harness.published()[-1]["party"]["nickname"] is None
    renamed = {"noticeType": "USER_UPDATE_NICK", "text": "m" * 500_000}
    harness.hears(info(CHAT, {"eventType": "notice", "eventId": 4, "userId": "00A1", "noticeText": renamed}))
    harness.hears(info(CHAT, message(5)))
    assert harness.published()[-1]["party"]["nickname"] == "Visitor"
    assert harness.still_works()
