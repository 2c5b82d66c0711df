"""A defect in one input costs this input only; what comes for a chat that is closed is folded, or quarantined."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from bridge.capture.batch_builder import BatchBuilder
from bridge.capture.chat import FOLLOWED, GIVEN_UP, OVER
from bridge.capture.chat_facts import ChatFailed
from bridge.transcript import fold
from bridge.transcript.fingerprints import fingerprint
from bridge.transcript.gap_codes import INTERNAL, NOT_RECORDED, OUT_OF_REACH, TOO_LARGE, UNATTRIBUTED, UNREADABLE
from bridge.transcript.input_codes import NOT_FOLLOWED, UNREADABLE_EVENT
from bridge.transcript.updates import Damaged, JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate, Verdict
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_session_store import NOW, SECOND, announcement
from tests.capture.written_topics import EVENTS, QUARANTINE, SESSIONS
from tests.support.core_forms import replaces_a_part
from tests.support.reasons import A_REFUSAL, A_RESET, NO_JSON
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.inbox import Input
    from bridge.transcript.events import ChatEvent

OTHER = "0000TEST00000002"
DEFECT = "defect"


@pytest.fixture
def shard() -> RecordedShard:
    return RecordedShard()


@pytest.fixture
def defect(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Make the fold fail on an event that says so, after whatever came before it in its input."""

    def failing(event: ChatEvent, carried: Any) -> bytes:
        if event.message_text is not None and event.message_text.text == DEFECT:
            raise ZeroDivisionError
        return fingerprint(event, carried)

    monkeypatch.setattr(fold, "fingerprint", failing)
    return monkeypatch


# --- defects ---------------------------------------------------------------------------------------------------------


@replaces_a_part
@pytest.mark.parametrize("restart", [False, True])
def test_an_input_that_fails_half_way_leaves_nothing_but_a_gap_and_a_later_history_fills_it(
    shard: RecordedShard, defect: pytest.MonkeyPatch, restart: bool
) -> None:
    shard.fold(history(joined(1)))
    plan = shard.fold(push(said(2), said(3, DEFECT)), push(said(4)))
    assert [fact.error for fact in plan.facts if isinstance(fact, ChatFailed)] == ["ZeroDivisionError"]
    assert shard.outline() == [1, "GAP", 4]
    assert shard.gaps() == [(2, 3, INTERNAL)]
    assert shard.set_aside() == [(CHAT, INTERNAL)]
    assert shard.store.chats[CHAT].state == FOLLOWED
    defect.undo()
    if restart:
        shard.restarted()
    shard.fold(history(joined(1), said(2), said(3, DEFECT), said(4), over=True))
    assert shard.outline() == [1, "GAP", 4, "RESUMED", 2, 3]
    [certificate] = shard.certificates()
    assert (certificate["verdict"], certificate["gaps"], len(certificate["filled"])) == ("COMPLETE", [], 1)
    assert shard.findings() == []


@replaces_a_part
@pytest.mark.usefixtures("defect")
def test_a_hole_that_a_defect_made_and_nothing_filled_is_in_every_later_certificate(shard: RecordedShard) -> None:
    shard.fold(history(joined(1)), push(said(2), said(3, DEFECT)), push(said(4), over=True))
    [certificate] = shard.certificates()
    assert (certificate["verdict"], certificate["reasons"]) == ("INCOMPLETE", [INTERNAL])
    assert certificate["idRanges"] == [{"from": 1, "to": 1}, {"from": 4, "to": 4}]
    assert shard.findings() == []


@replaces_a_part
@pytest.mark.usefixtures("defect")
def test_a_last_input_that_fails_closes_its_chat_all_the_same(shard: RecordedShard) -> None:
    shard.fold(history(joined(1)))
    shard.fold(push(said(2), said(3, DEFECT), over=True))
    assert shard.store.chats[CHAT].state == OVER
    assert shard.certificates()[0]["reasons"] == [INTERNAL]
    assert shard.findings() == []


@pytest.mark.parametrize("wrong", [{"time_shift": "soon"}, {"user_data": 5}, {"user_id": 4}], ids=str)
def test_a_value_that_its_type_forbids_costs_its_input_only(shard: RecordedShard, wrong: dict[str, Any]) -> None:
    """A defect that needs nothing replaced: it occurs in compiled code, too."""
    shard.fold(history(joined(1)))
    plan = shard.fold(push(said(2), structs.replace(said(3), **wrong)), push(said(4)))
    assert [fact.error for fact in plan.facts if isinstance(fact, ChatFailed)] == ["TypeError"]
    assert shard.outline() == [1, "GAP", 4]
    assert shard.gaps() == [(2, 3, INTERNAL)]
    shard.restarted().fold(history(joined(1), said(2), said(3), said(4), over=True))
    assert [one["verdict"] for one in shard.certificates()] == ["COMPLETE"]
    assert shard.findings() == []


def test_a_value_that_cannot_even_be_recorded_closes_its_chat_which_is_never_complete_again(
    shard: RecordedShard,
) -> None:
    shard.fold(history(joined(1)))
    plan = shard.fold(push(structs.replace(said(2), event_id="two")))
    assert len([fact for fact in plan.facts if isinstance(fact, ChatFailed)]) == 2
    assert shard.store.chats[CHAT].state == GIVEN_UP
    assert shard.certificates()[0]["reasons"] == sorted([INTERNAL, UNATTRIBUTED])
    assert shard.findings() == []


@replaces_a_part
def test_a_defect_while_records_are_made_takes_back_those_that_were_made(
    shard: RecordedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard.fold(history(joined(1)))
    real = BatchBuilder.publish

    def failing(self: BatchBuilder, chat: Any, entry: Any) -> None:
        if entry.event is not None and entry.event.event_id == 4:
            raise RecursionError
        real(self, chat, entry)

    monkeypatch.setattr(BatchBuilder, "publish", failing)
    damaged = replace(push(said(2), said(3), said(4)), damaged=[Damaged(b"{}", "wrong type", 5)])
    shard.fold(push(said(2)), damaged)
    assert shard.outline() == [1, 2, "GAP"]
    assert shard.gaps() == [(3, 5, INTERNAL)]
    assert shard.set_aside() == [(CHAT, INTERNAL), (CHAT, UNREADABLE_EVENT)]
    assert shard.findings() == []


@replaces_a_part
def test_a_defect_at_the_very_end_takes_back_quarantined_input_and_facts_too(
    shard: RecordedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard.fold(history(joined(1)))
    real, calls = BatchBuilder.forget, []

    def failing(self: BatchBuilder, session_id: str) -> None:
        calls.append(session_id)
        real(self, session_id)
        if len(calls) == 1:
            raise ZeroDivisionError

    monkeypatch.setattr(BatchBuilder, "forget", failing)
    damaged = replace(push(said(2), over=True), damaged=[Damaged(b"{}", "wrong type", 3)])
    plan = shard.fold(damaged)
    assert shard.outline() == [1, "GAP"]
    assert shard.gaps() == [(2, 3, INTERNAL)]
    assert shard.set_aside() == [(CHAT, INTERNAL), (CHAT, UNREADABLE_EVENT)]
    assert [type(fact).__name__ for fact in plan.facts] == [
        "ChatFailed",
        "Quarantined",
        "Quarantined",
        "GapRecorded",
        "ChatClosed",
    ]
    assert plan.forget == [CHAT]
    assert [one["reasons"] for one in shard.certificates()] == [[INTERNAL]]
    assert shard.findings() == []


@replaces_a_part
def test_a_chat_whose_defect_cannot_even_be_recorded_is_closed_and_never_complete_again(
    shard: RecordedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard.fold(history(joined(1)))

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(BatchBuilder, "publish", broken)
    plan = shard.fold(push(said(2)))
    monkeypatch.undo()
    assert len([fact for fact in plan.facts if isinstance(fact, ChatFailed)]) == 2
    assert shard.store.chats[CHAT].state == GIVEN_UP
    assert shard.certificates()[0]["reasons"] == sorted([INTERNAL, UNATTRIBUTED])
    shard.fold(announcement(offset=1))
    shard.restarted().fold(history(joined(1), said(2), over=True))
    assert (shard.certificates()[-1]["verdict"], shard.outline()) == ("INCOMPLETE", [1, "RESUMED", 2])
    assert shard.findings() == []


@replaces_a_part
@pytest.mark.parametrize(
    ("one", "state"),
    [
        (LinkDown(CHAT, A_RESET, NOW), FOLLOWED),
        (JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW), GIVEN_UP),
        (QuarantinedInput("chat-1:4800", b"x", NO_JSON, 1, CHAT, attributed=True, observed_at=NOW), FOLLOWED),
    ],
)
def test_a_defect_in_what_brings_no_events_is_a_gap_without_ids(
    shard: RecordedShard, monkeypatch: pytest.MonkeyPatch, one: Input, state: str
) -> None:
    shard.fold(history(joined(1)))

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    for name in ("away", "end", "set_aside"):
        monkeypatch.setattr(fold.Transcript, name, broken)
    shard.fold(one)
    assert shard.gaps() == [(None, None, INTERNAL)]
    assert shard.store.chats[CHAT].state == state


@replaces_a_part
@pytest.mark.usefixtures("defect")
def test_a_defect_in_one_chat_does_not_touch_the_others(shard: RecordedShard) -> None:
    shard.fold(announcement(OTHER, 1), history(joined(1)))
    other = TranscriptUpdate(replace_id(history(said(1), said(2))), over=False, snapshot=True, observed_at=NOW)
    shard.fold(push(said(2, DEFECT)), other)
    assert [record["sessionId"] for record in shard.records()] == [CHAT, CHAT, OTHER, OTHER]
    assert shard.findings() == []


def replace_id(update: TranscriptUpdate) -> Any:
    """The transcript of an update as that of the other chat."""
    told = update.transcript
    return type(told)(OTHER, told.start_at, chat_event_list=told.chat_event_list)


# --- after Over ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("over", [True, False])
def test_final_events_that_come_one_by_one_are_all_published_with_a_certificate_that_supersedes_the_last(
    shard: RecordedShard, restart: bool, over: bool
) -> None:
    shard.fold(history(joined(1)), push(said(2), over=True))
    if restart:
        shard.restarted()
    plan = shard.fold(push(said(3), over=over), push(said(4), over=over))
    assert shard.outline() == [1, 2, 3, 4]
    told = [(one["lastSequence"], one["supersedes"], one["verdict"]) for one in shard.certificates()]
    assert told == [(2, None, "COMPLETE"), (3, 2, "COMPLETE"), (4, 3, "COMPLETE")]
    assert plan.forget == ([CHAT] if over else [])
    assert shard.findings() == []
    assert shard.quarantine == []


def test_the_session_records_of_one_moment_have_different_ids(shard: RecordedShard) -> None:
    plan = shard.fold(history(joined(1)), push(said(2), over=True), push(said(3), over=True), push(said(4), over=True))
    ids = [dict(record.headers)["ce_id"] for record in plan.batch.on(SESSIONS)]
    assert len(set(ids)) == len(ids) == 3


def test_a_duplicate_for_a_chat_that_is_over_changes_nothing(shard: RecordedShard) -> None:
    shard.fold(history(joined(1)), push(said(2), over=True))
    plan = shard.fold(push(said(2), over=True))
    assert (plan.batch.on(EVENTS), plan.batch.on(SESSIONS), plan.batch.on(QUARANTINE)) == ([], [], [])


def test_a_hole_told_after_the_end_is_in_the_certificate_that_supersedes(shard: RecordedShard) -> None:
    shard.fold(history(joined(1)), push(said(2), over=True))
    shard.fold(QuarantinedInput("chat-1:4800", b"x", NO_JSON, 1, CHAT, attributed=True, observed_at=NOW))
    assert [one["verdict"] for one in shard.certificates()] == ["COMPLETE", "INCOMPLETE"]
    assert shard.gaps() == [(None, None, UNREADABLE)]
    assert shard.findings() == []


def test_what_was_received_in_time_is_folded_however_late_it_can_be_committed(shard: RecordedShard) -> None:
    shard.fold(history(joined(1), over=True))
    shard.now += 120 * SECOND
    shard.fold(push(said(2), over=True))
    assert shard.outline() == [1, 2]


def test_what_comes_for_a_chat_that_nobody_announced_here_is_quarantined(shard: RecordedShard) -> None:
    lost = TranscriptUpdate(replace_id(history(said(1))), over=False, snapshot=True, observed_at=NOW)
    lost.damaged = [Damaged(b"{}", "wrong type", 2)]
    shard.fold(lost)
    assert shard.set_aside() == [(OTHER, NOT_FOLLOWED), (OTHER, UNREADABLE_EVENT)]


def test_what_comes_for_a_chat_that_was_given_up_is_folded_into_it(shard: RecordedShard) -> None:
    shard.fold(history(joined(1)), JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW))
    shard.fold(push(said(2)))
    assert shard.store.chats[CHAT].state == GIVEN_UP
    shard.fold(history(joined(1), said(2), said(3), over=True))
    assert shard.store.chats[CHAT].state == OVER
    assert shard.outline() == [1, "GAP", 2, "RESUMED", 3]
    told = [(one["supersedes"], one["verdict"], one["reasons"]) for one in shard.certificates()]
    assert told == [(None, "INCOMPLETE", [OUT_OF_REACH]), (2, "INCOMPLETE", [OUT_OF_REACH]), (3, "COMPLETE", [])]
    assert shard.findings() == []


def test_an_announcement_of_a_chat_that_has_just_ended_changes_nothing(shard: RecordedShard) -> None:
    shard.fold(history(joined(1), over=True))
    plan = shard.fold(announcement(offset=1))
    assert (plan.follow, plan.batch.on(SESSIONS)) == ([], [])


def test_a_chat_that_is_over_has_no_password_in_its_checkpoint() -> None:
    shard = RecordedShard()
    shard.fold(announcement(offset=1, password="open-sesame"))
    assert b"open-sesame" in shard.topic.values[f"{CHAT}#a"]
    shard.fold(history(joined(1), over=True))
    assert b"open-sesame" not in shard.topic.values[f"{CHAT}#a"]


# --- what cannot be published ----------------------------------------------------------------------------------------


def test_an_amendment_of_an_event_that_was_withdrawn_from_the_same_input_is_withdrawn_too() -> None:
    shard = RecordedShard(limits=100_000)
    shard.fold(history(joined(1), said(2, "x" * 200_000), said(2, "short"), said(3), over=True))
    assert shard.gaps() == [(2, 2, TOO_LARGE), (2, 2, NOT_RECORDED)]
    [certificate] = shard.certificates()
    assert certificate["idRanges"] == [{"from": 1, "to": 1}, {"from": 3, "to": 3}]
    assert certificate["amendments"] == 0
    assert shard.findings() == []


def test_an_event_that_is_too_large_is_quarantined_once_however_often_it_is_seen() -> None:
    shard = RecordedShard(limits=100_000)
    large = said(2, "x" * 200_000)
    for _ in range(3):
        shard.fold(history(joined(1), large))
    assert shard.gaps() == [(2, 2, TOO_LARGE)]
    assert {reason for _, reason in shard.set_aside()} == {TOO_LARGE}
    shard.restarted().fold(history(joined(1), large, over=True))
    assert shard.gaps() == [(2, 2, TOO_LARGE)]
    assert shard.findings() == []
