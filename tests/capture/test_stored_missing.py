"""Chats of which no stored text will come: a certificate says so where nothing else is known of the chat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.capture.stored_inputs import StoredInput, StoredPlace, StoredRead
from bridge.capture.stored_reading import inputs_of
from bridge.capture.stored_texts import StoredText, StoredTextParts, records_of
from bridge.errors import Problem
from bridge.transcript.gap_codes import NO_STORED_TEXT
from bridge.transcript.input_codes import STORED_RECORD
from tests.capture.stored_documents_of import READ_AT, fills, followed, gap_of, never_announced, stored
from tests.capture.test_session_store import announcement
from tests.capture.written_topics import STORED
from tests.transcript.build import CHAT, history, joined, left, push, said

if TYPE_CHECKING:
    from tests.capture.recorded_shard import RecordedShard

LACKING = StoredText(CHAT, "ucs#1", b"", final=True, read_at=READ_AT, missing="NO_TEXT")


def missing(offset: int = 1) -> list[StoredInput]:
    return inputs_of(LACKING, READ_AT, StoredPlace(offset - 1), StoredPlace(offset))


def outcome(shard: RecordedShard) -> list[tuple[str, list[str], int | None]]:
    return [(one["verdict"], one["reasons"], one["supersedes"]) for one in shard.certificates()]


def test_a_chat_of_which_nothing_is_known_gets_a_certificate_that_says_so_once() -> None:
    shard = never_announced()
    for offset in (1, 2):
        shard.fold(*missing(offset))
        shard.restarted()
    assert shard.gaps() == [(None, None, NO_STORED_TEXT)]
    assert shard.records()[0]["gap"]["detail"] == "NO_TEXT"
    assert outcome(shard) == [("INCOMPLETE", [NO_STORED_TEXT], None)]
    assert (shard.set_aside(), shard.findings()) == ([], [])


def test_a_text_that_comes_after_all_fills_the_gap_and_supersedes_the_certificate() -> None:
    shard = never_announced()
    shard.fold(*missing())
    shard.restarted()
    shard.fold(*stored(joined(1), said(2), left(3), offset=2))
    gap = gap_of(shard, NO_STORED_TEXT)
    assert fills(shard) == [(1, gap), (2, gap), (3, gap)]
    assert outcome(shard) == [("INCOMPLETE", [NO_STORED_TEXT], None), ("COMPLETE", [], 1)]
    shard.fold(*missing(3))
    assert len(shard.certificates()) == 2
    assert shard.findings() == []


def test_a_chat_that_was_read_while_it_ran_ends_with_a_gap_after_what_is_there() -> None:
    shard = never_announced()
    shard.fold(*stored(joined(1), said(2), final=False))
    shard.fold(*missing(2))
    assert shard.gaps() == [(3, None, NO_STORED_TEXT)]
    assert outcome(shard) == [("INCOMPLETE", [NO_STORED_TEXT], None)]
    assert shard.findings() == []


def test_what_was_captured_live_does_not_depend_on_what_ucs_stores() -> None:
    shard = followed(history(joined(1), said(2)))
    shard.fold(*missing())
    shard.fold(push(left(3), over=True))
    shard.fold(*missing(2))
    assert outcome(shard) == [("COMPLETE", [], None)]
    assert (shard.gaps(), shard.findings()) == ([], [])


def test_a_late_announcement_of_such_a_chat_changes_nothing() -> None:
    shard = never_announced()
    shard.fold(*missing())
    shard.fold(announcement())
    assert len(shard.certificates()) == 1
    assert shard.findings() == []


def test_it_goes_over_the_topic_to_the_shard_of_its_chat() -> None:
    shard = never_announced()
    plan = shard.fold(StoredRead((LACKING,), {}, READ_AT))
    [record] = plan.batch.on(STORED)
    assert StoredTextParts().take(record.key, record.headers, record.value, 0) == LACKING


@pytest.mark.parametrize("code", [b"no code", "KÖLN".encode(), b"X" * 65, b"\xff"])
def test_what_is_no_code_is_no_record_of_that_topic(code: bytes) -> None:
    [(headers, value)] = records_of(LACKING, 100)
    mended = [(name, code if name == "missing" else one) for name, one in headers]
    told = StoredTextParts().take(CHAT.encode(), mended, value)
    assert isinstance(told, Problem)
    assert told.code == STORED_RECORD
