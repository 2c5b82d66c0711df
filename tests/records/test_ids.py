"""No two records have the same id, whatever a session is called; nor does a part of what is kept of a chat."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.announcement import session_id_problem
from bridge.records.ids import amendment_id, bridge_id, escaped, event_id, session_record_id
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.session_records import CLOSED, OPENED
from bridge.transcript import entries as kinds
from bridge.transcript.entries import Certificate, Entry, Gap, SessionFacts
from bridge.transcript.events import ChatEvent

Named = tuple[str | int | None, ...]
"""What an id names: a kind, a session id, and numbers or words that tell it from others of that kind."""

SESSIONS: Final = st.text("A5:~#%.@0", max_size=4) | st.text(max_size=4)
NUMBERS: Final = st.integers(0, 12) | st.integers(0, 2**63 - 1)
COUNTS: Final = st.integers(1, 12)


def named(*parts: st.SearchStrategy[str | int | None]) -> st.SearchStrategy[Named]:
    return st.tuples(*parts)


THINGS: Final[st.SearchStrategy[Named]] = st.one_of(
    named(st.just("event"), SESSIONS, NUMBERS),
    named(st.just("amendment"), SESSIONS, NUMBERS, NUMBERS, COUNTS),
    named(st.just("bridge"), SESSIONS, NUMBERS, COUNTS),
    named(st.just("session"), SESSIONS, st.sampled_from([OPENED, CLOSED]), NUMBERS, NUMBERS, st.none() | NUMBERS),
    named(st.just("segment"), SESSIONS, NUMBERS),
)


def name_of(thing: Named) -> str:
    match thing:
        case ["event", str() as session, int() as number]:
            return event_id(escaped(session), number)
        case ["amendment", str() as session, int() as number, int() as epoch, int() as count]:
            return amendment_id(escaped(session), number, epoch, count)
        case ["bridge", str() as session, int() as epoch, int() as sequence]:
            return bridge_id(escaped(session), epoch, sequence)
        case ["session", str() as session, str() as state, int() as epoch, int() as at, last]:
            assert not isinstance(last, str)
            return session_record_id(escaped(session), state, epoch, at, last_sequence=last)
        case ["segment", str() as session, int() as number]:
            return f"{escaped(session)}#{number}"
    pytest.fail(f"{thing} has no id")


@given(st.lists(THINGS, max_size=40, unique=True))
def test_different_things_have_different_ids(things: list[Named]) -> None:
    assert len({name_of(thing) for thing in things}) == len(things)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("event", "A:5", 1), ("amendment", "A", 5, 0, 1)),
        (("event", "A:~0.5", 1), ("bridge", "A", 0, 5)),
        (("bridge", "A", 1, 2), ("bridge", "A", 12, 0)),
        (("event", "A%3A5", 1), ("event", "A:5", 1)),
        (("amendment", "A", 5, 1, 2), ("amendment", "A", 5, 0, 12)),
        (("segment", "A", 1), ("event", "A#1", 1)),
    ],
)
def test_ids_that_met_or_could_have_met_differ(one: Named, other: Named) -> None:
    assert name_of(one) != name_of(other)


@given(SESSIONS)
def test_a_session_id_ends_at_the_first_mark_after_it_and_can_be_read_back(session: str) -> None:
    there = name_of(("event", session, 7)).partition(":")[0]
    marks = {"%3A": ":", "%7E": "~", "%23": "#"}
    for mark, one in marks.items():
        there = there.replace(mark, one)
    assert there.replace("%25", "%") == session


@pytest.mark.parametrize("session", ["A#1", "A%3A5", "A%"])
def test_a_session_id_that_could_be_a_part_of_another_chat_is_not_announced(session: str) -> None:
    assert session_id_problem(session) is not None


def test_a_recorder_gives_its_records_these_ids(recording: Recording) -> None:
    session, facts = "A:5~b", SessionFacts("A:5~b")
    recorder = ChatRecorder(session, recording, epoch=2)
    event, gap = ChatEvent("message", 5), Gap(1, 2, None, "unreadable input")
    expected = {
        "A%3A5%7Eb:5": Entry(kinds.MESSAGE, 3, kinds.LIVE, 1, event),
        "A%3A5%7Eb:5:2.1": Entry(kinds.MESSAGE, 4, kinds.LIVE, 1, event, amendment=1),
        "A%3A5%7Eb:~2.5": Entry(kinds.GAP, 5, kinds.LIVE, 1, gap=gap),
    }
    headers = [dict(recorder.blocks(entry, facts).headers) for entry in expected.values()]
    assert [header["ce_id"].decode() for header in headers] == list(expected)
    assert {header["ce_subject"] for header in headers} == {b"A:5~b"}
    assert recorder.key == b"A:5~b"
    closed = Certificate("COMPLETE", last_sequence=9, supersedes=8, epoch=2)
    assert dict(recorder.session_headers(OPENED, 7))["ce_id"] == b"A%3A5%7Eb:OPENED@2.7"
    assert dict(recorder.session_headers(CLOSED, 7, closed))["ce_id"] == b"A%3A5%7Eb:CLOSED@2.7:9"
