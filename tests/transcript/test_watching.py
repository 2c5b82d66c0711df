"""How a chat was watched, and how it ended, as its certificate tells it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.errors import Problem
from bridge.transcript import endings, gap_codes, link_codes
from bridge.transcript.blind_spots import DIRECT_MESSAGES_BETWEEN_OTHERS, IDLE_CONTROL, TYPING, blind_spots
from bridge.transcript.entries import CHAT_SERVER, UCS
from bridge.transcript.events import ChatEvent, Item, Reason
from bridge.transcript.fold import Transcript
from bridge.transcript.watch import UNKNOWN_WATCH, Unwatched
from bridge.transcript.watching import MAX_INTERVALS, NOT_TOLD
from tests.transcript.build import fresh, history, joined, left, noticed, push, said

AGENT = "00B1"


IDLE = noticed(4, "IDLE_CONTROL_CLOSE", user_id="00C1")


def leaves(event_id: int, code: int | None, user_id: str = AGENT, asker_id: str | None = None) -> ChatEvent:
    return replace_event(left(event_id, user_id), reason=Reason(code), asker_id=asker_id or user_id)


def replace_event(event: ChatEvent, **changes: object) -> ChatEvent:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return ChatEvent(**{**fields, **changes})


def ended(*events: ChatEvent) -> tuple[str, str | None, str | None]:
    chat = fresh()
    chat.apply(history(joined(1), joined(2, AGENT, user_type="AGENT"), said(3)))
    chat.apply(push(*events, over=True))
    told = chat.certificate()
    return told.ending, told.ended_by, told.ended_by_type


# --- intervals -------------------------------------------------------------------------------------------------------


def test_an_absence_is_an_interval_from_its_beginning_to_the_next_history() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    chat.away(500, link_codes.RESET)
    chat.away(600, link_codes.SILENT)
    assert chat.certificate().unwatched == [Unwatched(500_000, None, link_codes.RESET)]
    chat.apply(history(joined(1), said(2)))
    told = chat.certificate()
    assert told.unwatched == [Unwatched(500_000, 1_000_000, link_codes.RESET)]
    assert (told.joins, told.rejoins, told.watch.joined_at) == (2, 1, 1_000_000)


def test_when_nobody_says_when_it_began_the_interval_begins_with_the_last_checkpoint() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    again = Transcript(replace(chat.state(), seen_at=700_000))
    again.apply(history(joined(1), said(2)))
    assert again.certificate().unwatched == [Unwatched(700_000, 1_000_000, NOT_TOLD)]


def test_a_chat_that_is_given_up_is_unwatched_from_then_on_and_one_that_was_never_joined_has_no_interval() -> None:
    chat = fresh()
    chat.end(Problem(gap_codes.NEVER_JOINED, "no"), 7)
    assert (chat.certificate(over=False).unwatched, chat.certificate(over=False).joins) == ([], 0)
    chat.apply(history(joined(1)))
    chat.checkpointed(800_000)
    chat.end(Problem(gap_codes.OUT_OF_REACH, "no"), 900_000)
    assert chat.certificate(over=False).unwatched == [Unwatched(800_000, None, NOT_TOLD)]


def test_what_waited_longer_than_a_checkpoint_took_began_when_it_was_seen_and_gaps_begin_with_their_interval() -> None:
    chat = fresh()
    chat.apply(history(joined(1)))
    chat.checkpointed(800_000)
    chat.end(Problem(gap_codes.OUT_OF_REACH, "no"), 600_000)
    assert chat.certificate(over=False).unwatched == [Unwatched(600_000, None, NOT_TOLD)]
    chat.away(500, link_codes.RESET)
    chat.apply(history(joined(1), said(3)))
    told = chat.certificate()
    assert told.unwatched == [Unwatched(600_000, 1_000_000, NOT_TOLD)]
    assert [one.since for one in told.gaps if one.code == gap_codes.NOT_IN_REPLAY] == [600]


def test_of_many_intervals_the_first_are_listed_and_the_others_counted() -> None:
    chat = fresh()
    for number in range(MAX_INTERVALS + 4):
        chat.away(number, link_codes.RESET)
        chat.apply(history(joined(1)))
    told = chat.certificate()
    assert (len(told.unwatched), told.watch.unwatched_more, told.rejoins) == (MAX_INTERVALS, 3, MAX_INTERVALS + 3)


def test_an_input_that_is_undone_leaves_no_trace() -> None:
    chat = fresh()
    chat.apply(history(joined(1)))
    chat.away(500, link_codes.RESET)
    chat.mark()
    chat.apply(history(joined(1), said(4), version=101))
    chat.undo()
    told = chat.certificate()
    assert told.unwatched == [Unwatched(500_000, None, link_codes.RESET)]
    assert (told.watch.lowest_version, told.watch.history_to) == (106, 1)


def test_a_chat_that_goes_on_from_what_does_not_tell_it_says_so() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(4)))
    again = Transcript(replace(chat.state(), watch=UNKNOWN_WATCH))
    again.apply(push(said(6)))
    told = again.certificate()
    assert (told.watch.since_opening, told.watch.joined_at, told.reasons) == (False, None, ["NOT_CLASSIFIED"])


# --- versions, blind spots -------------------------------------------------------------------------------------------


def test_versions_in_force_are_the_lowest_and_the_highest_and_what_they_withhold_is_a_blind_spot() -> None:
    chat = fresh()
    chat.apply(history(joined(1), version=104))
    chat.apply(push(said(2), version=102))
    chat.apply(push(said(5), version=106))
    told = chat.certificate()
    assert (told.watch.lowest_version, told.watch.highest_version) == (102, 106)
    assert told.reasons == ["WITHHELD_BY_VERSION"]
    assert IDLE_CONTROL in told.blind_spots
    assert told.blind_spots == sorted(told.blind_spots)


def test_what_one_source_can_show_is_no_blind_spot_of_both() -> None:
    both = blind_spots([CHAT_SERVER, UCS], 106)
    assert DIRECT_MESSAGES_BETWEEN_OTHERS in blind_spots([CHAT_SERVER], 106)
    assert TYPING in blind_spots([UCS], None)
    assert not {DIRECT_MESSAGES_BETWEEN_OTHERS, TYPING}.intersection(both)
    assert blind_spots([], None) == blind_spots(["A_LATER_SOURCE"], None) == []


# --- endings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), (endings.CLOSED, None, None)),
        ((leaves(4, 2), leaves(5, 4, "00A1", AGENT)), (endings.CLOSED, AGENT, "AGENT")),
        ((leaves(4, None, "00A1"), leaves(5, 1)), (endings.CLOSED, AGENT, "AGENT")),
        ((leaves(4, 1), said(5)), (endings.CLOSED, None, None)),
        ((leaves(4, 5, "00A1"),), (endings.CLOSED, None, None)),
        ((IDLE, leaves(5, 7, "00A1", "00C1")), (endings.IDLE, "00C1", None)),
        ((leaves(4, None, "00A1"),), (endings.CLOSED, None, None)),
    ],
)  # fmt: skip
def test_who_ended_a_chat_is_the_last_party_that_asked_for_it(
    events: tuple[ChatEvent, ...], expected: tuple[str, str | None, str | None]
) -> None:
    assert ended(*events) == expected


def test_inactivity_may_stand_in_the_attributes_of_a_departure() -> None:
    code = [Item("GCTI_SYSTEM", "kvlist", [Item("quit-reason-code", value="7")])]
    assert ended(replace_event(left(4), event_attributes=code))[0] == endings.IDLE


@pytest.mark.parametrize(
    ("away", "reason", "ending"),
    [
        (link_codes.REMOVED, gap_codes.OUT_OF_REACH, endings.REMOVED),
        (link_codes.ANNOUNCED_ELSEWHERE, gap_codes.OVER_WHILE_AWAY, endings.RESTORED_ELSEWHERE),
        (link_codes.RESET, gap_codes.OUT_OF_REACH, endings.LOST),
        (link_codes.RESET, gap_codes.OVER_WHILE_AWAY, endings.UNKNOWN),
    ],
)
def test_a_chat_that_is_not_over_says_why_it_is_not_followed(away: str, reason: str, ending: str) -> None:
    chat = fresh()
    chat.apply(history(joined(1)))
    chat.away(5, away)
    chat.end(Problem(reason, "no"), 6)
    assert chat.certificate(over=False).ending == ending
