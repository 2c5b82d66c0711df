"""Several outputs: each event in all of them, in one transaction; what one of them cannot take is a GAP there only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from bridge.capture import chat
from bridge.capture.chat_facts import ChatClosed, ChatOpened, GapRecorded, Quarantined
from bridge.records.chain import genesis
from bridge.records.normalise import Recording
from bridge.transcript.completeness import LEFT_OUT
from bridge.transcript.entries import COMPLETE, GAP, INCOMPLETE
from bridge.transcript.gap_codes import INTERNAL, NOT_IN_REPLAY, NOT_RECORDED, OUTGROWN, OUTPUT_ADDED, TOO_LARGE
from bridge.transcript.updates import JoinRefused, LinkDown, Verdict
from tests.capture.test_session_store import NOW, SCHEMAS, SECOND, announcement
from tests.capture.two_outputs import AUDIT, AUDIT_PREFIX, BOTH, CARD_RULE, MASKED, SMALL, WHOLE, RecordedOutputs
from tests.capture.written_topics import output
from tests.model.failing_redactor import FailingRedactor
from tests.model.true_chat import DEFECT
from tests.support.core_forms import replaces_a_part
from tests.support.reasons import A_REFUSAL, A_RESET
from tests.transcript.build import CHAT, history, joined, left, push, said

if TYPE_CHECKING:
    from bridge.capture.batch_builder import TransactionPlan
    from tests.capture.two_outputs import WrittenOutput

CARD: Final = "4111 1111 1111 1111"
LONG: Final = "long " * SMALL
HUGE: Final = "huge " * 250_000


def said_in(written: WrittenOutput) -> list[str]:
    return [record["message"]["text"] for record in written.records() if record["message"]]


def gaps_in(written: WrittenOutput) -> list[tuple[int, int | None, str]]:
    """Return sequence, first missing id and code of the GAPs."""
    gaps = [(one["sequence"], one["gap"]) for one in written.records() if one["gap"]]
    return [(sequence, gap["fromEventId"], gap["code"]) for sequence, gap in gaps]


def bytes_of_events(plan: TransactionPlan) -> int:
    return sum(len(record.value or b"") for one in BOTH for record in plan.batch.on(one.topics["events"]))


def test_each_event_is_in_every_output_in_the_same_transaction_with_the_same_sequence_and_id() -> None:
    shard = RecordedOutputs()
    for inputs in ([history(joined(1), said(2))], [push(said(3)), push(left(4))]):
        batch = shard.fold(*inputs).batch
        events = [batch.on(one.topics["events"]) for one in BOTH]
        assert len(events[0]) == len(events[1]) == 2
        assert [record.headers for record in events[0]] == [record.headers for record in events[1]]
    shard.fold(push(over=True))
    assert shard.whole.outline() == shard.masked.outline()
    assert [one["id"] for one in shard.masked.records()] == [f"{CHAT}:{number}" for number in (1, 2, 3, 4)]
    assert [one["state"] for one in shard.masked.session_records()] == ["OPENED", "CLOSED"]
    assert [one["verdict"] for one in (*shard.whole.certificates(), *shard.masked.certificates())] == [COMPLETE] * 2
    shard.nothing_broken()


def test_each_output_has_its_own_rules_and_its_own_chain() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, f"it is {CARD}"), said(3), over=True))
    assert said_in(shard.whole) == [f"it is {CARD}", "hello"]
    assert said_in(shard.masked) == ["it is *******************", "hello"]
    assert CARD.encode() not in b"".join(shard.masked.events)
    heads = [one.records()[-1]["integrity"]["hash"] for one in (shard.whole, shard.masked)]
    assert heads[0] != heads[1]
    assert [one.certificates()[0]["head"] for one in (shard.whole, shard.masked)] == heads
    shard.nothing_broken()


def test_events_are_counted_once_however_many_outputs_there_are() -> None:
    plan = RecordedOutputs().fold(history(joined(1), said(2)))
    assert plan.kinds == {"PARTY_JOINED": 1, "MESSAGE": 1}
    assert plan.event_bytes == bytes_of_events(plan) > 0


def test_what_one_output_cannot_take_is_a_gap_there_and_an_event_in_the_other() -> None:
    shard = RecordedOutputs()
    plan = shard.fold(history(joined(1), said(2, LONG), said(3), over=True))
    assert plan.cut
    assert said_in(shard.whole) == [LONG, "hello"]
    assert said_in(shard.masked) == ["hello"]
    assert shard.masked.outline() == [(1, "PARTY_JOINED"), (2, GAP), (3, "MESSAGE")]
    assert gaps_in(shard.masked) == [(2, 2, TOO_LARGE)]
    assert (len(shard.whole.set_aside()), len(shard.masked.set_aside())) == (0, 1)
    whole, masked = *shard.whole.certificates(), *shard.masked.certificates()
    assert (whole["verdict"], whole["reasons"], whole["gaps"]) == (COMPLETE, [], [])
    assert (masked["verdict"], masked["reasons"], masked["quarantined"]) == (INCOMPLETE, [TOO_LARGE], 1)
    assert masked["counts"] == {"PARTY_JOINED": 1, "MESSAGE": 1, GAP: 1}
    assert masked["idRanges"] == [{"from": 1, "to": 1}, {"from": 3, "to": 3}]
    assert plan.kinds == {"PARTY_JOINED": 1, "MESSAGE": 2}
    told = [fact for fact in plan.facts if not isinstance(fact, ChatOpened)]
    assert told == [
        Quarantined(session=CHAT, code=TOO_LARGE),
        GapRecorded(session=CHAT, code=TOO_LARGE),
        ChatClosed(session=CHAT, verdict=INCOMPLETE, joined=True),
    ]
    shard.nothing_broken()


def test_what_no_output_can_take_is_a_gap_of_the_chat() -> None:
    shard = RecordedOutputs()
    plan = shard.fold(history(joined(1), said(2, HUGE), said(3)))
    assert plan.kinds == {"PARTY_JOINED": 1, "MESSAGE": 1, GAP: 1}
    assert 2 not in shard.store.chats[CHAT].transcript.delivered
    shard.fold(history(joined(1), said(2, HUGE), said(3), over=True))  # it is in the quarantine already
    for written in (shard.whole, shard.masked):
        assert written.outline()[:3] == [(1, "PARTY_JOINED"), (2, GAP), (3, "MESSAGE")]
        assert gaps_in(written) == [(2, 2, TOO_LARGE)]
        assert written.certificates()[0]["quarantined"] == 1
        assert {one["code"] for one in written.set_aside()} == {TOO_LARGE}
    shard.nothing_broken()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_change_of_an_event_that_is_a_gap_is_one_too_in_that_output_only(restarted: bool) -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, LONG)))
    if restarted:
        shard.restart()
    shard.fold(push(said(2, "short now")), push(said(3), over=True))
    assert said_in(shard.whole) == [LONG, "short now", "hello"]
    assert gaps_in(shard.masked) == [(2, 2, TOO_LARGE), (3, 2, NOT_RECORDED)]
    assert [one.certificates()[0]["amendments"] for one in (shard.whole, shard.masked)] == [1, 0]
    shard.nothing_broken()


def test_a_change_that_is_too_large_takes_nothing_from_the_event() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, "short")), push(said(2, LONG), over=True))
    assert said_in(shard.masked) == ["short"]
    assert gaps_in(shard.masked) == [(3, 2, TOO_LARGE)]
    assert shard.masked.certificates()[0]["idRanges"] == [{"from": 1, "to": 2}]
    shard.nothing_broken()


def test_a_hole_that_was_filled_stays_open_where_the_event_is_too_large() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1)), LinkDown(CHAT, A_RESET, NOW), history(joined(1), said(4)))
    shard.fold(push(said(2, LONG), said(3), over=True))
    whole, masked = *shard.whole.certificates(), *shard.masked.certificates()
    assert (whole["verdict"], whole["gaps"]) == (COMPLETE, [])
    assert masked["reasons"] == [NOT_IN_REPLAY, TOO_LARGE]
    assert [gap["code"] for gap in masked["gaps"]] == [NOT_IN_REPLAY, TOO_LARGE]
    shard.nothing_broken()


def test_both_chains_go_on_after_a_restart_as_if_there_had_been_none() -> None:
    inputs: list[list[Any]] = [
        [history(joined(1), said(2, CARD))],
        [push(said(3, LONG)), push(said(4))],
        [push(said(3, "changed"))],
        [push(left(5), over=True)],
    ]
    undisturbed, disturbed = RecordedOutputs(), RecordedOutputs()
    for batch in inputs:
        undisturbed.fold(*batch)
        disturbed.restart()
        disturbed.fold(*batch)
    assert (undisturbed.whole, undisturbed.masked) == (disturbed.whole, disturbed.masked)
    disturbed.nothing_broken()


def test_what_comes_for_a_chat_that_ended_long_ago_continues_both_chains() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, LONG), over=True))
    shard.fold(now=NOW + 120 * SECOND)
    assert CHAT not in shard.store.chats
    for late in (3, 4):
        shard.restart()
        shard.fold(history(joined(1), said(2, LONG), said(late), over=True), now=NOW + 180 * SECOND)
    for written in (shard.whole, shard.masked):
        assert [one["supersedes"] for one in written.certificates()] == [None, 2, 4]
    assert [gap["code"] for gap in shard.masked.certificates()[-1]["gaps"]] == [TOO_LARGE]
    assert shard.whole.certificates()[-1]["gaps"] == []
    shard.nothing_broken()


# --- outputs come and go -----------------------------------------------------------------------------------------


def test_an_output_that_is_added_to_an_open_chat_begins_its_chain_with_the_next_record() -> None:
    shard = RecordedOutputs(WHOLE)
    shard.fold(history(joined(1), said(2)))
    shard.restart(*BOTH)
    assert shard.masked.sessions == []
    shard.fold(push(said(3)))
    shard.restart()
    shard.fold(push(said(4), over=True))
    first, *_ = shard.masked.records()
    assert (first["sequence"], first["integrity"]["previousHash"]) == (2, genesis(CHAT))
    assert gaps_in(shard.masked) == [(2, None, OUTPUT_ADDED)]
    assert shard.masked.outline()[1:] == shard.whole.outline()[2:]
    assert [one["state"] for one in shard.masked.session_records()] == ["OPENED", "CLOSED"]
    [certificate] = shard.masked.certificates()
    assert (certificate["verdict"], certificate["reasons"]) == (INCOMPLETE, [LEFT_OUT, OUTPUT_ADDED])
    assert (certificate["counts"], certificate["idRanges"]) == ({GAP: 1, "MESSAGE": 2}, [{"from": 3, "to": 4}])
    left_out = {"counts": {"PARTY_JOINED": 1, "MESSAGE": 1}, "idRanges": [{"from": 1, "to": 2}]}
    assert certificate["part"] == left_out
    assert shard.whole.certificates()[0]["verdict"] == COMPLETE
    assert shard.whole.certificates()[0]["part"] is None
    shard.nothing_broken()


def test_an_output_that_is_added_before_a_chat_ends_without_another_event_has_its_certificate() -> None:
    shard = RecordedOutputs(WHOLE)
    shard.fold(history(joined(1), said(2)))
    shard.restart(*BOTH)
    shard.fold(push(over=True))
    shard.fold(push(said(3)))
    assert [one["state"] for one in shard.masked.session_records()] == ["OPENED", "CLOSED", "CLOSED"]
    assert [one["supersedes"] for one in shard.masked.certificates()] == [None, 2]
    assert shard.masked.outline() == [(2, GAP), (3, "MESSAGE")]
    shard.nothing_broken()


def test_an_output_that_is_added_after_a_chat_has_ended_has_no_certificate_to_supersede() -> None:
    shard = RecordedOutputs(WHOLE)
    shard.fold(history(joined(1), said(2), over=True))
    shard.restart(*BOTH)
    shard.fold(push(said(3)))
    shard.restart()
    shard.fold(push(said(4)))
    assert [one["supersedes"] for one in shard.whole.certificates()] == [None, 2, 3]
    assert [one["supersedes"] for one in shard.masked.certificates()] == [None, 3]
    assert shard.masked.outline() == [(2, GAP), (3, "MESSAGE"), (4, "MESSAGE")]
    shard.nothing_broken()


def test_an_output_that_was_there_alone_may_be_removed_for_another_one() -> None:
    shard = RecordedOutputs(MASKED)
    shard.fold(history(joined(1), said(2)))
    shard.restart(WHOLE)
    shard.fold(push(said(3), over=True))
    assert shard.masked.outline() == [(1, "PARTY_JOINED"), (2, "MESSAGE")]
    assert shard.whole.outline() == [(2, GAP), (3, "MESSAGE")]
    shard.nothing_broken()


def test_a_chat_that_was_given_up_goes_on_in_an_output_that_was_added_meanwhile() -> None:
    shard = RecordedOutputs(WHOLE)
    shard.fold(history(joined(1), said(2)), JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW))
    shard.restart(*BOTH)
    shard.fold(announcement(offset=1))
    shard.restart()
    shard.fold(history(joined(1), said(2), said(3), over=True))
    assert shard.masked.outline() == [(3, GAP), (4, "RESUMED"), (5, "MESSAGE")]
    assert [one["state"] for one in shard.masked.session_records()] == ["OPENED", "CLOSED"]
    [certificate] = shard.masked.certificates()
    told = [gap["detail"] for gap in certificate["gaps"] if gap["code"] == OUTPUT_ADDED]
    assert told == ["records up to sequence 3 are not in this output"]
    shard.nothing_broken()


@replaces_a_part
def test_more_gaps_of_one_output_than_can_be_remembered_end_the_chat_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MAX_HOLES", 2)
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, LONG), said(3, LONG)))
    assert shard.whole.certificates() == []
    shard.fold(push(said(4, LONG)))
    for written in (shard.whole, shard.masked):
        assert written.outline()[-1] == (5, GAP)
        assert OUTGROWN in written.certificates()[0]["reasons"]
    shard.nothing_broken()


# --- all or nothing ----------------------------------------------------------------------------------------------


@replaces_a_part
def test_an_input_that_a_defect_breaks_in_one_output_is_in_none() -> None:
    broken = output(Recording(SCHEMAS, FailingRedactor([CARD_RULE])), AUDIT_PREFIX, AUDIT, "audit.")
    shard = RecordedOutputs(WHOLE, broken)
    shard.fold(history(joined(1)))
    plan = shard.fold(push(said(2, LONG), said(3), said(4, DEFECT)))
    assert plan.kinds == {GAP: 1}
    assert plan.event_bytes == bytes_of_events(plan)
    assert not plan.cut
    shard.fold(push(said(5), over=True))
    for written in (shard.whole, shard.masked):
        assert written.outline() == [(1, "PARTY_JOINED"), (2, GAP), (3, "MESSAGE")]
        assert gaps_in(written) == [(2, 2, INTERNAL)]
    shard.nothing_broken()
