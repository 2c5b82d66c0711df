"""Content without end: memory, metrics and work stay bounded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bridge.capture.chat import FOLLOWED
from bridge.transcript import gap_codes
from bridge.transcript.events import ChatTranscript
from bridge.transcript.fold import MAX_HOLES
from bridge.transcript.id_blocks import BLOCK_IDS
from bridge.transcript.parties import MAX_PARTIES
from bridge.transcript.updates import TranscriptUpdate
from tests.capture.link_harness import CHAT, OTHER, SERVER, START, LinkHarness, info, line, message, party

if TYPE_CHECKING:
    from collections.abc import Callable

from tests.capture.hostile_input import LAST_ID, item
from tests.capture.written_topics import EVENTS, same_limits

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
        largest = max(largest, *(len(value or b"") for value in harness.checkpoints.values()))
    assert work(step) <= settled * 1.2
    fold = harness.store.chats[CHAT].transcript
    assert harness.store.chats[CHAT].state == FOLLOWED
    assert len(fold.state().parties) == MAX_PARTIES
    assert len(fold.state().prints or ()) <= FLOOD // BLOCK_IDS + 1
    assert largest < 200 * MAX_PARTIES
    assert len(harness.events) == FLOOD + 2
    assert [record.key for record in harness.events[2:]] == [CHAT.encode()] * FLOOD
    assert harness.series() == before
    assert "nickname-" not in harness.log() + harness.metrics()
    assert "key-" not in harness.log() + harness.metrics()


def test_an_old_event_of_a_very_long_chat_is_a_duplicate_or_an_amendment_also_after_a_restart(
    harness: LinkHarness,
) -> None:
    first = [message(at, f"text {at} of many words so that its print is long") for at in range(2, 15_002)]
    for at in range(0, len(first), 1_000):
        harness.hears(info(CHAT, *first[at : at + 1_000]))
    count = len(harness.events)
    changed = [{**first[at], "messageText": {"text": "another"}} for at in (1, -2)]
    harness.hears(info(CHAT, first[0], first[-1], *changed))
    assert [record["amends"] for record in harness.published()[count - 1 :]] == [f"{CHAT}:3", f"{CHAT}:15000"]
    late = harness.restored()
    seen = TranscriptUpdate(
        ChatTranscript(CHAT, START, chat_event_list=[]), False, snapshot=False, server=SERVER, version=106
    )
    assert late.fold([seen], 0).batch.on(EVENTS) == []
    assert harness.still_works()


def test_a_chat_with_more_holes_than_can_be_remembered_ends_with_a_gap_and_the_others_go_on(
    harness: LinkHarness,
) -> None:
    ids = list(range(50_000, 4, -2))
    for at in range(0, len(ids), 500):
        harness.hears(info(CHAT, *(message(number) for number in ids[at : at + 500])))
    assert CHAT not in harness.store.chats
    assert harness.published()[-1]["gap"]["code"] == gap_codes.OUTGROWN
    assert len(harness.published()) > MAX_HOLES
    assert (harness.certificate()["verdict"], harness.certificate()["reasons"]) == (
        "INCOMPLETE",
        [gap_codes.OUTGROWN, gap_codes.UNEXPLAINED_IDS],
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
    assert certificate["reasons"] == [gap_codes.OUTGROWN, gap_codes.UNREADABLE]
    assert len(harness.gaps()) == len(certificate["gaps"]) == certificate["counts"]["GAP"] > MAX_HOLES
    assert harness.still_works(OTHER)


def test_where_records_must_be_small_a_certificate_without_its_lists_is_written_and_verifies() -> None:
    with LinkHarness(CHAT, limits=same_limits(65_536)) as harness:
        for first in range(LAST_ID - 20_004, LAST_ID, 4_000):
            harness.hears(info(CHAT, *(message(number) for number in range(first, min(first + 4_000, LAST_ID), 2))))
        assert harness.published()[-1]["gap"]["code"] == gap_codes.OUTGROWN
        reasons = [gap_codes.LISTS_LEFT_OUT, gap_codes.OUTGROWN, gap_codes.UNEXPLAINED_IDS]
        assert harness.certificate()["reasons"] == reasons
        assert harness.certificate()["idRanges"] == []


def test_events_out_of_order_below_one_enormous_id_cost_no_more_the_more_there_are(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(LAST_ID)))
    batches = [info(CHAT, *(message(number) for number in range(at, at + 100))) for at in range(2, 5_002, 100)]
    early = work(lambda: harness.hears(batches[0]))
    for batch in batches[1:-1]:
        harness.hears(batch)
    assert work(lambda: harness.hears(batches[-1])) <= early * 1.2
    assert harness.ids() == [1, LAST_ID, *range(2, 5_002)]
