"""Characters and times at and beyond their limits, from the bytes on the wire to the records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.transcript import gap_codes
from bridge.transcript.events import ChatEvent, ChatTranscript, MessageText
from bridge.transcript.updates import TranscriptUpdate
from tests.capture.hostile_input import item
from tests.capture.link_harness import CHAT, SERVER, START, LinkHarness, info, line, message, party


def test_lone_surrogates_become_the_replacement_character_everywhere(harness: LinkHarness) -> None:
    half = "\ud83d"
    harness.hears(
        info(
            CHAT,
            party(2, "00A2", half, userData=[item(half, f"a{half}b"), item("kv", [item(half, 1, half)], "kvlist")]),
            message(3, f"{half}{half} \ude00", **{half: {half: half}}),
            idleTimeExpire=half,
        )
    )
    assert harness.ids() == [1, 2, 3]
    joined, said = harness.published()[1:]
    assert joined["party"]["nickname"] == "\ufffd"
    assert joined["userData"] == {"\ufffd": "a\ufffdb", "kv.\ufffd": "1"}
    assert said["message"]["text"] == "\ufffd\ufffd \ufffd"
    assert said["unknownAttributes"] == {"\ufffd": '{"\ufffd":"\ufffd"}'}
    assert harness.still_works()


def test_a_surrogate_in_the_bytes_costs_its_event_only(harness: LinkHarness) -> None:
    harness.hears(line(info(CHAT, message(2), message(3, "@@@"), message(4))).replace(b"@@@", b"\xed\xa0\x80"))
    assert harness.ids() == [1, 2, 4, None]
    assert harness.gaps() == [(3, 3, gap_codes.UNREADABLE)]
    [aside] = harness.set_aside()
    assert b"\xed\xa0\x80" in aside["bytes"]
    assert harness.still_works()


def test_a_text_that_no_wire_would_let_through_is_quarantined_and_not_the_end_of_the_chat(harness: LinkHarness) -> None:
    said = ChatEvent("message", 2, "00A1", message_text=MessageText("\ud83d"))
    harness.update_received(
        harness.link,
        TranscriptUpdate(ChatTranscript(CHAT, START, chat_event_list=[said]), False, False, SERVER, 106),
        0,
    )
    harness.commit()
    assert harness.gaps() == [(2, 2, gap_codes.NOT_RECORDED)]
    assert rb"\ud83d" in harness.set_aside()[0]["bytes"]
    assert harness.still_works()


def test_nul_is_a_character_in_a_text_and_an_unreadable_line_outside_of_one(harness: LinkHarness) -> None:
    nul = "\0"
    harness.hears(info(CHAT, message(2, f"a{nul}b", userData=[item(nul, nul)], visibility=nul, receiverId=nul)))
    assert harness.published()[-1]["message"]["text"] == "a\0b"
    assert harness.published()[-1]["userData"] == {"\0": "\0"}
    harness.hears(b"\0" + line(info(CHAT, message(3))), line(info(CHAT, message(4, "@"))).replace(b"@", b"\0"))
    assert harness.ids() == [1, 2, None, None]
    assert harness.quarantined() == {"not_json": 2}
    assert harness.still_works()


# --- time ------------------------------------------------------------------------------------------------------------

SHIFTS = (0, -1, -60, 2**31 - 1, -(2**31))
BEGINNINGS = (
    START,
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "1969-12-31T23:59:59+23:59",
    "",
    "soon",
    "9" * 5000,
)


@pytest.mark.parametrize("start_at", BEGINNINGS, ids=[text[:22] for text in BEGINNINGS])
def test_a_time_is_right_or_null_and_the_record_readable_whatever_start_and_shift(start_at: str) -> None:
    with LinkHarness() as harness:
        harness.announce({"sessionId": CHAT, "host": "chat-1", "port": 4800})
        events = [message(number, timeShift=shift) for number, shift in enumerate(SHIFTS, 1)]
        harness.hears(info(CHAT, *events, reference=harness.join(CHAT), startAt=start_at))
        try:
            begun = datetime.fromisoformat(start_at).astimezone(UTC)
        except (ValueError, OverflowError):
            begun = None
        for record, shift in zip(harness.published(), SHIFTS, strict=True):
            try:
                expected = None if begun is None else begun + timedelta(seconds=shift)
            except OverflowError:
                expected = None
            assert record["occurredAt"] == expected
            assert record["timeShift"] == shift
        headers = [dict(record.headers) for record in harness.events]
        assert all(datetime.fromisoformat(each["ce_time"].decode()).tzinfo for each in headers)
        assert harness.still_works()


@pytest.mark.parametrize("shift", [2**31, -(2**31) - 1, 2**63, 10**30, -(10**400), 1.5, 1e300, "12", True, [], {}])
def test_a_shift_that_is_no_number_of_seconds_costs_its_event_only(harness: LinkHarness, shift: object) -> None:
    harness.hears(info(CHAT, message(2), message(3, timeShift=shift), message(4)))
    assert harness.ids() == [1, 2, 4, None]
    assert harness.gaps() == [(3, 3, gap_codes.UNREADABLE)]
    assert harness.quarantined() == {"unreadable_event": 1}
    assert harness.still_works()


def test_time_may_go_backwards_and_events_stay_in_the_order_of_their_ids(harness: LinkHarness) -> None:
    starts = [START, "2031-03-04T09:00:00Z", "2030-01-01T00:00:00Z", "garbage", START]
    for number, start_at in enumerate(starts, 2):
        harness.clock.us -= 3_600_000_000
        harness.clock.seconds -= 1
        harness.hears(info(CHAT, message(number, timeShift=100 - number), startAt=start_at))
    records = harness.published()
    assert harness.ids() == [1, 2, 3, 4, 5, 6]
    assert [record["sequence"] for record in records] == [1, 2, 3, 4, 5, 6]
    observed = [record["observedAt"] for record in records]
    assert observed == sorted(observed, reverse=True)
    # A start that is no time leaves the one before it in force.
    assert [record["occurredAt"].year for record in records[1:]] == [2031, 2031, 2030, 2030, 2031]
    assert harness.still_works()
