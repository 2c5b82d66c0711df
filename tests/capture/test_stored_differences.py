"""Stored transcripts differ from what was seen live: what of that is a change, and what is to be expected."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import msgspec
import pytest

from bridge.capture.stored_settings import StoredSettings
from bridge.transcript.events import ChatEvent, Item, MessageText, NoticeText
from bridge.transcript.gap_codes import (
    OVER_WHILE_AWAY,
)
from tests.capture.recorded_shard import RecordedShard
from tests.capture.stored_documents_of import (
    away,
    followed,
    never_announced,
    stored,
)
from tests.capture.test_session_store import SECOND
from tests.capture.written_topics import STORED
from tests.transcript.build import ALICE, CHAT, history, joined, push, said

LATER = 61 * SECOND


def upload(*more: Item) -> ChatEvent:
    data = [Item("file-name", "str", "a.txt"), Item("file-id", "str", "00F1"), *more]
    return ChatEvent("notice", 2, ALICE, notice_text=NoticeText("SYS_COMMAND", "file-uploaded"), user_data=data)


DELETED = upload(Item("file-deleted", "str", "true"))


def of_client(event: ChatEvent, version: int | None) -> ChatEvent:
    assert event.user_info is not None
    return msgspec.structs.replace(event, user_info=msgspec.structs.replace(event.user_info, client_version=version))


def treated(treat_as: str | None, text: str = "hello") -> ChatEvent:
    return msgspec.structs.replace(said(2), message_text=MessageText(text, treat_as=treat_as))


DIFFERENCES = {
    "masked": (said(2, "card 4111 1111"), said(2, "card **** ****")),
    "a file was deleted later": (upload(), DELETED),
    "unknown attributes": (msgspec.structs.replace(said(2), unknown_attributes={"newest": "7"}), said(2)),
    "event attributes": (msgspec.structs.replace(said(2), event_attributes=[Item("a", "str", "b")]), said(2)),
    "user data": (msgspec.structs.replace(said(2), user_data=[Item("a", "str", "b")]), said(2)),
    "no clientVersion": (of_client(joined(2), 106), of_client(joined(2), None)),
    "no treatAs": (treated("NORMAL"), treated(None)),
    "no treatAs of the server's own": (treated("SYSTEM"), treated(None)),
    "a character that could not be stored": (said(2, "one\u0001two"), said(2, "one\ufffdtwo")),
}


HIDDEN_WHERE_STORED = {"masked", "a character that could not be stored"}
"""What such a stored text hides is news when it comes live."""


CASES = [*product(DIFFERENCES, [False]), *product(sorted(DIFFERENCES.keys() - HIDDEN_WHERE_STORED), [True])]


@pytest.mark.parametrize(("kind", "stored_first"), CASES)
def test_what_is_expected_to_differ_is_no_amendment(kind: str, stored_first: bool) -> None:
    live, archived = DIFFERENCES[kind]
    shard = RecordedShard()
    if stored_first:
        shard.fold(*stored(joined(1), archived))
    shard.restarted().fold(history(joined(1), live))
    shard.restarted().fold(*stored(joined(1), archived))
    shard.fold(history(joined(1), live))
    assert [record["eventId"] for record in shard.records() if record["eventId"]] == [1, 2]
    assert shard.findings() == []


def test_a_stored_file_notice_is_published_as_it_is_stored() -> None:
    shard = never_announced()
    shard.fold(*stored(DELETED))
    assert shard.records()[0]["userData"]["file-deleted"] == "true"


def test_what_a_server_did_not_save_before_it_failed_stays_as_it_is_and_the_rest_is_named() -> None:
    shard = followed(history(joined(1), said(2), said(3), said(4)))
    away(shard)
    shard.fold(*stored(joined(1), said(2)))
    assert shard.outline() == [1, 2, 3, 4, "GAP"]
    certificate = shard.certificates()[-1]
    assert (certificate["verdict"], certificate["reasons"]) == ("INCOMPLETE", [OVER_WHILE_AWAY])
    assert shard.findings() == []


def test_a_changed_text_is_an_amendment_as_long_as_the_chat_is_remembered_as_a_whole() -> None:
    shard = followed(history(joined(1), said(2)), push(said(3), over=True))
    shard.settings = replace(shard.settings, stored=StoredSettings(STORED, remembered_us=2 * LATER))
    shard.restarted().now += LATER
    shard.fold()
    shard.fold(*stored(joined(1), said(2, "edited"), said(3)))
    record = shard.records()[-1]
    assert (record["amends"], record["origin"], record["message"]["text"]) == (f"{CHAT}:2", "ARCHIVE", "edited")
    shard.now += 2 * LATER
    shard.fold()
    before = len(shard.events)
    shard.fold(*stored(joined(1), said(2, "edited once more"), said(3)))
    assert len(shard.events) == before
    assert shard.findings() == []


CHANGES = {
    "the text": (treated("NORMAL"), treated(None, "hello again")),
    "the visibility": (treated("NORMAL"), msgspec.structs.replace(treated(None), visibility="INT")),
    "treatAs": (treated("NORMAL"), treated("SYSTEM")),
    "the nickname": (
        of_client(joined(2), 106),
        of_client(joined(2, nickname="Somebody else"), None),
    ),
    "a text with a substitute": (said(2, "\ufffdone two"), said(2, "\ufffdone three")),
    "a text before a substitute": (said(2, "\ufffdone two"), said(2, "[changed] \ufffdone two")),
    "a text with a character that could not be stored": (said(2, "\u0001one two"), said(2, "\ufffdone three")),
    "a text without a substitute": (said(2, "\ufffdone two"), said(2, "one three")),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_beside_what_is_expected_to_differ_is_an_amendment_once(kind: str) -> None:
    live, archived = CHANGES[kind]
    shard = followed(history(joined(1), live))
    shard.fold(*stored(joined(1), archived, final=False))
    shard.restarted().fold(*stored(joined(1), archived, offset=2))
    amended = [record["eventId"] for record in shard.records() if record["amendment"] is not None]
    assert amended == [2]
    assert shard.findings() == []


def test_a_live_event_is_compared_with_all_that_was_seen_live_whatever_a_stored_one_lacks() -> None:
    shard = followed(history(joined(1), treated("NORMAL")))
    shard.fold(*stored(joined(1), treated(None), final=False))
    shard.fold(history(joined(1), treated("NORMAL")))
    assert shard.outline().count(2) == 1
    shard.fold(history(joined(1), treated("SYSTEM")))
    assert shard.outline().count(2) == 2
