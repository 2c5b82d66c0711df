"""Stored transcripts on their topic: any text in any parts is whole again, and what is none is named."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.capture import stored_texts
from bridge.capture.stored_texts import MAX_PLACE_BYTES, StoredText, StoredTextParts, records_of
from bridge.errors import Problem
from bridge.transcript.input_codes import STORED_RECORD, STORED_TEXT_INCOMPLETE

if TYPE_CHECKING:
    from bridge.capture.ports import Headers

AT = 1_900_000_000_000_000


def stored(text: bytes = b"<chatTranscript/>", session_id: str = "chat-1", *, final: bool = True) -> StoredText:
    """Return a text that was read from a file."""
    return StoredText(session_id, "file.xml", text, final, AT)


@given(
    texts=st.lists(st.tuples(st.sampled_from(("a", "b", "c")), st.binary(max_size=40), st.booleans()), max_size=4),
    room=st.integers(1, 50),
    draw=st.data(),
)
def test_texts_in_parts_come_back_whole_whatever_lies_between_their_records(
    texts: list[tuple[str, bytes, bool]], room: int, draw: st.DataObject
) -> None:
    different = {(name, text): stored(text, name, final=final) for name, text, final in texts}
    waiting = [(one, records_of(one, room)) for one in different.values()]
    parts, found, offset = StoredTextParts(), list[StoredText](), 0
    while waiting:
        one, records = waiting[draw.draw(st.integers(0, len(waiting) - 1))]
        headers, value = records.pop(0)
        assert len(value) <= room
        told = parts.take(one.session_id.encode(), headers, value, offset)
        offset += 1
        if told is not None:
            assert isinstance(told, StoredText)
            found.append(told)
        waiting = [(text, rest) for text, rest in waiting if rest]
    assert sorted(map(repr, found)) == sorted(map(repr, different.values()))
    assert {(one.session_id, one.text) for one in found} == different.keys()
    assert parts.begun is None


def test_the_headers_are_those_of_the_contract() -> None:
    (headers, value), (second, rest) = records_of(stored(b"abc"), 2)
    digest = sha256(b"abc").hexdigest().encode()
    assert (value, rest) == (b"ab", b"c")
    assert dict(headers) == {
        "place": b"file.xml",
        "final": b"1",
        "readAt": b"1900000000000000",
        "digest": digest,
        "part": b"1",
        "parts": b"2",
    }
    assert dict(second)["part"] == b"2"


def test_a_text_that_its_writer_began_again_is_whole() -> None:
    records = records_of(stored(b"abcdef"), 2)
    parts = StoredTextParts()
    for offset, (headers, value) in enumerate([*records[:2], *records[:2]]):
        assert parts.take(b"chat-1", headers, value, offset) is None
    assert parts.begun == 2
    told = parts.take(b"chat-1", *records[2], 4)
    assert isinstance(told, StoredText)
    assert told.text == b"abcdef"


def test_a_record_that_was_written_twice_counts_once() -> None:
    records = records_of(stored(b"abcdef"), 2)
    parts = StoredTextParts()
    told = [parts.take(b"chat-1", *records[at], offset) for offset, at in enumerate((0, 1, 1, 2))]
    assert told[:3] == [None] * 3
    assert isinstance(told[3], StoredText)


def _with(headers: Headers, **changed: bytes | None) -> Headers:
    return [(name, changed.get(name, value) or b"") for name, value in headers if changed.get(name, b"") is not None]


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        (None, {}),
        (b"", {}),
        (b"a/b", {}),
        (b"\xff", {}),
        (b"chat-1", {"place": None}),
        (b"chat-1", {"final": b"yes"}),
        (b"chat-1", {"readAt": b"-1"}),
        (b"chat-1", {"readAt": b"9" * 30}),
        (b"chat-1", {"part": b"2"}),
        (b"chat-1", {"part": b"0"}),
        (b"chat-1", {"parts": b"99999999"}),
        (b"chat-1", {"parts": "\u0661".encode()}),
    ],
)
def test_a_record_with_another_key_or_other_headers_is_named(key: bytes | None, changed: dict[str, bytes]) -> None:
    (headers, value), *_ = records_of(stored(), 100)
    told = StoredTextParts().take(key, _with(headers, **changed), value)
    assert isinstance(told, Problem)
    assert told.code == STORED_RECORD


@pytest.mark.parametrize("name", ["place", "final", "readAt", "digest", "part", "parts"])
def test_a_header_without_a_value_is_one_that_is_not_there(name: str) -> None:
    (headers, value), *_ = records_of(stored(), 100)
    told = StoredTextParts().take(b"chat-1", [(one, None if one == name else text) for one, text in headers], value)
    assert told == Problem(STORED_RECORD, f"no header {name}")


def test_a_part_without_those_before_it_and_another_digest_are_named() -> None:
    records = records_of(stored(b"abcdef"), 2)
    told = StoredTextParts().take(b"chat-1", *records[1])
    assert isinstance(told, Problem)
    assert told.code == STORED_TEXT_INCOMPLETE
    headers, _ = records_of(stored(b"abc"), 100)[0]
    told = StoredTextParts().take(b"chat-1", headers, b"abd")
    assert isinstance(told, Problem)
    assert told.code == STORED_TEXT_INCOMPLETE


def test_texts_that_are_never_completed_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_texts, "_MAX_BEGUN_BYTES", 5)
    parts = StoredTextParts()
    for offset, text in enumerate((b"abcd", b"efgh", b"ijkl")):
        assert parts.take(b"chat-1", *records_of(stored(text), 2)[0], offset) is None
    ((session_id, why, begun),) = parts.given_up(3)
    assert (session_id, why.code, begun) == ("chat-1", STORED_TEXT_INCOMPLETE, b"ab")
    assert parts.begun == 1
    assert [one[2] for one in parts.given_up(1_000_000)] == [b"ef", b"ij"]
    assert parts.begun is None


def test_a_long_place_is_cut_off_between_characters() -> None:
    (headers, _), *_ = records_of(StoredText("chat-1", "\u20ac" * 1_000, b"", final=False, read_at=AT), 1)
    place = dict(headers)["place"]
    assert MAX_PLACE_BYTES - 3 < len(place) <= MAX_PLACE_BYTES
    assert place.decode() == "\u20ac" * (len(place) // 3)
