"""What the naive model itself says of the cases that its rules were made for, in literal values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.transcript.events import ChatEvent, ChatTranscript, Item, MessageText, NoticeText, UserInfo
from bridge.transcript.updates import Damaged, JoinRefused, LinkDown, TranscriptUpdate, Verdict
from tests.model.expected_records import ExpectedHole
from tests.model.naive_model import GRACE_US, Content, NaiveChat
from tests.support.reasons import A_REFUSAL, A_RESET

if TYPE_CHECKING:
    from bridge.transcript.updates import Update

CHAT = "0000MODEL0000001"
CONTENT = Content(
    lambda event: "TOO_LARGE" if text_of(event) == "large" else None, lambda event: text_of(event) == "defect"
)


def text_of(event: ChatEvent) -> str:
    return event.message_text.text if event.message_text is not None else ""


def said(number: int, text: str = "hello", user: str = "U") -> ChatEvent:
    return ChatEvent("message", number, user, message_text=MessageText(text))


def came(number: int, name: str) -> ChatEvent:
    return ChatEvent("newParty", number, "U", user_info=UserInfo(name, "CLIENT"))


def renamed(number: int, name: str) -> ChatEvent:
    return ChatEvent("notice", number, "U", notice_text=NoticeText("USER_UPDATE_NICK", name))


def noted(value: str) -> ChatEvent:
    return ChatEvent("notice", 1, "U", notice_text=NoticeText("USER_CUSTOM", "n"), user_data=[Item("k", value=value)])


def push(*events: ChatEvent, over: bool = False, snapshot: bool = False, version: int = 106) -> TranscriptUpdate:
    transcript = ChatTranscript(CHAT, chat_event_list=list(events))
    return TranscriptUpdate(transcript, over, snapshot=snapshot, version=version)


def history(*events: ChatEvent, damaged: int | None = None, version: int = 106) -> TranscriptUpdate:
    told = push(*events, snapshot=True, version=version)
    told.damaged = [] if damaged is None else [Damaged(b"{}", "unreadable", damaged)]
    return told


def given(*inputs: Update) -> NaiveChat:
    model = NaiveChat(CHAT, CONTENT)
    for one in inputs:
        model.give(one, 0)
    return model


AWAY = LinkDown(CHAT, A_RESET)


def published(model: NaiveChat) -> list[str]:
    return [record.id.partition(":")[2] if record.gap is None else str(record.gap) for record in model.records]


def verdict(model: NaiveChat) -> tuple[str, list[ExpectedHole], list[ExpectedHole]]:
    certificate = model.certificate()
    return certificate["verdict"], certificate["gaps"], certificate["filled"]


def test_an_absence_ends_with_the_first_id_above_whichever_message_brings_it() -> None:
    hole = ExpectedHole(3, 8, "NOT_IN_REPLAY")
    in_history = given(history(said(1), said(2)), AWAY, history(said(1), said(2), said(9)))
    pushed_after = given(history(said(1), said(2)), AWAY, history(said(1), said(2)), push(said(9)), push(said(11)))
    assert published(in_history) == ["1", "2", "~0.3", str(hole), "9"]
    assert published(pushed_after) == ["1", "2", "~0.3", str(hole), "9", "11"]


def test_a_hole_that_a_later_history_fills_is_listed_as_filled() -> None:
    model = given(history(said(1)), AWAY, history(said(1), said(4)))
    hole = ExpectedHole(2, 3, "NOT_IN_REPLAY")
    assert verdict(model) == ("INCOMPLETE", [hole], [])
    for number in (2, 3):
        model.give(push(said(number)), 0)
    assert verdict(model) == ("COMPLETE", [], [hole])
    assert [record.origin for record in model.records[-2:]] == ["REPLAY", "REPLAY"]


def test_a_damaged_event_is_one_gap_however_often_it_comes_and_none_once_it_was_had() -> None:
    cured = given(history(said(1), damaged=2), AWAY, history(said(1), damaged=2), AWAY, history(said(1), said(2)))
    assert verdict(cured) == ("COMPLETE", [], [ExpectedHole(2, 2, "UNREADABLE")])
    assert cured.certificate()["quarantined"] == 2
    assert verdict(given(history(said(1), said(2)), AWAY, history(said(1), damaged=2))) == ("COMPLETE", [], [])


def test_a_chat_that_was_given_up_before_its_first_join_and_then_seen_whole_is_complete() -> None:
    model = given(JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER))
    model.announced()
    model.give(history(said(1)), 0)
    assert verdict(model) == ("COMPLETE", [], [ExpectedHole(None, None, "NEVER_JOINED")])
    assert [certificate["verdict"] for certificate in model.certificates] == ["INCOMPLETE"]


def test_an_input_that_meets_a_defect_leaves_nothing_but_gaps_that_a_history_fills() -> None:
    model = given(history(said(1)), push(said(2), said(4, "defect")))
    holes = [ExpectedHole(2, 2, "INTERNAL"), ExpectedHole(4, 4, "INTERNAL")]
    assert published(model) == ["1", *map(str, holes)]
    assert verdict(model) == ("INCOMPLETE", holes, [])
    model.give(history(said(1), said(2), said(4)), 0)
    assert published(model)[3:] == ["~0.4", "2", "4"]
    assert verdict(model) == ("INCOMPLETE", [], holes)
    assert model.certificate()["reasons"] == ["UNEXPLAINED_IDS"]  # 3: skipped, with one user in the chat


def test_an_end_that_meets_a_defect_ends_the_chat() -> None:
    model = given(history(said(1)), push(said(2, "defect"), over=True))
    assert (model.state, verdict(model)[0]) == ("OVER", "INCOMPLETE")


def test_what_comes_after_the_end_is_published_and_after_a_minute_known_by_its_id_only() -> None:
    model = given(history(said(1)), push(said(2), over=True), push(said(3), over=True))
    assert published(model) == ["1", "2", "3"]
    told = [(certificate["lastSequence"], certificate["supersedes"]) for certificate in model.certificates]
    assert told == [(2, None), (3, 2)]
    model.give(push(said(4)), GRACE_US + 1)
    model.folded(2 * GRACE_US + 2)
    model.give(push(said(5), said(4, "changed")), 2 * GRACE_US + 3)
    assert (published(model), model.quarantined_inputs) == (["1", "2", "3", "4", "5"], 0)


def test_only_what_both_versions_show_is_compared_and_the_richer_sight_is_kept() -> None:
    poor = noted("a")
    seen = [history(noted(value), version=version) for value, version in (("a", 103), ("a", 106), ("b", 106))]
    assert published(given(*seen)) == ["1", "~0.2", "~0.3", "1:1"]
    assert published(given(history(poor, version=106), history(noted("z"), version=103))) == ["1", "~0.2"]


def test_a_change_that_a_poorer_sight_hid_is_published_with_the_next_richer_one() -> None:
    seen = [history(noted("a")), history(noted("z"), version=103), history(noted("z"))]
    assert published(given(*seen)) == ["1", "~0.2", "~0.3", "1:1"]


def test_masking_is_counted_and_other_content_amends_and_another_event_reuses_the_id() -> None:
    first = history(said(1, "grün 1234"))
    masked, changed = given(first, push(said(1, "gr*n ****"))), given(first, push(said(1, "grau ****")))
    reused = given(first, push(said(1, "grün 1234", "another")))
    assert (published(masked), masked.masked) == (["1"], 1)
    assert [record.amendment for record in changed.records] == [None, "CHANGED"]
    assert [(record.amendment, record.amends) for record in reused.records] == [(None, None), ("ID_REUSED", None)]
    assert (verdict(reused)[0], reused.certificate()["idsReused"]) == ("COMPLETE", 1)


def test_a_record_that_is_too_large_is_a_gap_once_and_never_filled() -> None:
    model = given(history(said(1, "large"), said(2)), AWAY, history(said(1, "large"), said(2)))
    hole = ExpectedHole(1, 1, "TOO_LARGE")
    assert published(model) == [str(hole), "2", "~0.3"]
    assert verdict(model) == ("INCOMPLETE", [hole], [])


def test_a_name_is_that_of_the_newest_event_that_names_the_party() -> None:
    model = given(history(came(1, "Visitor")), push(renamed(5, "Third")), push(renamed(3, "Second")), push(said(6)))
    assert [record.nickname for record in model.records] == ["Visitor", "Visitor", "Third", "Third"]
