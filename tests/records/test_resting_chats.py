from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records.normalise import ChatRecorder
from bridge.records.record_places import PartitionStart
from bridge.records.session_records import CLOSED, OPENED
from bridge.records.verifier import Verifier
from tests.records.test_verifier import RECORDING, SCHEMAS
from tests.transcript.build import CHAT, fresh, history, joined, push, said

if TYPE_CHECKING:
    from bridge.transcript.entries import Entry

WHOLE = PartitionStart(offset=0, settled=1 << 40, sessions_whole=True)


class ClosedTwice:
    """A chat that was away once, was closed, and got a late event that fills a GAP: events and session records."""

    def __init__(self) -> None:
        self.fold, self.recorder = fresh(), ChatRecorder(CHAT, RECORDING)
        self.sessions = [self.recorder.session_record(OPENED, self.fold.facts, 1)]
        self.early = self.published(self.fold.apply(history(joined(1), said(2))))
        self.fold.away(5)
        self.early += self.published(self.fold.apply(history(joined(1), said(2), said(6))))
        self.early += self.published(self.fold.apply(push(said(7))))
        before = self.fold.certificate().last_sequence
        self.close()
        self.late = self.published(self.fold.apply(history(joined(1), said(2, "changed"), said(4), said(6), said(7))))
        self.close(before)

    def published(self, entries: list[Entry]) -> list[bytes]:
        return [self.recorder.event_record(entry, self.fold.facts) for entry in entries]

    def close(self, supersedes: int | None = None) -> None:
        certificate = self.fold.certificate(supersedes=supersedes)
        self.sessions.append(self.recorder.session_record(CLOSED, self.fold.facts, 9 + len(self.sessions), certificate))


def messages(sessions: list[bytes], *events: list[bytes]) -> list[str]:
    """What is found when others come between the parts of the events."""
    verifier = Verifier(SCHEMAS)
    verifier.start_partition(3, WHOLE)
    for offset, payload in enumerate(sessions):
        verifier.feed_session(payload, 3, offset)
    at = 0
    for part in events:
        for payload in part:
            verifier.feed_event(payload, 3, at)
            at += 1
    return [finding.message for finding in verifier.findings()]


def test_a_chat_goes_on_where_it_rested() -> None:
    chat = ClosedTwice()
    assert messages(chat.sessions[:2], chat.early) == []
    assert messages(chat.sessions, chat.early, chat.late) == []


def test_what_is_wrong_after_it_rested_is_found_as_ever() -> None:
    chat = ClosedTwice()
    assert "was there before" in messages(chat.sessions, chat.early, chat.late, chat.early[:1])[0]
    assert any("a record is missing" in message for message in messages(chat.sessions, chat.early, chat.late[1:]))
    only_first = messages(chat.sessions[:2], chat.early, chat.late)
    assert ["which none covers" in message for message in only_first] == [True]


def test_a_chat_that_rests_counts_as_closed() -> None:
    chat = ClosedTwice()
    verifier = Verifier(SCHEMAS)
    for offset, payload in enumerate(chat.sessions[:2]):
        verifier.feed_session(payload, 3, offset)
    for offset, payload in enumerate(chat.early):
        verifier.feed_event(payload, 3, offset)
    extent = verifier.extent()
    assert (extent.chats, extent.closed, extent.open, extent.cut_off) == (1, 1, 0, 0)
