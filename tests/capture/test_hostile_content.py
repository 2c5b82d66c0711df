"""What a server, a customer or an announcer may send to hurt: nothing of it ends a link, a shard or another chat.

Every test goes the whole pure way, from bytes to the records of a transaction; `Room.commit` checks that Kafka would
take each of them, `Room.published` that verify has nothing to say.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bridge.announcement import MAX_BYTES, MAX_TENANT
from bridge.capture.chat import FOLLOWED, GIVEN_UP
from bridge.capture.ports import same_limits
from bridge.chatserver.conversation import _HELD_BYTES
from bridge.chatserver.psdk_json import INBOUND_LIMIT
from bridge.records.session_records import SHORTENED
from bridge.sources.chat_server.transport import TcpTransports
from bridge.transcript import gap_reasons
from bridge.transcript.attributes import MAX_DEPTH
from bridge.transcript.entries import MAX_FACT_CHARACTERS
from bridge.transcript.events import ChatEvent, ChatTranscript, MessageText
from bridge.transcript.fingerprint_store import MAX_BYTES as MAX_PRINTS
from bridge.transcript.fold import MAX_HOLES
from bridge.transcript.parties import MAX_PARTIES
from bridge.transcript.updates import TranscriptUpdate, Verdict
from tests.capture.link_harness import CHAT, OTHER, SERVER, START, LinkHarness, info, line, message, party

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.capture.ports import Outgoing

STRANGER = "0000ELSEWHERE001"
LAST_ID = 2**63 - 1
TEN_MEGABYTES = "x" * (10 << 20)


@pytest.fixture
def harness() -> Iterator[LinkHarness]:
    with LinkHarness(CHAT, OTHER) as one:
        yield one


def item(key: str, value: object, word: str = "string") -> dict[str, object]:
    return {"key": key, "type": word, "value": value}


# --- size ------------------------------------------------------------------------------------------------------------


def test_ten_megabytes_of_user_data_leave_a_gap_in_the_chat_that_the_line_names(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(2)), info(CHAT, message(3, userData=[item("big", TEN_MEGABYTES)])))
    assert harness.buffered <= INBOUND_LIMIT
    [aside] = harness.set_aside()
    assert (aside["sessionId"], aside["source"], aside["part"], aside["parts"]) == (CHAT, SERVER, 1, 1)
    assert aside["reason"] == f"longer than {INBOUND_LIMIT} bytes"
    assert aside["totalBytes"] > len(TEN_MEGABYTES) > 100 * len(aside["bytes"])
    assert harness.gaps() == [(None, None, gap_reasons.UNREADABLE)]
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
        assert harness.gaps() == [(3, 3, gap_reasons.TOO_LARGE)]
        parts = harness.set_aside()
        assert len(parts) == parts[0]["parts"] > 900_000 // 65_536
        assert json.loads(b"".join(part["bytes"] for part in parts))["userData"][0]["value"] == "y" * 900_000
        assert harness.quarantined() == {"too_large": 1}
        assert harness.still_works()


DEPTHS = (MAX_DEPTH, MAX_DEPTH + 1, 300, 480, 490, 500, 990, 1_000, 5_000)


def nested(depth: int) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    for _ in range(depth):
        items = [item("k", items, "kvlist")]
    return items


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
        assert reason == gap_reasons.UNREADABLE
        assert [aside["sessionId"] for aside in harness.set_aside()] == [CHAT]
        assert set(harness.quarantined()) == {"unreadable"}
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


# --- number ----------------------------------------------------------------------------------------------------------

FLOOD = 100_000
PER_LINE = 500


def flood_line(first: int) -> bytes:
    """500 parties with a nickname each, and as many keys, that nobody saw before."""
    return line(
        info(
            CHAT,
            *(
                party(at, f"{at:016X}", f"nickname-{at}", userData=[item(f"key-{at}", f"value-{at}")])
                for at in range(first, first + PER_LINE)
            ),
        )
    )


def work(act: Callable[[], object]) -> int:
    """How many functions are called, of Python or of C: a measure that no busy machine changes."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


def test_a_hundred_thousand_nicknames_and_keys_grow_neither_memory_nor_metrics_nor_work(harness: LinkHarness) -> None:
    before = harness.series()
    starts = iter(range(2, FLOOD + 2, PER_LINE))
    largest = 0

    def step() -> None:
        harness.hears(flood_line(next(starts)))

    for _ in range(40):  # until everything that is bounded has reached its bound
        step()
    settled = work(step)
    for _ in range(FLOOD // PER_LINE - 42):
        step()
        largest = max(largest, len(harness.checkpoints[CHAT.encode()] or b""))
    assert work(step) <= settled * 1.2
    fold = harness.store.chats[CHAT].transcript
    assert harness.store.chats[CHAT].state == FOLLOWED
    assert len(fold.parties) == MAX_PARTIES
    assert len(fold.state().prints) <= MAX_PRINTS
    assert largest < MAX_PRINTS + 200 * MAX_PARTIES
    assert len(harness.events) == FLOOD + 2
    assert [record.key for record in harness.events[2:]] == [CHAT.encode()] * FLOOD
    assert harness.series() == before
    assert "nickname-" not in harness.log() + harness.metrics()
    assert "key-" not in harness.log() + harness.metrics()


def test_an_old_event_that_comes_again_after_its_print_is_forgotten_is_still_a_duplicate(harness: LinkHarness) -> None:
    first = [message(at, f"text {at} of many words so that its print is long") for at in range(2, 15_002)]
    for at in range(0, len(first), 1_000):
        harness.hears(info(CHAT, *first[at : at + 1_000]))
    assert len(harness.store.chats[CHAT].transcript.state().prints) <= MAX_PRINTS
    count = len(harness.events)
    harness.hears(info(CHAT, first[0], first[-1], {**first[-2], "messageText": {"text": "another"}}))
    assert [record["amends"] for record in harness.published()[count - 1 :]] == [f"{CHAT}:15000"]
    late = harness.restored()
    seen = TranscriptUpdate(
        ChatTranscript(CHAT, START, chat_event_list=[]), False, snapshot=False, server=SERVER, version=106
    )
    assert late.fold([seen], 0).batch.events == []
    assert harness.still_works()


def test_a_chat_with_more_holes_than_can_be_remembered_ends_with_a_gap_and_the_others_go_on(
    harness: LinkHarness,
) -> None:
    ids = list(range(50_000, 4, -2))
    for at in range(0, len(ids), 500):
        harness.hears(info(CHAT, *(message(number) for number in ids[at : at + 500])))
    assert CHAT not in harness.store.chats
    assert harness.published()[-1]["gap"]["reason"] == gap_reasons.OUTGROWN
    assert len(harness.published()) > MAX_HOLES
    assert (harness.certificate()["verdict"], harness.certificate()["reasons"]) == (
        "INCOMPLETE",
        [gap_reasons.OUTGROWN],
    )
    assert len(harness.checkpoints[CHAT.encode()] or b"") < 1_000
    assert harness.still_works(OTHER)


def test_a_flood_of_damaged_events_ends_that_chat_only_and_its_certificate_still_fits(harness: LinkHarness) -> None:
    bad = {"eventType": "message", "timeShift": "soon"}
    for first in range(2, 12_000, 500):
        harness.hears(info(CHAT, *({**bad, "eventId": number} for number in range(first, first + 500))))
    assert CHAT not in harness.store.chats
    certificate = harness.certificate()
    assert certificate["verdict"] == "INCOMPLETE"
    assert certificate["reasons"] == [gap_reasons.OUTGROWN, gap_reasons.UNREADABLE]
    assert len(harness.gaps()) == len(certificate["gaps"]) == certificate["counts"]["GAP"] > MAX_HOLES
    assert harness.still_works(OTHER)


def test_where_records_must_be_small_a_certificate_without_its_lists_is_written_and_verifies() -> None:
    with LinkHarness(CHAT, limits=same_limits(65_536)) as harness:
        harness.hears(info(CHAT, *(message(number) for number in range(LAST_ID - 10_000, LAST_ID, 2))))
        assert harness.published()[-1]["gap"]["reason"] == gap_reasons.OUTGROWN
        assert harness.certificate()["reasons"] == [gap_reasons.OUTGROWN, SHORTENED]
        assert harness.certificate()["idRanges"] == []


def test_events_out_of_order_below_one_enormous_id_cost_no_more_the_more_there_are(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(LAST_ID)))
    batches = [info(CHAT, *(message(number) for number in range(at, at + 100))) for at in range(2, 5_002, 100)]
    early = work(lambda: harness.hears(batches[0]))
    for batch in batches[1:-1]:
        harness.hears(batch)
    assert work(lambda: harness.hears(batches[-1])) <= early * 1.2
    assert harness.ids() == [1, LAST_ID, *range(2, 5_002)]


# --- characters ------------------------------------------------------------------------------------------------------


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
    assert harness.gaps() == [(3, 3, gap_reasons.UNREADABLE)]
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
    assert harness.gaps() == [(2, 2, gap_reasons.NOT_RECORDED)]
    assert rb"\ud83d" in harness.set_aside()[0]["bytes"]
    assert harness.still_works()


def test_nul_is_a_character_in_a_text_and_an_unreadable_line_outside_of_one(harness: LinkHarness) -> None:
    nul = "\0"
    harness.hears(info(CHAT, message(2, f"a{nul}b", userData=[item(nul, nul)], visibility=nul, receiverId=nul)))
    assert harness.published()[-1]["message"]["text"] == "a\0b"
    assert harness.published()[-1]["userData"] == {"\0": "\0"}
    harness.hears(b"\0" + line(info(CHAT, message(3))), line(info(CHAT, message(4, "@"))).replace(b"@", b"\0"))
    assert harness.ids() == [1, 2, None, None]
    assert harness.quarantined() == {"unreadable": 2}
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
    assert harness.gaps() == [(3, 3, gap_reasons.UNREADABLE)]
    assert harness.quarantined() == {"unreadable": 1}
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


# --- ids -------------------------------------------------------------------------------------------------------------


def test_duplicate_and_descending_ids_in_one_list_are_published_once_in_rising_order(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, *(message(number) for number in (9, 7, 7, 3, 9, 5, 3))))
    assert harness.ids() == [1, 3, 5, 7, 9]
    assert {record["origin"] for record in harness.published()[1:]} == {"LIVE"}
    assert harness.still_works()


def test_descending_ids_over_pushes_are_published_once_each_and_marked_as_late(harness: LinkHarness) -> None:
    for number in (9, 8, 8, 5, 9, 2):
        harness.hears(info(CHAT, message(number)))
    assert harness.ids() == [1, 9, 8, 5, 2]
    assert [record["origin"] for record in harness.published()[1:]] == ["LIVE", "REPLAY", "REPLAY", "REPLAY"]
    assert harness.still_works()


def test_one_id_with_two_contents_in_one_list_is_an_event_and_its_amendment(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(2, "one"), message(2, "two"), message(2, "one")))
    assert [record["id"] for record in harness.published()[1:]] == [f"{CHAT}:2", f"{CHAT}:2:1", f"{CHAT}:2:2"]
    assert harness.still_works()


def test_the_lowest_and_the_highest_id_are_ids_like_others(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(LAST_ID), message(0), message(LAST_ID - 1)))
    assert harness.ids() == [1, 0, LAST_ID - 1, LAST_ID]
    assert harness.restored().chats[CHAT].transcript.delivered.pairs() == [(0, 1), (LAST_ID - 1, LAST_ID)]


@pytest.mark.parametrize("number", [2**63, -1, 10**30, "3", 3.5, None, True])
def test_an_id_that_is_none_costs_its_event_only(harness: LinkHarness, number: object) -> None:
    harness.hears(info(CHAT, message(2), {**message(0), "eventId": number}, message(4)))
    assert harness.ids() == [1, 2, 4, None]
    assert [gap[2] for gap in harness.gaps()] == [gap_reasons.UNREADABLE]
    assert harness.still_works()


def test_a_chat_that_is_given_up_after_the_highest_id_has_a_gap_without_a_number(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(LAST_ID))).give_up(CHAT)
    assert harness.gaps() == [(None, None, gap_reasons.OUT_OF_REACH)]
    assert harness.certificate()["idRanges"] == [{"from": 1, "to": 1}, {"from": LAST_ID, "to": LAST_ID}]
    assert harness.restored().chats[CHAT].state == GIVEN_UP


def test_a_replay_that_ends_at_the_highest_id_after_an_absence_has_one_enormous_gap(harness: LinkHarness) -> None:
    harness.connect().hears(info(CHAT, party(1), message(LAST_ID), reference=harness.join(CHAT)))
    assert harness.gaps() == [(2, LAST_ID - 1, gap_reasons.NOT_IN_REPLAY)]
    assert harness.ids() == [1, None, None, LAST_ID]


# --- somebody else's chat --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Alive", "Over"])
@pytest.mark.parametrize("answered_with", [STRANGER, OTHER, "0000ROOM00000003"], ids=["a stranger", "joined", "asked"])
def test_an_answer_with_somebody_elses_chat_is_published_under_neither(
    harness: LinkHarness, answered_with: str, status: str
) -> None:
    third = "0000ROOM00000003"
    for chat in ("0000ROOM00000004", third):
        harness.announce({"sessionId": chat, "host": "chat-1", "port": 4800})
    reference, third_reference = harness.join("0000ROOM00000004"), harness.join(third)
    published = len(harness.events)
    harness.hears(info(answered_with, message(77, "not for you"), reference=reference, status=status))
    assert len(harness.events) == published
    [aside] = harness.set_aside()
    assert aside["reason"] == "answer to a join of another chat"
    assert b"not for you" in aside["bytes"]
    assert harness.quarantined() == {"stray": 1}
    [refusal] = harness.refused
    assert (refusal.session_id, refusal.verdict) == ("0000ROOM00000004", Verdict.RETRY)
    # The join is asked again, and everything goes on.
    harness.hears(info("0000ROOM00000004", party(1), reference=harness.join("0000ROOM00000004")))
    harness.hears(info(third, party(1), reference=third_reference))
    assert (harness.ids("0000ROOM00000004"), harness.ids(third)) == ([1], [1])
    assert harness.still_works(OTHER)
    assert harness.still_works()


def test_a_push_for_a_chat_that_nobody_joined_is_quarantined(harness: LinkHarness) -> None:
    harness.hears(info(STRANGER, message(5)))
    assert [(aside["sessionId"], aside["reason"]) for aside in harness.set_aside()] == [
        (STRANGER, "a chat that was not joined here")
    ]
    assert harness.published(STRANGER) == []
    assert harness.still_works()


@pytest.mark.parametrize("name", ["s" * 900_000, "", "a b", "\0", "é", "\ud800", "x/y"])
def test_a_chat_with_an_impossible_name_is_quarantined_under_the_servers_name(harness: LinkHarness, name: str) -> None:
    harness.hears(info(name, message(5)), {"messageName": "EventNobodyKnows", "sessionId": name})
    assert {(aside["sessionId"], aside["source"]) for aside in harness.set_aside()} == {(None, SERVER)}
    assert {record.key for record in harness.quarantine} == {SERVER.encode()}
    assert harness.still_works()


def test_events_without_end_before_the_answer_to_a_join_are_not_held_without_end(harness: LinkHarness) -> None:
    harness.announce({"sessionId": STRANGER, "host": "chat-1", "port": 4800})
    harness.join(STRANGER)
    push = line(info(STRANGER, message(5, "z" * 500_000)))
    for _ in range(_HELD_BYTES // len(push)):
        harness.hears(push)
    assert harness.refused == []
    harness.hears(push)
    assert [(refusal.session_id, refusal.verdict) for refusal in harness.refused] == [(STRANGER, Verdict.RETRY)]
    assert json.loads(harness.stream.written.splitlines()[-1])["messageName"] == "RequestReleaseParty"
    assert harness.set_aside() == []
    harness.hears(info(STRANGER, party(1), reference=harness.join(STRANGER)))
    assert harness.ids(STRANGER) == [1]


def test_a_server_that_does_not_read_is_not_listened_to_and_given_up_at_last(harness: LinkHarness) -> None:
    harness.link.pause_writing()
    assert not harness.stream.reading
    harness.link.pause()
    harness.link.resume_writing()
    assert not harness.stream.reading
    harness._run(harness.link.resume)
    assert harness.stream.is_reading()
    harness.link.pause_writing()
    harness.overdue(31).overdue(11)
    assert harness.lost == ["no sign of life within 10 s of a ping"]


# --- announcements ---------------------------------------------------------------------------------------------------


def test_an_announcement_that_grows_when_it_is_written_again_is_followed_all_the_same(harness: LinkHarness) -> None:
    raw = line({"sessionId": STRANGER, "host": "chat-1", "port": 4800, "userData": {"@": 0}})
    raw = raw.replace(b'"@": 0', b",".join(b'"%d":1e15' % number for number in range(5_000)))
    assert len(raw) < MAX_BYTES
    harness.announce(raw)
    assert harness.store.chats[STRANGER].state == FOLLOWED
    assert harness.restored().chats[STRANGER].announcement.user_data["4999"] == 1e15


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"sessionId":"' + b"s" * 60_000 + b'","host":"h","port":1}',
        b'{"sessionId":"\\ud800","host":"h","port":1}',
        b'{"sessionId":"a","host":"h","port":' + b"9" * 5_000 + b"}",
        b'{"sessionId":"a","host":"h","port":1,"servers":["h:0000809999999"]}',
        b'{"sessionId":"a","host":"h","port":1,"servers":["h:' + b"1" * 5_000 + b'"]}',
        b'{"sessionId":"a","host":"h","port":1,"tenant":"' + b"t" * (MAX_TENANT + 1) + b'"}',
        b'{"sessionId":"a","host":"h","port":1}' + b" " * MAX_BYTES,
    ],
    ids=lambda raw: f"{raw[:12]!r} {len(raw)}",
)
def test_a_hostile_announcement_goes_to_the_quarantine_and_opens_nothing(harness: LinkHarness, raw: bytes) -> None:
    opened = len(harness.sessions)
    harness.announce(raw)
    assert len(harness.sessions) == opened
    assert b"".join(aside["bytes"] for aside in harness.set_aside()) == raw
    assert harness.quarantined() == {"announcement": 1}
    assert harness.still_works()


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"])
def test_a_name_that_no_host_can_have_is_a_server_that_cannot_be_reached(host: str) -> None:
    transports = TcpTransports(gateway=None, timeout=5.0, tls=None)

    async def connect() -> None:
        await transports.connect(f"{host}:4800", asyncio.Protocol)

    with pytest.raises(OSError, match="no host has such a name"):
        asyncio.run(connect())


# --- secrets ---------------------------------------------------------------------------------------------------------

SECRET = "swordfish-81723"
SPOKEN = "spoken-of-freely-55120"
PASSWORD_KEY = "GCTI_Chat_SessionPassword"
AS_ATTRIBUTE: dict[str, Any] = {PASSWORD_KEY: SECRET}
IN_JSON = json.dumps({PASSWORD_KEY: SECRET})
ESCAPED = IN_JSON.replace("Session", "S\\u0065ssion")

CORNERS: dict[str, object] = {
    "userData": info(CHAT, message(2, userData=[item(PASSWORD_KEY, SECRET)])),
    "userData twice": info(CHAT, message(2, userData=[item(PASSWORD_KEY, SECRET), item(PASSWORD_KEY, SECRET)])),
    "nested": info(CHAT, message(2, userData=[item("a", [item(PASSWORD_KEY, SECRET)], "kvlist")])),
    "below it": info(CHAT, message(2, userData=[item(PASSWORD_KEY, [item("a", SECRET)], "kvlist")])),
    "other spelling": info(CHAT, message(2, userData=[item("chatServer-sessionPASSWORD", SECRET)])),
    "an object": info(CHAT, message(2, userData=[item("a", {PASSWORD_KEY: SECRET})])),
    "a list of anything": info(CHAT, message(2, userData=[item("a", [5, {"key": PASSWORD_KEY, "value": SECRET}])])),
    "JSON in a string": info(CHAT, message(2, userData=[item("a", IN_JSON)])),
    "escaped JSON in a string": info(CHAT, message(2, userData=[item("a", ESCAPED)])),
    "secure key": info(CHAT, message(2, userData=[item("secure_key", SECRET)])),
    "device token": info(CHAT, party(2, "00A2", userData=[item("push_notification_deviceid", SECRET)])),
    "eventAttributes": info(CHAT, message(2, eventAttributes=[item("a", [item(PASSWORD_KEY, SECRET)], "kvlist")])),
    "unknown attribute": info(CHAT, message(2, **{PASSWORD_KEY: SECRET})),
    "unknown structure": info(CHAT, message(2, new={"deep": [{PASSWORD_KEY: SECRET}]})),
    "unknown JSON": info(CHAT, message(2, new=IN_JSON)),
    "unknown escaped JSON": info(CHAT, message(2, new=ESCAPED)),
    "unknown of a part": info(CHAT, message(2, messageText={"text": "x", PASSWORD_KEY: SECRET})),
    "unknown of the message": {**info(CHAT, message(2)), PASSWORD_KEY: SECRET},
    "unknown of the transcript": info(CHAT, message(2), **AS_ATTRIBUTE),
    "damaged event": info(CHAT, message(2, timeShift="x", userData=[item(PASSWORD_KEY, SECRET)])),
    "damaged part": info(CHAT, message(2, userData=[{"key": PASSWORD_KEY, "value": SECRET}, 5])),
    "too deep": info(CHAT, message(2, userData=[*nested(70), item(PASSWORD_KEY, SECRET)])),
    "too large": info(CHAT, message(2, "x" * 999_000, userData=[item(PASSWORD_KEY, SECRET)])),
    "too long": info(CHAT, userData=[item(PASSWORD_KEY, SECRET)], more="x" * (2 << 20)),
    "no JSON": line(info(CHAT, message(2, userData=[item(PASSWORD_KEY, SECRET)])))[:-1],
    "no JSON, escaped": line({"a": item(PASSWORD_KEY, SECRET)}).replace(b"Session", b"S\\u0065ssion")[:-1],
    "UTF-16": json.dumps({PASSWORD_KEY: SECRET}).encode("utf-16-le"),
    "unknown message": {"messageName": "EventNobodyKnows", PASSWORD_KEY: SECRET},
    "a message of the other protocol": {"messageName": "EventStatus", "secureKey": SECRET, "userId": "00A1"},
    "a bad message of the other protocol": {"messageName": "EventStatus", "secureKey": SECRET, "userId": 7},
    "a chat that nobody joined": info(STRANGER, message(2, userData=[item(PASSWORD_KEY, SECRET)])),
    "a refusal": {"messageName": "EventError", "errorId": 8210, "description": f"wrong password {SECRET}"},
}
ANNOUNCED: dict[str, object] = {
    "wrong type": {"sessionId": 7, "password": SECRET},
    "wrong password": {"sessionId": STRANGER, "host": "h", "port": 1, "password": [SECRET]},
    "no JSON": b'{"sessionId": "a", "password": "' + SECRET.encode(),
    "too long": {"sessionId": "a", "host": "h", "port": 1, "password": SECRET, "more": "x" * MAX_BYTES},
    "other name": {"sessionId": "a b", "Session_Password": SECRET},
}


def everything(harness: LinkHarness) -> Iterator[tuple[str, bytes]]:
    """Every byte that leaves the bridge, but for the checkpoints."""
    kinds: dict[str, list[Outgoing]] = {
        "events": harness.events,
        "sessions": harness.sessions,
        "quarantine": harness.quarantine,
    }
    for kind, records in kinds.items():
        for record in records:
            yield kind, record.key
            yield kind, record.value or b""
            for name, value in record.headers:
                yield kind, name.encode() + value
    yield "log", harness.log().encode()
    yield "metrics", harness.metrics().encode()


def places(harness: LinkHarness, text: str) -> set[str]:
    """Where a text is found, in any encoding that somebody may have sent it in."""
    spellings = (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"))
    return {kind for kind, data in everything(harness) if any(spelling in data for spelling in spellings)}


def test_what_is_said_freely_is_found_in_the_records_and_nowhere_else(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(2, SPOKEN)), info(CHAT, message(3, SPOKEN, timeShift="x")))
    assert places(harness, SPOKEN) == {"events", "quarantine"}


@pytest.mark.parametrize("case", CORNERS)
def test_a_secret_from_a_server_reaches_no_record_no_log_and_no_metric(harness: LinkHarness, case: str) -> None:
    before = (len(harness.events), len(harness.quarantine))
    harness.hears(CORNERS[case])
    # It did arrive: as an event, or in the quarantine. A refusal of nothing is nothing.
    assert (len(harness.events), len(harness.quarantine)) > before or case == "a refusal"
    assert places(harness, SECRET) == set()
    assert SECRET.encode() not in b"".join(value or b"" for value in harness.checkpoints.values())
    assert harness.still_works()


@pytest.mark.parametrize("case", ANNOUNCED)
def test_a_secret_in_a_bad_announcement_reaches_no_record_no_log_and_no_metric(harness: LinkHarness, case: str) -> None:
    harness.announce(ANNOUNCED[case])
    assert len(harness.set_aside()) == 1
    assert places(harness, SECRET) == set()


def test_the_password_of_an_announcement_is_in_the_join_and_the_checkpoint_and_nowhere_else() -> None:
    with LinkHarness(CHAT, password=SECRET) as harness:
        harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800, "password": SECRET})
        reference = harness.join(OTHER, SECRET)
        assert SECRET.encode() in harness.stream.written
        harness.hears({"messageName": "EventError", "errorId": 1, "description": SECRET, "referenceId": reference})
        harness.hears(info(CHAT, message(2), status="Over")).give_up(OTHER)
        assert harness.refused[0].description == SECRET
        assert places(harness, SECRET) == set()
        assert SECRET.encode() in (harness.checkpoints[OTHER.encode()] or b"")
        # A chat that is over needs no password any more.
        assert SECRET.encode() not in (harness.checkpoints[CHAT.encode()] or b"")


# --- reasons ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "label"),
    [
        (b"{", "unreadable"),
        (b"x", "unreadable"),
        (b"[]", "unreadable"),
        (b"{}", "unreadable"),
        (b'{"\xff":1}', "unreadable"),
        ({"messageName": 5}, "unreadable"),
        ({"messageName": "EventError", "errorId": "x"}, "unreadable"),
        ({"messageName": "EventSessionInfo"}, "unreadable"),
        (info(CHAT, message(2, timeShift="x")), "unreadable"),
        (info(CHAT, message(2, userData=nested(70))), "unreadable"),
        (info(CHAT, message(2, userData=[item("k" * 2000, [item("a", "b")], "kvlist")])), "unreadable"),
        (info(CHAT, message(2, "x" * 1_000_000)), "too_large"),
        (b"x" * (INBOUND_LIMIT + 1), "too_long"),
        ({"messageName": "EventNobodyKnows"}, "unknown_message"),
        ({"messageName": "EventStatus"}, "stray"),
        ({"messageName": "EventRegistered"}, "stray"),
        (info(STRANGER), "stray"),
        (b'{"messageName":"EventNobodyKnows","' + b"k" * 900_000 + b'":"\xff"}', "unreadable"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:40],
)
def test_the_reason_for_setting_something_aside_is_counted_and_quotes_no_word_of_the_peer(
    harness: LinkHarness, said: object, label: str
) -> None:
    before = harness.series()
    harness.hears(said)
    assert harness.quarantined() == {label: 1}
    assert harness.series() == before
    assert all(len(aside["reason"]) < 120 for aside in harness.set_aside())
    assert harness.still_works()


def test_ten_thousand_reasons_servers_and_kinds_make_no_new_series(harness: LinkHarness) -> None:
    before = harness.series()
    for number in range(0, 10_000, 100):
        harness.hears(
            *(
                {"messageName": f"Event{at}", "sessionId": f"chat-{at}", f"key-{at}": at}
                for at in range(number, number + 100)
            ),
            info(CHAT, *({"eventType": f"type-{at}", "eventId": at + 2} for at in range(number, number + 100))),
        )
        harness.announce({"sessionId": f"S{number}", "host": f"chat-{number}", "port": 4800})
    assert len(harness.published()) == 10_001
    assert len(harness.set_aside()) == 10_000
    assert harness.series() == before
    for word in ("type-", "key-", "chat-"):
        assert word not in harness.log() + harness.metrics()
