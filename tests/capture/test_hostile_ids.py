"""Event ids at the limits of their range, repeated and out of order."""

from __future__ import annotations

import pytest

from bridge.capture.chat import GIVEN_UP
from bridge.transcript import gap_codes
from tests.capture.hostile_input import LAST_ID
from tests.capture.link_harness import CHAT, LinkHarness, info, message, party


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
    assert [gap[2] for gap in harness.gaps()] == [gap_codes.UNREADABLE]
    assert harness.still_works()


def test_a_chat_that_is_given_up_after_the_highest_id_has_a_gap_without_a_number(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(LAST_ID))).give_up(CHAT)
    assert harness.gaps() == [(None, None, gap_codes.OUT_OF_REACH)]
    assert harness.certificate()["idRanges"] == [{"from": 1, "to": 1}, {"from": LAST_ID, "to": LAST_ID}]
    assert harness.restored().chats[CHAT].state == GIVEN_UP


def test_a_replay_that_ends_at_the_highest_id_after_an_absence_has_one_enormous_gap(harness: LinkHarness) -> None:
    harness.connect().hears(info(CHAT, party(1), message(LAST_ID), reference=harness.join(CHAT)))
    assert harness.gaps() == [(2, LAST_ID - 1, gap_codes.NOT_IN_REPLAY)]
    assert harness.ids() == [1, None, None, LAST_ID]
