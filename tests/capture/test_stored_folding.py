"""Stored transcripts in the shard that owns their chat: what becomes of each kind of chat."""

from __future__ import annotations

import pytest

from bridge.capture.stored_inputs import StoredPlace
from bridge.transcript import fold
from bridge.transcript.completeness import TYPING_ONLY
from bridge.transcript.entries import COMPLETE_WITH_EXPECTED_HOLES as EXPECTED
from bridge.transcript.gap_codes import (
    INTERNAL,
    NEVER_JOINED,
    NOT_IN_REPLAY,
    OUT_OF_REACH,
    OVER_WHILE_AWAY,
    UNFINISHED,
)
from bridge.transcript.updates import JoinRefused, LinkDown, Verdict
from tests.capture.recorded_shard import RecordedShard
from tests.capture.stored_documents_of import (
    READ_AT,
    away,
    fills,
    followed,
    gap_of,
    never_announced,
    stored,
)
from tests.capture.test_any_inputs import failing
from tests.capture.test_session_store import NOW, SECOND, announcement
from tests.capture.test_whole_or_not_at_all import DEFECT
from tests.capture.written_topics import EVENTS, SESSIONS
from tests.support.core_forms import replaces_a_part
from tests.support.reasons import A_REFUSAL, A_RESET
from tests.transcript.build import CHAT, history, joined, left, noticed, push, said

LATER = 61 * SECOND
TYPED = noticed(3, "USER_TYPING_STARTED")


def test_a_chat_that_was_never_announced_is_opened_and_closed_by_its_last_text() -> None:
    shard = never_announced()
    shard.fold(*stored(joined(1), said(2), left(4)))
    assert shard.outline() == [1, 2, 4]
    assert {record["origin"] for record in shard.records()} == {"ARCHIVE"}
    assert {record["session"]["source"] for record in shard.records()} == {"UCS"}
    [certificate] = shard.certificates()
    assert (certificate["verdict"], certificate["archived"], certificate["supersedes"]) == (EXPECTED, True, None)
    assert certificate["reasons"] == [TYPING_ONLY]
    assert shard.findings() == []


@pytest.mark.parametrize("restarts", [False, True])
def test_a_chat_that_is_not_over_stays_open_until_its_last_text(restarts: bool) -> None:
    shard = never_announced()
    for text in (stored(joined(1), final=False), stored(joined(1), said(2), final=False, offset=2)):
        shard.fold(*text)
        if restarts:
            shard.restarted()
    assert (shard.outline(), shard.certificates(), shard.store.followed()) == ([1, 2], [], [])
    shard.now += LATER
    shard.fold()
    shard.fold(*stored(joined(1), said(2, "hello again"), left(3), offset=3))
    assert [record["id"] for record in shard.records()] == [f"{CHAT}:{one}" for one in ("1", "2", "2:1", "3")]
    assert [one["verdict"] for one in shard.certificates()] == ["COMPLETE"]
    assert shard.findings() == []


def test_a_chat_that_is_announced_later_is_followed_and_its_history_is_no_rejoin() -> None:
    shard = never_announced()
    shard.fold(*stored(joined(1), final=False))
    plan = shard.restarted().fold(announcement())
    assert [chat.session_id for chat in plan.follow] == [CHAT]
    assert plan.batch.on(SESSIONS) == []
    shard.fold(history(joined(1), said(2)), *stored(joined(1), said(2), said(4)))
    assert shard.certificates() == []
    shard.fold(push(said(5), over=True))
    assert shard.outline() == [1, 2, 4, 5]
    assert [record["origin"] for record in shard.records()] == ["ARCHIVE", "REPLAY", "ARCHIVE", "LIVE"]
    assert shard.findings() == []


def test_a_chat_whose_last_text_never_comes_is_closed_and_says_so() -> None:
    shard = never_announced()
    shard.fold(*stored(joined(1), said(2), final=False))
    retention = shard.settings.closed_retention_us or 0
    shard.now = READ_AT + retention + 2
    shard.restarted().fold()
    assert shard.gaps() == [(3, None, UNFINISHED)]
    assert [one["reasons"] for one in shard.certificates()] == [[UNFINISHED]]
    shard.fold(*stored(joined(1), said(2), left(3)))
    assert shard.certificates()[-1]["verdict"] == "COMPLETE"
    assert fills(shard)[-1] == (3, gap_of(shard, UNFINISHED))
    assert shard.findings() == []


@replaces_a_part
@pytest.mark.parametrize("restarts", [False, True])
def test_a_chat_whose_only_text_could_not_be_folded_is_closed_when_no_other_comes(
    monkeypatch: pytest.MonkeyPatch, restarts: bool
) -> None:
    monkeypatch.setattr(fold, "fingerprint", failing)
    shard = never_announced()
    shard.fold(*stored(said(1, DEFECT), final=False))
    if restarts:
        shard.restarted()
    shard.now = READ_AT + (shard.settings.closed_retention_us or 0) + 2
    shard.fold()
    assert [code for _, _, code in shard.gaps()] == [INTERNAL, UNFINISHED]
    assert shard.findings() == []


def test_the_last_text_of_a_chat_that_is_followed_does_not_close_it() -> None:
    shard = followed()
    plan = shard.fold(*stored(joined(1), said(2), said(3)))
    assert (shard.outline(), shard.certificates(), plan.forget) == ([1, 2, 3], [], [])
    shard.fold(push(said(3), left(4), over=True))
    assert shard.outline() == [1, 2, 3, 4]
    assert [one["verdict"] for one in shard.certificates()] == ["COMPLETE"]
    assert shard.findings() == []


@pytest.mark.parametrize("verdict", [Verdict.GONE, Verdict.NEVER])
def test_a_chat_that_cannot_be_joined_again_lacks_nothing_if_its_last_text_is_there(verdict: Verdict) -> None:
    shard = followed()
    shard.fold(LinkDown(CHAT, A_RESET, NOW), *stored(joined(1), said(2), said(3), left(4)))
    shard.fold(JoinRefused(CHAT, 0, A_REFUSAL, verdict, NOW))
    assert (shard.outline(), shard.gaps()) == ([1, 2, 3, 4], [])
    assert [one["verdict"] for one in shard.certificates()] == ["COMPLETE"]
    assert shard.findings() == []


@pytest.mark.parametrize("verdict", [Verdict.GONE, Verdict.NEVER])
@pytest.mark.parametrize("age", [0, LATER])
@pytest.mark.parametrize("restarts", [False, True])
def test_what_a_chat_lacks_that_was_given_up_is_filled(verdict: Verdict, age: int, restarts: bool) -> None:
    shard = followed()
    away(shard, verdict)
    shard.now += age
    shard.fold()
    if restarts:
        shard.restarted()
    shard.fold(*stored(joined(1), said(2), said(3), left(5)))
    code = OVER_WHILE_AWAY if verdict is Verdict.GONE else OUT_OF_REACH
    assert fills(shard) == [(3, gap_of(shard, code)), (5, gap_of(shard, code))]
    first, second = shard.certificates()
    assert (first["verdict"], second["verdict"]) == ("INCOMPLETE", EXPECTED)
    assert second["reasons"] == [TYPING_ONLY]
    assert second["supersedes"] == first["lastSequence"]
    assert [gap["code"] for gap in second["filled"]] == [code]
    assert shard.findings() == []
    assert shard.fold(announcement(offset=9)).follow == []  # it is over


def test_a_chat_that_could_not_be_joined_at_all_is_filled() -> None:
    shard = RecordedShard()
    shard.fold(JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW))
    assert shard.gaps() == [(None, None, NEVER_JOINED)]
    shard.fold(*stored(joined(1), said(2)))
    assert fills(shard) == [(1, gap_of(shard, NEVER_JOINED)), (2, gap_of(shard, NEVER_JOINED))]
    assert shard.certificates()[-1]["verdict"] == "COMPLETE"
    assert shard.findings() == []


@pytest.mark.parametrize("age", [0, LATER])
@pytest.mark.parametrize("restarts", [False, True])
def test_of_a_chat_that_was_closed_only_what_is_new_is_published(age: int, restarts: bool) -> None:
    shard = followed(history(joined(1), said(2)), push(said(4), over=True))
    shard.now += age
    shard.fold()
    if restarts:
        shard.restarted()
    shard.fold(*stored(joined(1), said(2), said(3), said(4), left(5)))
    assert shard.outline() == [1, 2, 4, 3, 5]
    assert [one["supersedes"] for one in shard.certificates()] == [None, 3]
    assert shard.findings() == []


@pytest.mark.parametrize("age", [0, LATER])
def test_a_text_that_brings_nothing_changes_nothing_but_the_position(age: int) -> None:
    shard = followed(history(joined(1), said(2)), push(TYPED, said(4), over=True))
    shard.now += age
    shard.fold()
    for offset in (1, 2):
        plan = shard.fold(*stored(joined(1), said(2), said(4), offset=offset))
        assert (plan.batch.on(EVENTS), plan.batch.on(SESSIONS)) == ([], [])
        assert shard.restarted().store.positions["stored"] == StoredPlace(offset).encode()


def test_two_gaps_of_a_closed_chat_are_filled_by_two_texts() -> None:
    shard = followed(history(joined(1)), push(said(2)))
    shard.fold(LinkDown(CHAT, A_RESET, NOW), history(joined(1), said(2), said(6)))
    assert shard.gaps() == [(3, 5, NOT_IN_REPLAY)]
    away(shard)
    shard.fold(*stored(joined(1), said(2), said(4), said(6), final=False))
    assert [gap["code"] for gap in shard.certificates()[-1]["gaps"]] == [NOT_IN_REPLAY, OVER_WHILE_AWAY]
    shard.fold(*stored(joined(1), said(2), said(4), said(6), left(8), offset=2))
    assert fills(shard) == [(4, gap_of(shard, NOT_IN_REPLAY)), (8, gap_of(shard, OVER_WHILE_AWAY))]
    last = shard.certificates()[-1]
    assert (last["verdict"], last["gaps"], len(last["filled"])) == (EXPECTED, [], 2)
    assert [hole["class"] for hole in last["holes"]] == [TYPING_ONLY] * 3
    # An id that was told as missing, and never stored, still names its GAP when it comes after all.
    shard.fold(history(joined(1), said(2), said(3)))
    assert shard.records()[-1]["fills"] == gap_of(shard, NOT_IN_REPLAY)
    assert shard.findings() == []
